"""Known defects of engines: said of the layers that meet them, and of no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.kernels.test_lstm import Kind, of_tflm, random_lstm
from tests.recorded.case import engine_of, parsed, read
from tests.single_op import Op, Spec, build_side_by_side, random_codes
from tflreplay.ground.engine import NEWEST, Engine
from tflreplay.ground.errors import CaptureError
from tflreplay.ground.machine import MEASURED_ON, Machine, asked
from tflreplay.judgement.defects import met
from tflreplay.judgement.run import Run
from tflreplay.model import parse
from tflreplay.ops import CARDS
from tflreplay.replayer.loop import replay
from tflreplay.reports import html, json_report, summary, table
from tflreplay.runtimes.inputs import Inputs
from tflreplay.tools.replay import run

Made = tuple[bytes, list[np.ndarray]]
RNG = np.random.default_rng(1)


FIRST = random_codes(RNG, (8,), "int8")


def build(*args: Any, **more: Any) -> bytes:
    """The op after another one, so that there is something to report where it aborts."""
    x = Spec(FIRST.shape, "int8", 0.5)
    return build_side_by_side([Op("RELU", [x], [x]), Op(*args, **more)])


def ran(made: Made, engine: str) -> Run:
    """The model in the real engine, in a process of its own, and our replay of it."""
    model = parse(made[0], Path("single_op.tflite"))
    arrays = dict(zip(model.main.inputs, [FIRST, *made[1]], strict=True))
    return run(model, Inputs(arrays), engine=engine)


def words(found: Run) -> list[str]:
    return [one.defect.words for those in found.findings.defects.values() for one in those]


def reduced(op: str, dtype: str, low: int) -> Made:
    x, y = Spec((4, 8), dtype, 0.5, 0), Spec((4,), dtype, 2.0, 0)
    axes = Spec((1,), "int32", data=np.array([1], np.int32))
    codes = RNG.integers(low, low + 8, (4, 8)).astype(dtype)
    return build(op, [x, axes], [y], {}, "ReducerOptions", 2), [codes]


def pair(op: str, table: str | None, *scales: float, dtype: str = "int8", y: str = "") -> Made:
    """Codes of two scales; the third scale is the output's."""
    specs = [Spec((64,), dtype, scale, 0) for scale in scales]
    output = Spec((64,), y) if y else specs.pop()
    codes = [random_codes(RNG, (64,), dtype) for _ in specs]
    if y:
        codes[1] = (codes[0] + RNG.integers(-1, 2, 64)).astype(dtype)
    return build(op, specs, [output], {} if table else None, table, 2), codes


def one(op: str, table: str | None, x: Spec, y: Spec, version: int = 2) -> Made:
    content = build(op, [x], [y], {} if table else None, table, version)
    return content, [random_codes(RNG, x.shape, x.dtype)]


def copied(zero_point: int) -> Made:
    x, y = Spec((8, 8), "int8", 0.5, 3), Spec((8, 8), "int8", 0.5, zero_point)
    order = Spec((2,), "int32", data=np.array([1, 0], np.int32))
    content = build("TRANSPOSE", [x, order], [y], {}, "TransposeOptions", 2)
    return content, [random_codes(RNG, (8, 8), "int8")]


def softmax(length: int) -> Made:
    x, y = Spec((2, length), "int8", 0.1, 0), Spec((2, length), "int8", 1 / 256, -128)
    content = build("SOFTMAX", [x], [y], {"beta": 1.0}, "SoftmaxOptions", 2)
    return content, [np.full(x.shape, 7, np.int8)]


def connected(lowest: int, dtype: str = "int8") -> Made:
    """float32 by weights of which all are the ``lowest``."""
    x, y = Spec((2, 32), "float32"), Spec((2, 4), "float32")
    data = np.full((4, 32), lowest, np.int8)
    if dtype == "int4":
        data = np.full(64, (lowest & 15) * 17, np.uint8)
    w = Spec((4, 32), dtype, 0.1, 0, data)
    content = build("FULLY_CONNECTED", [x, w, None], [y], {}, "FullyConnectedOptions", 9)
    return content, [RNG.normal(0, 1, (2, 32)).astype(np.float32)]


