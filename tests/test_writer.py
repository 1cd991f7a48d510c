"""Records written and read again are the same records."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import EFFICIENTNET, SEVEN_OPS
from tests.single_op import Spec, build, run_engine
from tflreplay.ground.errors import ModelError
from tflreplay.model import Model, Operator, Quantization, Subgraph, Tensor, load, parse
from tflreplay.model.sparsity import Sparsity
from tflreplay.model.writer import write

ZOO = os.environ.get("TFLREPLAY_ZOO")
MODELS = sorted(Path(ZOO).glob("*.tflite")) if ZOO else []


def assert_round_trip(model: Model) -> None:
    again = parse(write(model.subgraphs, model.description), Path("again.tflite"))
    assert again.subgraphs == model.subgraphs
    assert again.description == model.description
    for ours, theirs in zip(again.subgraphs, model.subgraphs, strict=True):
        for a, b in zip(ours.tensors, theirs.tensors, strict=True):
            assert a.raw == b.raw  # which equality of tensors leaves out
            if a.raw is not None:
                assert (address(a.raw) - address(again.content)) % 16 == 0


def address(data: bytes | memoryview) -> int:
    return np.frombuffer(data, np.uint8).ctypes.data


@pytest.mark.parametrize("path", [SEVEN_OPS, EFFICIENTNET], ids=lambda path: path.stem)
def test_models(path: Path) -> None:
    assert_round_trip(load(path))


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_zoo(path: Path) -> None:
    model = load(path)
    if any(tensor.is_sparse for graph in model.subgraphs for tensor in graph.tensors):
        pytest.skip("sparse tensors")
    assert_round_trip(model)


def parsed(content: bytes) -> Model:
    return parse(content, Path("single.tflite"))


X = Spec((1, 4, 4, 2), "int8", 0.5, 3)
SINGLE: dict[str, tuple[Any, ...]] = {
    "per axis, activation, padding": (
        "CONV_2D",
        [
            X,
            Spec((3, 1, 1, 2), "int8", [0.1, 0.2, 0.3], 0, np.ones((3, 1, 1, 2), np.int8)),
            Spec((3,), "int32", [0.1, 0.2, 0.3], 0, np.arange(3, dtype=np.int32)),
        ],
        [Spec((1, 2, 2, 3), "int8", 0.25, -1)],
        {"padding": 1, "strideW": 2, "strideH": 2, "fusedActivationFunction": 3},
        "Conv2DOptions",
        3,
    ),
    "an optional input left out": (
        "FULLY_CONNECTED",
        [Spec((2, 4), "int8", 1.0), Spec((3, 4), "int4", 1.0, 0, np.ones(6, np.int8)), None],
        [Spec((2, 3), "int8", 1.0)],
        {"keepNumDims": True, "asymmetricQuantizeInputs": True},
        "FullyConnectedOptions",
        9,
    ),
    "a vector of integers": (
        "SQUEEZE",
        [Spec((1, 2, 1), "float32")],
        [Spec((2,), "float32")],
        {"squeezeDims": [0, -1]},
        "SqueezeOptions",
    ),
    "a vector of floats": (
        "BUCKETIZE",
        [Spec((2,), "float32")],
        [Spec((2,), "int32")],
        {"boundaries": [0.1, 7.5]},
        "BucketizeOptions",
    ),
    "texts": (
        "VAR_HANDLE",
        [],
        [Spec((), "resource")],
        {"container": "", "sharedName": "a name"},
        "VarHandleOptions",
    ),
    "a float, an operator beyond the old field": (
        "GELU",
        [Spec((2,), "int8", 1.0)],
        [Spec((2,), "int8", 1.0)],
        {"approximate": True},
        "GeluOptions",
    ),
    "a type": (
        "CAST",
        [Spec((2,), "int16", 1.0)],
        [Spec((2,), "float16")],
        {"inDataType": 7, "outDataType": 1},
        "CastOptions",
    ),
    "no table": ("LOGISTIC", [X], [X]),
}


@pytest.mark.parametrize("arguments", SINGLE.values(), ids=list(SINGLE))
def test_single_ops(arguments: tuple[Any, ...]) -> None:
    model = parsed(build(*arguments))
    assert_round_trip(model)
    (op,) = model.main.operators
    table = f"{arguments[4]}" if len(arguments) > 4 else ""
    assert op.options_table == table


def graph(op: Operator, *tensors: Tensor) -> Subgraph:
    return Subgraph(0, "g", tensors, (0,), (1,), (op,))


def tensor(index: int, **fields: Any) -> Tensor:
    return Tensor(
        **{
            "index": index,
            "name": f"t{index}",
            "shape": (2, 2),
            "shape_signature": (2, 2),
            "dtype": "int8",
            "buffer": 0,
        }
        | fields
    )


def test_records_of_our_own() -> None:
    """What real models have and the other test's builder does not write."""
    op = Operator(
        0, "CUSTOM:Their", 4, (0, -1), (1,), custom_options=b"\x01\x02\x03", intermediates=(0, -1)
    )
    many = Quantization(np.array([0.5, 2.0], np.float32), np.array([3, -4]), 1)
    first = tensor(0, shape_signature=(-1, 2), quantization=many, is_variable=True)
    second = tensor(1, name="ünïcödé", dtype="uint4", buffer=5, raw=memoryview(b"\x21\x43"))
    records = (
        graph(op, first, second),
        replace(graph(replace(op, name="BUILTIN_999"), first, second), index=1),
        replace(graph(replace(op, version=1), first, second), index=2),
    )
    again = parsed(write(records, "made up"))
    assert again.subgraphs == records
    assert again.main.tensors[1].data is not None
    assert again.main.tensors[1].data.tolist() == [[1, 2], [3, 4]]


def test_a_left_out_option_gets_the_default() -> None:
    pool = Operator(0, "MAX_POOL_2D", 2, (0,), (1,), {"stride_w": 3}, options_table="Pool2DOptions")
    (op,) = parsed(write([graph(pool, tensor(0), tensor(1))])).main.operators
    assert op.options["stride_w"] == 3
    assert op.options["padding"] == "SAME"


def test_runtimes_accept_it() -> None:
    model = parsed(build(*SINGLE["per axis, activation, padding"]))
    content = write(model.subgraphs)
    codes = np.arange(32, dtype=np.int8).reshape(1, 4, 4, 2)
    for ours, theirs in zip(
        run_engine(content, [codes]), run_engine(model.content, [codes]), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (tensor(0, dtype="int9"), "'int9' is not in the schema"),
        (tensor(0, sparsity=Sparsity((), (), ())), "sparse"),
        (tensor(0, buffer=1, raw=memoryview(b"1234")), "other data in its buffer"),
        (Operator(0, "NO_SUCH_OP", 1, (0,), (1,)), "'NO_SUCH_OP' is not in the schema"),
        (Operator(0, "ADD", 1, (0,), (1,), {"axis": 1}), "names no table"),
        (
            Operator(0, "ADD", 1, (0,), (1,), {"axis": 1}, options_table="AddOptions"),
            "AddOptions has no field 'axis'",
        ),
        (Operator(0, "ADD", 1, (0,), (1,), options_table="Adds"), "no option table 'Adds'"),
    ],
)
def test_what_cannot_be_written(records: Tensor | Operator, message: str) -> None:
    last = tensor(1, buffer=1, raw=memoryview(b"abcd"))
    op = records if isinstance(records, Operator) else Operator(0, "ABS", 1, (0,), (1,))
    first = records if isinstance(records, Tensor) else tensor(0)
    with pytest.raises(ModelError, match=message):
        write([graph(op, first, last)])
