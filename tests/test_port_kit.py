"""A layer cut out of a model and run by itself gives what it gave in the model."""

from __future__ import annotations

import os
import random
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tflreplay
from tests.graphs import Graph, model
from tests.single_op import Spec, build, run_engine
from tflreplay.ground.errors import CaptureError, InputError, TflreplayError
from tflreplay.model import Model, load, parse
from tflreplay.model.extraction import copies
from tflreplay.model.writer import write
from tflreplay.runtimes import Capture, capture
from tflreplay.runtimes.inputs import Inputs, random_inputs, read_inputs
from tflreplay.tools import extract as port_kit
from tflreplay.tools.extract import PortKit, extract

ZOO = os.environ.get("TFLREPLAY_ZOO")
STATEFUL = (
    "CALL_ONCE",
    "VAR_HANDLE",
    "READ_VARIABLE",
    "ASSIGN_VARIABLE",
    "SVDF",
    "UNIDIRECTIONAL_SEQUENCE_LSTM",
)


def assert_reproduces(kit: PortKit) -> None:
    """As the kit says it, and by an interpreter that the kit knows nothing of."""
    assert kit.reproduces
    assert len(kit.model.main.operators) == 1
    given = run_engine(kit.model.content, list(kit.inputs.values()), kit.engine)
    for array, index in zip(given, kit.op.outputs, strict=True):
        expected = kit.captured.tensors[index]
        assert array.dtype == expected.dtype
        np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("op_index", range(20))
def test_every_layer(
    seven_ops: Model, seven_inputs: Inputs, seven_captured: Capture, op_index: int
) -> None:
    kit = extract(seven_ops, seven_inputs, op_index, captured=seven_captured)
    assert_reproduces(kit)
    assert not kit.rules.reason


@pytest.mark.parametrize("op_index", [10, 14])
def test_xnnpack_is_run_by_itself_too(
    seven_ops: Model, seven_inputs: Inputs, op_index: int
) -> None:
    kit = tflreplay.extract(seven_ops, seven_inputs, op_index, engine="xnnpack")
    assert kit.engine.name == "xnnpack"
    assert_reproduces(kit)


@pytest.mark.skipif(not ZOO, reason="TFLREPLAY_ZOO names no directory of models")
def test_fifty_random_layers_of_the_zoo() -> None:
    layers = []
    for path in sorted(Path(ZOO or "").glob("*.tflite")):
        layers += [(path, op.index) for op in load(path).main.operators]
    random.Random(6).shuffle(layers)
    by_model = defaultdict(list)
    for path, op_index in layers[:80]:
        by_model[path].append(op_index)
    done = 0
    for path, indices in by_model.items():
        whole = load(path)
        try:
            inputs = random_inputs(whole)
            captured = capture(whole, inputs.arrays)
        except TflreplayError:  # as tests/test_zoo.py has it
            continue
        for op_index in indices:
            try:
                kit = extract(whole, inputs, op_index, captured=captured)
            except (InputError, CaptureError):
                op = whole.main.operators[op_index]
                assert captured.failure or op.name in STATEFUL, op
                continue
            assert_reproduces(kit)
            done += 1
    assert done >= 50


def single(content: bytes) -> tuple[Model, Inputs]:
    parsed = parse(content, Path("single.tflite"))
    return parsed, random_inputs(parsed)


def test_several_outputs() -> None:
    axis = Spec((), "int32", data=np.array(2, np.int32))
    parts = [Spec((1, 2, 2), "uint8", 0.5, 3)] * 3
    whole, inputs = single(
        build(
            "SPLIT", [axis, Spec((1, 2, 6), "uint8", 0.5, 3)], parts,
            {"numSplits": 3}, "SplitOptions",
        )
    )  # fmt: skip
    kit = extract(whole, inputs, 0)
    assert_reproduces(kit)
    names = [kit.model.main.tensors[index].name for index in kit.model.main.outputs]
    assert names == ["output_0", "output_1", "output_2"]