def convolved(lowest: int) -> Made:
    x, y = Spec((1, 3, 3, 16), "float32"), Spec((1, 3, 3, 3), "float32")
    w = Spec((3, 1, 1, 16), "int8", 0.1, 0, np.full((3, 1, 1, 16), lowest, np.int8))
    bias = Spec((3,), "float32", data=np.zeros(3, np.float32))
    fields = {"strideH": 1, "strideW": 1}
    content = build("CONV_2D", [x, w, bias], [y], fields, "Conv2DOptions", 5)
    return content, [RNG.normal(0, 1, x.shape).astype(np.float32)]


def depthwise(scales: int) -> Made:
    x, y = Spec((1, 3, 3, 4), "float32"), Spec((1, 3, 3, 4), "float32")
    scale = np.full(scales, 0.1, np.float32)
    w = Spec((1, 1, 1, 4), "int8", scale, 0, np.arange(4, dtype=np.int8), 0 if scales == 1 else 3)
    bias = Spec((4,), "float32", data=np.zeros(4, np.float32))
    fields = {"strideH": 1, "strideW": 1, "depthMultiplier": 1}
    content = build("DEPTHWISE_CONV_2D", [x, w, bias], [y], fields, "DepthwiseConv2DOptions", 6)
    return content, [RNG.normal(0, 1, x.shape).astype(np.float32)]


def sixteen_bits(declared: bool) -> Made:
    x, y = Spec((1, 2, 2, 3), "int16", 0.5), Spec((1, 2, 2, 2), "int16", 2.0)
    w = Spec((2, 1, 1, 3), "int8", [0.5, 0.5], 0, np.ones((2, 1, 1, 3), np.int8))
    b = Spec((2,), "int32", [0.25, 0.25], 0, np.array([4000, 8000], np.int32))
    fields = {"strideH": 1, "strideW": 1, "quantizedBiasType": 2 if declared else 0}
    content = build("CONV_2D", [x, w, b], [y], fields, "Conv2DOptions", 8)
    return content, [np.ones(x.shape, np.int16)]


def matrices(scales: int) -> Made:
    a, y = Spec((2, 3, 4), "int8", 0.5, 0), Spec((2, 3, 5), "int8", 2.0, 9)
    scale = np.full(scales, 0.5, np.float32)
    b = Spec((2, 4, 5), "int8", scale, 0, random_codes(RNG, (2, 4, 5), "int8"), 2)
    content = build("BATCH_MATMUL", [a, b], [y], {}, "BatchMatMulOptions", 4)
    return content, [random_codes(RNG, a.shape, "int8")]


def embedded(dtype: str) -> Made:
    rows = Spec((4,), "int32")
    data = random_codes(RNG, (6, 8), dtype)
    content = build(
        "EMBEDDING_LOOKUP",
        [rows, Spec((6, 8), dtype, 0.5, 0, data)],
        [Spec((4, 8), "float32")],
        version=2,
    )
    return content, [np.array([0, 3, 5, 1], np.int32)]


def wrapping(zero_point: int) -> Made:
    """Huge negative sums, and multipliers above 1."""
    x, y = Spec((1, 1024), "int8", 1.0, 0), Spec((1, 4), "int8", 1 / 200, zero_point)
    w = Spec((4, 1024), "int8", 1.0, 0, np.full((4, 1024), 127, np.int8))
    bias = Spec((4,), "int32", 1.0, 0, np.zeros(4, np.int32))
    content = build("FULLY_CONNECTED", [x, w, bias], [y], {}, "FullyConnectedOptions", 4)
    return content, [np.full((1, 1024), -128, np.int8)]


def negated(zero_point: int) -> Made:
    x = Spec((64,), "int8", 0.5, zero_point)
    return one("NEG", "NegOptions", x, x, 1)


def relu6(scale: float) -> Made:
    return one("RELU6", None, Spec((64,), "int8", 0.1, 0), Spec((64,), "int8", scale, 0), 1)


