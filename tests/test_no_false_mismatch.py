"""Layers that are right, and were once called mismatches: whole runs in every engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.graphs import Graph
from tests.graphs import model as graphs
from tests.single_op import Spec, build
from tflreplay.ground.engine import Engine
from tflreplay.judgement.comparison import compare
from tflreplay.judgement.run import Run, story
from tflreplay.model import Model, parse
from tflreplay.replayer.loop import replay_isolated
from tflreplay.runtimes import xnnpack
from tflreplay.runtimes.inputs import Inputs
from tflreplay.tools.replay import run

every_engine = pytest.mark.parametrize("engine", ["reference", "optimized", "xnnpack"])


def of(model: Model, *arrays: np.ndarray, engine: str) -> Run:
    return run(model, Inputs(dict(zip(model.main.inputs, arrays, strict=True))), engine=engine)


def single(op: str, x: np.ndarray, y: tuple[int, ...], others: list[Spec | None], *options: Any):
    inputs = [Spec(x.shape, "float32"), *others]
    return parse(build(op, inputs, [Spec(y, "float32")], *options), Path(f"{op}.tflite"))


def indices(*values: int) -> Spec:
    return Spec((len(values),), "int32", data=np.array(values, np.int32))


# ---- floating point ---------------------------------------------------------------------------


@every_engine
@pytest.mark.parametrize(
    ("low", "high"), [(-9.5, -9), (-104, -103), (-88, -87), (-20, 20), (16, 18), (-110, -100)]
)
def test_logistic_far_from_zero(engine: str, low: float, high: float) -> None:
    x = np.linspace(low, high, 1001, dtype=np.float32)[None]
    result = of(single("LOGISTIC", x, x.shape, []), x, engine=engine)
    assert result.verdict == "exact", result.comparison.layers[0].main


ROWS = ("zero mean", "equal", "two values", "positive", "as large as can be")


def rows(kind: str, shape: tuple[int, ...]) -> np.ndarray:
    """Sums that cancel, that are rounded to the same side again and again, and others."""
    rng = np.random.default_rng(len(kind))
    x = {
        "zero mean": lambda: rng.normal(0, 1, shape),
        "equal": lambda: np.full(shape, rng.random()),
        "two values": lambda: np.where(rng.random(shape) < 0.5, 0.1, 1.0),
        "positive": lambda: rng.random(shape),
        "as large as can be": lambda: rng.normal(0, 1, shape) * 1e38 / np.prod(shape),
    }[kind]().astype(np.float32)
    if kind == "zero mean":
        x -= x.mean(axis=-1, keepdims=True)
    return x


@every_engine
@pytest.mark.parametrize("kind", ROWS)
@pytest.mark.parametrize("op", ["MEAN", "SUM"])
@pytest.mark.parametrize(
    ("shape", "axes"),
    [((1, 50, 64), (2,)), ((1, 128, 128, 8), (1, 2)), ((3, 30011), (1,)), ((30011, 3), (0,))],
)
def test_reductions(
    engine: str, op: str, kind: str, shape: tuple[int, ...], axes: tuple[int, ...]
) -> None:
    x = rows(kind, shape)
    y = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    model = single(op, x, y, [indices(*axes)], {"keepDims": True}, "ReducerOptions")
    result = of(model, x, engine=engine)
    (layer,) = result.comparison.layers
    assert result.verdict == "exact", layer.main
    assert engine == "xnnpack" or layer.status == "exact"


@every_engine
@pytest.mark.parametrize("kind", ROWS)
@pytest.mark.parametrize("depth", [256, 4099])
def test_fully_connected(engine: str, kind: str, depth: int) -> None:
    x = rows(kind, (4, depth))
    # Weights like x make all terms positive; weights of one sign let the sum cancel.
    for weights in (np.ones((3, depth), np.float32), x[:3] / np.abs(x).max()):
        spec = Spec(weights.shape, "float32", data=weights)
        model = single("FULLY_CONNECTED", x, (4, 3), [spec, None], {}, "FullyConnectedOptions")
        result = of(model, x, engine=engine)
        assert result.verdict == "exact", result.comparison.layers[0].main


def test_what_no_order_of_a_sum_can_make_is_a_mismatch() -> None:
    """Of a sum that cancels, one unit of the last place of a term is a mismatch once it shows."""
    x = rows("zero mean", (1, 64))
    model = single("SUM", x, (1, 1), [indices(1)], {"keepDims": True}, "ReducerOptions")
    (source,), (target,) = model.main.inputs, model.main.outputs
    ours = replay_isolated(model, {source: x}, Engine("xnnpack"))
    slack = ours.slacks[0]()
    terms = np.abs(x.astype(np.float64)).sum()
    np.testing.assert_allclose(slack, [[66 * 2.0**-24 * terms]], rtol=1e-6)
    for off, status in ((0.9, "within tolerance"), (1.1, "mismatch"), (np.inf, "mismatch")):
        theirs = (ours.tensors[target] + off * slack).astype(np.float32)
        (layer,) = compare(model, {target: theirs}, isolated=ours).layers
        assert layer.status == status
        if off == 0.9:
            assert 0.85 < layer.isolated.share < 0.95
            assert f"more than {layer.isolated.share:.2%} of what rounding" in story(layer)


# ---- the sign of zero -------------------------------------------------------------------------


@every_engine
def test_resize_bilinear_of_minus_zero(engine: str) -> None:
    x = np.full((1, 2, 2, 1), -0.0, np.float32)
    options = {"halfPixelCenters": True}, "ResizeBilinearOptions"
    model = single("RESIZE_BILINEAR", x, (1, 4, 4, 1), [indices(4, 4)], *options)
    result = of(model, x, engine=engine)
    assert [layer.status for layer in result.comparison.layers] == ["exact"]


def test_the_sign_of_zero_is_no_mismatch() -> None:
    x = np.float32([[1, -0.0, 0.0, 2]])
    model = single("RELU", x, x.shape, [])
    (target,) = model.main.outputs
    ours = replay_isolated(model, {model.main.inputs[0]: x})
    theirs = {target: np.float32([[1, 0.0, -0.0, 2]])}
    (layer,) = compare(model, theirs, isolated=ours).layers
    assert layer.status == "within tolerance"
    assert "only the sign of zero, or of NaN, differs" in story(layer)
    (layer,) = compare(model, {target: theirs[target] + 1e-45}, isolated=ours).layers
    assert layer.status == "mismatch"


# ---- what a file does not say -----------------------------------------------------------------


def resized_conv(dtype: str, unknown: str) -> Model:
    """CONV_2D of an image whose size is computed; the shapes ``unknown`` are recorded as ()."""
    graph = Graph()
    x = graph.tensor(dtype, (1, 7, 7, 3))
    (shape,) = graph.op(
        "SHAPE", (x,), (graph.tensor("int32", (4,)),), "ShapeOptions", out_type="int32"
    )
    cut = [graph.tensor("int32", (1,), np.array([i], np.int32)) for i in (1, 3, 1)]
    (size,) = graph.op(
        "STRIDED_SLICE", (shape, *cut), (graph.tensor("int32", (2,)),), "StridedSliceOptions"
    )
    twice = graph.tensor("int32", (2,), np.array([2, 2], np.int32))
    (size,) = graph.op("MUL", (size, twice), (graph.tensor("int32", (2,)),), "MulOptions")
    image = graph.tensor(dtype, () if unknown in ("image", "both") else (1, 1, 1, 3))
    graph.op("RESIZE_NEAREST_NEIGHBOR", (x, size), (image,), "ResizeNearestNeighborOptions")
    rng = np.random.default_rng(1)
    weights = graph.tensor(
        "int8", (5, 3, 3, 3), rng.integers(-127, 128, (5, 3, 3, 3)).astype(np.int8)
    )
    weighted = graph.tensors[weights]
    assert weighted.quantization is not None
    zero = replace(weighted.quantization, zero_point=np.zeros(1, np.int64))
    graph.tensors[weights] = replace(weighted, quantization=zero)
    bias = (
        graph.tensor("int32", (5,), rng.integers(-99, 99, 5).astype(np.int32))
        if dtype == "int8"
        else graph.tensor("float32", (5,), rng.normal(size=5).astype(np.float32))
    )
    if dtype == "int8":
        graph.tensors[bias] = replace(graph.tensors[bias], quantization=zero)
    y = graph.tensor(dtype, () if unknown in ("output", "both") else (1, 1, 1, 5))
    options = {"stride_h": 1, "stride_w": 1, "dilation_h_factor": 1, "dilation_w_factor": 1}
    graph.op("CONV_2D", (image, weights, bias), (y,), "Conv2DOptions", **options)
    return graphs((graph, (x,), (y,)))


@every_engine
@pytest.mark.parametrize("unknown", ["neither", "image", "output", "both"])
@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_an_unknown_rank(engine: str, dtype: str, unknown: str) -> None:
    model = resized_conv(dtype, unknown)
    rng = np.random.default_rng(2)
    x = rng.normal(0, 1, (1, 7, 7, 3))
    array = (x * 40).astype(np.int8) if dtype == "int8" else x.astype(np.float32)
    result = of(model, array, engine=engine)
    assert [layer.status for layer in result.comparison.layers] == ["exact"] * 5
    assert not result.engine.left
    if engine == "xnnpack":
        taken = result.comparison.layers[-1].origin == xnnpack.DELEGATED
        assert taken == (unknown == "neither")


# ---- what XNNPACK leaves ----------------------------------------------------------------------


def looked_up(scale: float) -> Model:
    """Rows of a table of codes, which is dequantized first."""
    graph = Graph()
    rng = np.random.default_rng(3)
    codes = rng.integers(-128, 128, (32, 4)).astype(np.int8)
    table = graph.tensor("int8", (32, 4), codes, np.float32(scale))
    reals, which = graph.tensor("float32", (32, 4)), graph.tensor("int32", (3,))
    graph.op("DEQUANTIZE", (table,), (reals,))
    graph.op("GATHER", (reals, which), (graph.tensor("float32", (3, 4)),), "GatherOptions", axis=0)
    return graphs((graph, (which,), (3,)))


@every_engine
@pytest.mark.parametrize("scale", [0.007425327785313129, 0.1, 0.25])
def test_a_dequantized_constant_whose_reader_xnnpack_leaves(engine: str, scale: float) -> None:
    result = of(looked_up(scale), np.array([3, 0, 31], np.int32), engine=engine)
    assert [layer.status for layer in result.comparison.layers] == ["exact", "exact"]
    said = "XNNPACK was expected to take op 0 DEQUANTIZE, and did not"
    assert any(said in note for note in result.notes) == (engine == "xnnpack")
    assert result.engine.left == ((0,) if engine == "xnnpack" else ())


# ---- what a runtime does not write ------------------------------------------------------------


def loop(read: str) -> Model:
    """A WHILE whose body hands ``kept`` on; ``read`` says who reads that output."""
    main = Graph()
    entries = main.tensor(), main.tensor(), main.tensor("int32", (1,))
    outputs = main.tensor(), main.tensor(), main.tensor("int32", (1,))
    calls = {"cond_subgraph_index": 1, "body_subgraph_index": 2}
    main.op("WHILE", entries, outputs, "WhileOptions", **calls)
    # Other ops write where the output that was dropped would lie.
    y = main.add(main.add(outputs[0], outputs[0]), entries[0])
    results = {"nobody": (y,), "the user": (y, outputs[1])}.get(read)
    condition = Graph()
    known = condition.tensor(), condition.tensor(), condition.tensor("int32", (1,))
    limit = condition.tensor("int32", (1,), np.array([5], np.int32))
    (again,) = condition.op(
        "LESS", (known[2], limit), (condition.tensor("bool", (1,)),), "LessOptions"
    )
    body = Graph()
    given = body.tensor(), body.tensor(), body.tensor("int32", (1,))
    one = body.tensor("int32", (1,), np.array([1], np.int32))
    more = body.add(given[0], body.tensor(data=np.ones((4, 5), np.int8)))
    (count,) = body.op("ADD", (given[2], one), (body.tensor("int32", (1,)),), "AddOptions")
    return graphs(
        (main, entries, results or (main.add(y, outputs[1]),)),
        (condition, known, (again,)),
        (body, given, (more, given[1], count)),
    )


@every_engine
@pytest.mark.parametrize("read", ["nobody", "the user", "an op"])
def test_what_a_loop_hands_on_unread(engine: str, read: str) -> None:
    rng = np.random.default_rng(4)
    x, kept = (rng.integers(-128, 128, (4, 5)).astype(np.int8) for _ in range(2))
    result = of(loop(read), x, kept, np.zeros(1, np.int32), engine=engine)
    assert {layer.status for layer in result.comparison.layers} == {"exact"}
    if engine != "xnnpack":
        unread = 2 if read == "nobody" else 1  # the counter, too
        assert f"with {unread} more outputs" in result.capture.note