def test_weights_of_four_bits() -> None:
    rng = np.random.default_rng(3)
    packed = rng.integers(0, 256, 3 * 8 // 2).astype(np.uint8)
    weights = Spec((3, 8), "int4", [0.5, 0.25, 0.125], 0, packed)
    whole, inputs = single(
        build(
            "FULLY_CONNECTED", [Spec((2, 8), "int8", 0.5, 3), weights, None],
            [Spec((2, 3), "int8", 1.0, -1)], {}, "FullyConnectedOptions", 12,
        )
    )  # fmt: skip
    kit = extract(whole, inputs, 0)
    assert_reproduces(kit)
    assert [tensor.name for tensor in kit.model.main.tensors] == ["weights", "input", "output"]


def test_the_captured_shape_takes_the_place_of_a_dynamic_one() -> None:
    graph = Graph()
    x = graph.tensor(shape=(1, 6))
    shape = graph.tensor("int32", (2,))
    (y,) = graph.op("RESHAPE", (x, shape), (graph.tensor(shape=(1, 1)),), "ReshapeOptions")
    z = graph.add(y, y)
    graph.tensors[x] = replace(graph.tensors[x], shape_signature=(-1, 6))
    whole = model((graph, (x, shape), (z,)))
    codes = np.arange(24, dtype=np.int8).reshape(4, 6)
    inputs = Inputs({x: codes, shape: np.array([3, 8], np.int32)})
    for op_index in (0, 1):
        kit = extract(whole, inputs, op_index)
        assert_reproduces(kit)
        (output,) = kit.outputs.values()
        assert output.shape == (3, 8)
        for index, array in kit.inputs.items():
            tensor = kit.model.main.tensors[index]
            assert tensor.shape == tensor.shape_signature == array.shape


def test_the_last_of_several_inferences_is_taken(tmp_path: Path, seven_ops: Model) -> None:
    steps = np.stack([random_inputs(seven_ops, seed).arrays[0] for seed in (1, 2)])
    np.save(tmp_path / "steps.npy", steps)
    inputs = read_inputs(seven_ops, [str(tmp_path / "steps.npy")])
    kit = extract(seven_ops, inputs, 0)
    (given,) = kit.inputs.values()
    np.testing.assert_array_equal(given, steps[1])
    assert kit.reproduces


def test_a_layer_that_is_not_the_same_alone_is_noticed(
    monkeypatch: pytest.MonkeyPatch, seven_ops: Model, seven_inputs: Inputs, seven_captured: Capture
) -> None:
    def changed(*arguments: Any, **named: Any) -> Model:
        cut = copies(*arguments, **named)
        (op,) = cut.main.operators
        op = replace(op, options={**op.options, "fused_activation_function": "RELU"})
        return parse(write([replace(cut.main, operators=(op,))]), cut.path)

    monkeypatch.setattr(port_kit, "copies", changed)
    kit = extract(seven_ops, seven_inputs, 10, captured=seven_captured)
    assert not kit.reproduces
    (found,) = kit.alone.values()
    assert found is not None
    assert found.mismatches > 0


def stateful() -> tuple[Model, Inputs]:
    graph = Graph()
    x = graph.tensor()
    handle = graph.variable("kept")
    graph.op("ASSIGN_VARIABLE", (handle, x), (), "AssignVariableOptions")
    (y,) = graph.op("READ_VARIABLE", (handle,), (graph.tensor(),), "ReadVariableOptions")
    whole = model((graph, (x,), (y,)))
    return whole, random_inputs(whole)


@pytest.mark.parametrize("op_index", [0, 1, 2])
def test_a_layer_with_state_cannot_be_cut_out(op_index: int) -> None:
    with pytest.raises(InputError, match=f"layer {op_index} .* keeps a variable"):
        extract(*stateful(), op_index)


def test_a_layer_that_runs_other_subgraphs_cannot_be_cut_out() -> None:
    main, branch = Graph(), Graph()
    condition, x = main.tensor("bool", ()), main.tensor()
    options = {"then_subgraph_index": 1, "else_subgraph_index": 1}
    (y,) = main.op("IF", (condition, x), (main.tensor(),), "IfOptions", **options)
    entry = branch.tensor()
    whole = model((main, (condition, x), (y,)), (branch, (entry,), (branch.add(entry, entry),)))
    with pytest.raises(InputError, match="layer 0 IF runs other subgraphs"):
        extract(whole, random_inputs(whole), 0)


def test_what_was_not_captured_is_told(
    seven_ops: Model, seven_inputs: Inputs, seven_captured: Capture
) -> None:
    index = seven_ops.main.operators[10].inputs[1]
    tensors = {i: array for i, array in seven_captured.tensors.items() if i != index}
    partial = replace(seven_captured, tensors=tensors, missing={index: "it was too large"})
    with pytest.raises(CaptureError, match=r"input_1 of layer 10 ADD.*captured: it was too large"):
        extract(seven_ops, seven_inputs, 10, captured=partial)