def filters(bias: str, op: str = "DEPTHWISE_CONV_2D") -> Made:
    x, y = Spec((1, 2, 2, 2), "int16", 0.5), Spec((1, 2, 2, 2), "int16", 2.0)
    w = Spec((1, 1, 1, 2), "int8", [0.5, 0.5], 0, np.ones((1, 1, 1, 2), np.int8), 3)
    b = Spec((2,), bias, [0.25, 0.25], 0, np.array([4000, 8000], bias))
    fields = {"strideH": 1, "strideW": 1, "depthMultiplier": 1}
    content = build(op, [x, w, b], [y], fields, "DepthwiseConv2DOptions", 3)
    return content, [np.ones(x.shape, np.int16)]


def nibbles(dtype: str) -> Made:
    x, y = Spec((1, 2, 2, 4), "int16", 0.5), Spec((1, 2, 2, 4), "int16", 2.0)
    data = np.full(4 if dtype == "int8" else 2, 0x21, np.int8)
    w = Spec((1, 1, 1, 4), dtype, [0.5] * 4, 0, data, 3)
    b = Spec((4,), "int64", [0.25] * 4, 0, np.zeros(4, np.int64))
    fields = {"strideH": 1, "strideW": 1, "depthMultiplier": 1}
    content = build("DEPTHWISE_CONV_2D", [x, w, b], [y], fields, "DepthwiseConv2DOptions", 6)
    return content, [np.ones(x.shape, np.int16)]


def filter_bank(state: str) -> Made:
    x, y = Spec((1, 4), "int8", 0.5), Spec((1, 2), "int8", 0.5)
    features = Spec((2, 4), "int8", 0.5, 0, random_codes(RNG, (2, 4), "int8"))
    time = Spec((2, 3), state, 0.5, 0, np.ones((2, 3), state))
    bias = Spec((2,), "int32", 0.25, 0, np.zeros(2, np.int32))
    kept = Spec((1, 6), state, 0.5, 0, variable=True)
    inputs = [x, features, time, bias, kept]
    content = build(
        "SVDF", inputs, [y], {"rank": 1, "fusedActivationFunction": 1}, "SVDFOptions", 3
    )
    return content, [random_codes(RNG, (1, 4), "int8")]


def less(scale: float, other: float, dtype: str = "int8") -> Made:
    return pair("LESS", "LessOptions", scale, other, dtype=dtype, y="bool")


def equal(scale: float) -> Made:
    return pair("EQUAL", "EqualOptions", scale, scale, y="bool")


def add(scale: float) -> Made:
    return pair("ADD", "AddOptions", 0.5, 0.5, scale)


def pooled(op: str, scale: float) -> Made:
    x, y = Spec((1, 6, 6, 3), "int8", 0.5, 0), Spec((1, 5, 5, 3), "int8", scale, 0)
    fields = {"padding": 1, "strideH": 1, "strideW": 1, "filterHeight": 2, "filterWidth": 2}
    return build(op, [x], [y], fields, "Pool2DOptions", 2), [random_codes(RNG, x.shape, "int8")]


def resized(op: str, table: str, dtype: str, scale: float) -> Made:
    x, y = Spec((1, 4, 4, 3), dtype, 0.5, 0), Spec((1, 5, 7, 3), dtype, scale, 0)
    size = Spec((2,), "int32", data=np.array([5, 7], np.int32))
    return build(op, [x, size], [y], {}, table, 3), [random_codes(RNG, x.shape, dtype)]


def largest(scale: float) -> Made:
    x, y = Spec((6, 8), "int8", 0.5, 0), Spec((6,), "int8", scale, 0)
    axes = Spec((1,), "int32", data=np.array([1], np.int32))
    content = build("REDUCE_MAX", [x, axes], [y], {}, "ReducerOptions", 2)
    return content, [random_codes(RNG, x.shape, "int8")]


_BILINEAR = "RESIZE_BILINEAR", "ResizeBilinearOptions"
_NEAREST = "RESIZE_NEAREST_NEIGHBOR", "ResizeNearestNeighborOptions"


def maximum(scale: float) -> Made:
    return pair("MAXIMUM", "MaximumMinimumOptions", 0.5, scale, 0.5)


def _pair(*arguments: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Of an output of another scale, and of the same."""
    return (*arguments, 0.25), (*arguments, 0.5)


# Words of the defect, engine, and a model: what it is made of to show it, and not to.
CASES: tuple[tuple[str, str, Callable[..., Made], tuple[Any, ...], tuple[Any, ...]], ...] = (
    ("int8 codes as uint8", "reference", reduced, ("SUM", "int8", -8), ("SUM", "int8", 1)),
    ("int8 codes as uint8", "reference", reduced, ("SUM", "int8", -8), ("SUM", "uint8", 1)),
    ("int16 codes as uint8", "reference", reduced, ("SUM", "int16", -8), ("SUM", "uint8", 1)),
    ("negates raw codes", "reference", negated, (5,), (0,)),
    ("copies codes as they are", "optimized", copied, (-20,), (3,)),
    ("computes with raw codes", "reference", pooled, *_pair("AVERAGE_POOL_2D")),
    ("copies codes as they are", "optimized", pooled, *_pair("MAX_POOL_2D")),
    ("copies codes as they are", "xnnpack", largest, *_pair()),
    ("computes with raw codes", "reference", resized, *_pair(*_BILINEAR, "int8")),
    ("computes with raw codes", "reference", resized, *_pair(*_BILINEAR, "uint8")),
    ("computes with raw codes", "optimized", resized, *_pair(*_BILINEAR, "uint8")),
    ("copies codes as they are", "reference", resized, *_pair(*_NEAREST, "int16")),
    ("copies codes as they are", "optimized", resized, *_pair(*_NEAREST, "int8")),
    ("compares and copies raw codes", "optimized", maximum, (0.25,), (0.5,)),
    ("steps of 2**-8", "reference", equal, (1e-3,), (0.5,)),
    ("negative number of bits", "reference", less, (3.0, 3.0), (0.5, 0.5)),
    ("aborts the process", "reference", less, (1.0, 1.0), (0.5, 0.5)),
    ("raw codes of 16 bits", "reference", less, (0.5, 0.01, "int16"), (0.5, 0.5, "int16")),
    ("512 equal logits", "reference", softmax, (512,), (511,)),
    ("multiplier of 1 or more", "reference", add, (2.0**-20,), (2.0**-19,)),
    ("the sign of a weight", "reference", connected, (-128,), (-127,)),
    ("the sign of a weight", "optimized", convolved, (-128,), (-127,)),
    ("packs int4 weights of -8", "optimized", connected, (-8, "int4"), (-7, "int4")),
    ("out of an array of one", "reference", depthwise, (1,), (4,)),
    ("does not declare as int64", "reference", sixteen_bits, (False,), (True,)),
    ("none of the scales", "reference", matrices, (5,), (1,)),
    ("reads uint8 codes as int8", "reference", embedded, ("uint8",), ("int8",)),
    ("ignores the scale and the", "tflm", relu6, (0.2,), (0.1,)),
    ("reads an int32 bias as int64", "tflm", filters, ("int32",), ("int64",)),
    ("pair of int4 weights", "reference", nibbles, ("int4",), ("int8",)),
    ("an int8 state as int16", "reference", filter_bank, ("int8",), ("int16",)),
    ("wrapping 32 bits", "xnnpack", wrapping, (-100,), (100,)),
)


@pytest.mark.parametrize(
    ("said", "engine", "make", "wrong", "right"), CASES, ids=[case[0] for case in CASES]
)
def test_in_the_engine(
    said: str,
    engine: str,
    make: Callable[..., Made],
    wrong: tuple[Any, ...],
    right: tuple[Any, ...],
) -> None:
    if engine == "tflm":
        pytest.importorskip("tflite_micro.python.tflite_micro.runtime")
    shown = ran(make(*wrong), engine)
    assert any(said in each for each in words(shown)), (words(shown), shown.headline)
    assert not shown.comparison.mismatched
    assert said in shown.defects[0]
    for text in (
        table.render(shown),
        summary.render(shown),
        html.render(shown, json_report.document(shown)),
    ):
        assert "the engine itself is wrong here" in " ".join(text.split())
    clean = ran(make(*right), engine)
    assert clean.verdict == "exact", clean.headline
    assert not words(clean)


# ---- libraries for devices, which cannot be run here ------------------------------------------

M4, M55 = asked("cortex-m4"), asked("cortex-m55")


def slid(
    x: tuple[int, ...],
    w: tuple[int, ...],
    dtypes: tuple[str, str, str | None],
    stride: int = 1,
    op: str = "CONV_2D",
) -> Made:
    """Filters on an image, VALID; of the image, the weights and the bias the types."""
    source, weights, bias = dtypes
    deep = op != "CONV_2D"
    outputs = w[3] if deep else w[0]
    size = (x[1] - w[1]) // stride + 1, (x[2] - w[2]) // stride + 1
    packed = (int(np.prod(w)) + 1) // 2 if weights == "int4" else w
    data = RNG.integers(-7, 8, packed).astype(np.int8)
    scales = [0.5] * outputs
    specs = [Spec(x, source, 0.5), Spec(w, weights, scales, 0, data, 3 if deep else 0)]
    specs += [Spec((outputs,), bias, 0.25, 0, np.ones(outputs, bias))] if bias else []
    fields = {"padding": 1, "strideH": stride, "strideW": stride}
    table = "DepthwiseConv2DOptions" if deep else "Conv2DOptions"
    content = build(op, specs, [Spec((x[0], *size, outputs), source, 9.0)], fields, table, 8)
    return content, [random_codes(RNG, x, source)]


def dense(shape: tuple[int, ...], dtype: str, bias: str, zero_point: int) -> Made:
    x = Spec(shape, dtype, 0.5)
    w = Spec((3, shape[-1]), "int8", 0.5, zero_point, np.ones((3, shape[-1]), np.int8))
    b = Spec((3,), bias, 0.25, 0, np.ones(3, bias))
    y = Spec((*shape[:-1], 3), dtype, 9.0)
    fields = {"keepNumDims": len(shape) > 2}
    content = build("FULLY_CONNECTED", [x, w, b], [y], fields, "FullyConnectedOptions", 4)
    return content, [random_codes(RNG, shape, dtype)]


def upscaled(height: int) -> Made:
    """To so many rows, of an image of 4 at a stride of 3."""
    shape = Spec((4,), "int32", data=np.array([1, height, 12, 2], np.int32))
    w = Spec((2, 3, 3, 4), "int8", [0.5, 0.5], 0, np.ones((2, 3, 3, 4), np.int8))
    x, y = Spec((1, 4, 4, 4), "int8", 0.5), Spec((1, height, 12, 2), "int8", 9.0)
    fields = {"padding": 0, "strideH": 3, "strideW": 3}
    content = build("TRANSPOSE_CONV", [shape, w, x], [y], fields, "TransposeConvOptions", 3)
    return content, [random_codes(RNG, x.shape, "int8")]


def higher(shape: tuple[int, ...]) -> Made:
    a, b = Spec(shape, "int8", 0.5), Spec((4, 3, 2), "int8", 0.5)
    content = build("MAXIMUM", [a, b], [b], {}, "MaximumMinimumOptions", 2)
    return content, [random_codes(RNG, each.shape, "int8") for each in (a, b)]


def ordered(*order: int) -> Made:
    x = Spec((3, 3), "int8", 0.5)
    axes = Spec((2,), "int32", data=np.array(order, np.int32))
    return build("TRANSPOSE", [x, axes], [x], {}, "TransposeOptions", 2), [
        random_codes(RNG, x.shape, "int8")
    ]


def overflowing(scale: float) -> Made:
    """A filter bank with an int8 state of this scale."""
    x, y = Spec((1, 4), "int8", 0.5), Spec((1, 2), "int8", 50.0)
    features = Spec((2, 4), "int8", 0.5, 0, np.full((2, 4), 100, np.int8))
    time = Spec((2, 3), "int8", 0.5, 0, np.ones((2, 3), np.int8))
    bias = Spec((2,), "int32", 0.5 * scale, 0, np.zeros(2, np.int32))
    kept = Spec((1, 6), "int8", scale, 0, variable=True)
    fields = {"rank": 1, "fusedActivationFunction": 1}
    content = build("SVDF", [x, features, time, bias, kept], [y], fields, "SVDFOptions", 3)
    return content, [np.full((1, 4), 50, np.int8)]


def recurrent(op: str) -> Made:
    """An LSTM, or something that forgets nothing."""
    if op == "RELU":
        return relu6(0.1)
    rng = np.random.default_rng(1)
    made = of_tflm(random_lstm(rng, Kind(1, 2, 4, 3, 3)), "int8", rng)
    x = Spec(FIRST.shape, "int8", 0.5)
    return build_side_by_side([Op("RELU", [x], [x]), made]), [random_codes(rng, (1, 2, 4), "int8")]


_LINE = ((1, 1, 9, 4), (2, 1, 2, 4), ("int8", "int8", "int32"))
_LONG = ((1, 3, 3, 129), (2, 2, 2, 129), ("int16", "int8", "int64"))
_ODD = ((1, 3, 3, 129), (2, 3, 3, 129), ("int16", "int8", "int64"))
_UNEVEN = ((1, 3, 3, 65), (3, 3, 3, 65), ("int16", "int8", "int64"))
_NIBBLES = ((2, 3, 3, 3), (1, 2, 2, 3), ("int8", "int4", "int32"), 1, "DEPTHWISE_CONV_2D")
_ONE_IMAGE = ((1, 3, 3, 4), (1, 2, 2, 4), ("int8", "int4", "int32"), 1, "DEPTHWISE_CONV_2D")
_DEEP = ((1, 3, 3, 4), (1, 2, 2, 4))
_GROUPS = (1, 3, 3, 4), (2, 2, 2, 2)
# Words of the defect, the machine, and a model: what it is made of to meet it, and not to.
IN_LIBRARIES: tuple[
    tuple[str, Machine, Callable[..., Made], tuple[Any, ...], tuple[Any, ...]], ...
] = (
    (
        "a bias that is not there",
        MEASURED_ON,
        slid,
        (*_GROUPS, ("int8", "int8", None)),
        (*_GROUPS, ("int8", "int8", "int32")),
    ),
    ("wrong columns of an image of one line", M55, slid, (*_LINE, 2), (*_LINE, 1)),
    (
        "has no buffer",
        MEASURED_ON,
        slid,
        (*_GROUPS[:1], (2, 2, 2, 4), ("int16", "int8", "int32")),
        (*_GROUPS[:1], (2, 2, 2, 4), ("int16", "int8", "int64")),
    ),
    ("sums the last pixel", MEASURED_ON, slid, _ODD, _LONG),
    (
        "leaves the rest of a long filter out",
        M4,
        slid,
        ((1, 3, 4, 65), *_UNEVEN[1:]),
        ((1, 3, 4, 65), (2, 3, 3, 65), _UNEVEN[2]),
    ),
    ("wrong halves of bytes", MEASURED_ON, slid, _NIBBLES, _ONE_IMAGE),
    ("compiled wrongly by GCC 12.2", M55, slid, _ONE_IMAGE, ((2, *_DEEP[0][1:]), *_ONE_IMAGE[1:])),
    (
        "reads an int32 bias as int64",
        MEASURED_ON,
        slid,
        (*_DEEP, ("int16", "int8", "int32"), 1, "DEPTHWISE_CONV_2D"),
        (*_DEEP, ("int16", "int8", "int64"), 1, "DEPTHWISE_CONV_2D"),
    ),
    (
        "where it computes a convolution",
        MEASURED_ON,
        dense,
        ((2, 2, 8), "int8", "int32", 3),
        ((4, 8), "int8", "int32", 3),
    ),
    (
        "reads an int32 bias as int64",
        MEASURED_ON,
        dense,
        ((4, 8), "int16", "int32", 0),
        ((4, 8), "int16", "int64", 0),
    ),
    ("writes rows to the wrong place", MEASURED_ON, upscaled, (10,), (12,)),
    ("wrong elements of one column", MEASURED_ON, higher, ((4, 1, 1),), ((4, 3, 2),)),
    ("two dimensions that stay", MEASURED_ON, ordered, (0, 1), (1, 0)),
    ("keeps 8 bits of what does not fit", MEASURED_ON, overflowing, (9.0,), (900.0,)),
    ("forgets its states", MEASURED_ON, recurrent, ("LSTM",), ("RELU",)),
)


@pytest.mark.parametrize(
    ("said", "machine", "make", "wrong", "right"), IN_LIBRARIES, ids=[c[0] for c in IN_LIBRARIES]
)
def test_in_a_library(
    said: str,
    machine: Machine,
    make: Callable[..., Made],
    wrong: tuple[Any, ...],
    right: tuple[Any, ...],
) -> None:
    """What is not replayed for it says so; what meets it not, is replayed."""
    for name in ("cmsis-nn", "cmsis-nn-single"):
        ours = Engine(name, "tflm", NEWEST["tflm"], machine=machine)
        for arguments, shows in ((wrong, True), (right, False)):
            content, arrays = make(*arguments)
            model = parse(content, Path("single_op.tflite"))
            feeds = dict(zip(model.main.inputs, [FIRST, *arrays], strict=True))
            found = met(model, feeds, ours).get(1, ())
            assert any(said in one.defect.words for one in found) == shows
            reasons = replay(model, feeds, ours).not_replayed
            if reasons:
                assert shows, reasons
                assert said in reasons[1]


# Recordings of engines that had a defect, and of such as have it no more.
RECORDED = (
    ("BATCH_MATMUL ignoring a zero point", "ignores the zero point of the right matrix"),
    ("FULLY_CONNECTED ignoring a zero point", "ignores the zero point of the weights"),
    ("BATCH_MATMUL int8 of several by one", "mixes up matrices"),
    ("CONV_2D of unused input", "padding at every tap"),
    ("CONV_2D hybrid of unused input", "padding at every tap"),
    ("DEPTHWISE_CONV_2D of unused input", "padding at every tap"),
)


@pytest.mark.parametrize(("name", "said"), RECORDED)
def test_in_recorded_versions(name: str, said: str) -> None:
    (content, arrays), recorded = read()[name]
    model = parsed(content)
    feeds = dict(zip(model.main.inputs, arrays, strict=True))
    sides: dict[bool, list[np.ndarray]] = {True: [], False: []}
    for text, (output, *_) in recorded.items():
        found = met(model, feeds, engine_of(text)).get(0, ())
        assert all(said in one.defect.words for one in found)
        sides[bool(found)].append(output)
    assert sides[True]
    assert sides[False]
    for wrong in sides[True]:  # a rounding rule differs by one at most
        apart = [np.abs(wrong.astype(float) - right) for right in sides[False]]
        assert all((each > 1).any() for each in apart)


def test_every_defect_is_met_by_a_model() -> None:
    said = [case[0] for case in (*CASES, *IN_LIBRARIES)] + [words for _, words in RECORDED]
    untested = {
        one.words
        for card in CARDS.values()
        for entries in card.tables.values()
        for entry in entries
        for one in entry.defects
        if not any(each in one.words for each in said)
    }
    assert not untested


def test_a_difference_that_the_engine_is_to_blame_for() -> None:
    """A port that is right where the engine is not."""
    model = parse(reduced("SUM", "int8", -8)[0], Path("single_op.tflite"))
    x = RNG.integers(-8, 0, (4, 8)).astype(np.int8)
    inputs = Inputs(dict(zip(model.main.inputs, [FIRST, x], strict=True)))

    def right(call: Any, codes: np.ndarray, axes: np.ndarray) -> np.ndarray:
        return np.round(codes.sum(axis=1, dtype=np.int64) / 4).astype(np.int8)

    found = run(model, inputs, engine="reference", kernels={"SUM": right})
    assert found.verdict == "mismatch"
    (sentence,) = found.defects
    assert sentence.startswith(
        "SUM, 1 layer (op 1): differs, and the engine itself is wrong here: "
    )
    assert "; 4 of 4 elements are not what the op is defined to give (https://" in sentence


def test_an_abort_at_the_first_op_is_told() -> None:
    x, y = Spec((64,), "int8", 0.5), Spec((64,), "int8", 2.0**-20)
    content = build_side_by_side([Op("ADD", [x, x], [y], {}, "AddOptions")])
    model = parse(content, Path("single_op.tflite"))
    inputs = Inputs({index: np.zeros(64, np.int8) for index in model.main.inputs})
    with pytest.raises(CaptureError, match=r"at op 0 ADD.* is wrong here: it aborts"):
        run(model, inputs, engine="reference")


def test_nothing_is_said_of_what_was_not_seen() -> None:
    model = parse(reduced("SUM", "int8", -8)[0], Path("single_op.tflite"))
    assert not met(model, {}, Engine())
