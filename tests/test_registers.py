"""``Accumulation.bits`` is the width of the register that the engine sums in: sums wrap there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.schema_py_generated import TensorType

from tests.single_op import Op, Spec, assert_exact, build, build_side_by_side
from tests.test_words import ROWS, SAID, handed
from tflreplay.ground.engine import Engine
from tflreplay.ground.rounding import Accumulation
from tflreplay.model import Model, parse
from tflreplay.ops import card
from tflreplay.ops.conv.xnnpack import xnnpack_bias_alone
from tflreplay.ops.fully_connected.integer import fully_connected_in_32_bits
from tflreplay.ops.seam import first_half

# One output channel that sees one element: shapes of the input, the weights and the output.
SHAPES = {
    "CONV_2D": ((1, 1, 1, 1), (1, 1, 1, 1), (1, 1, 1, 1)),
    "DEPTHWISE_CONV_2D": ((1, 1, 1, 1), (1, 1, 1, 1), (1, 1, 1, 1)),
    "FULLY_CONNECTED": ((1, 1), (1, 1), (1, 1)),
    "TRANSPOSE_CONV": ((1, 1, 1, 1), (1, 1, 1, 1), (1, 1, 1, 1)),
}
TABLES = {
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "TRANSPOSE_CONV": "TransposeConvOptions",
}
BIASED = {name for name, (op, _, _) in SAID.items() if op in SHAPES}
BIAS_ALONE = {name for name in BIASED if SAID[name][2].kernel is xnnpack_bias_alone}


def weighted(op: str, dtype: str, bias: np.generic) -> Model:
    """The highest code, 0 being its zero point, times a weight of 127, plus the bias."""
    kind = "uint8" if dtype == "uint8" else "int8"
    x, y = (Spec(SHAPES[op][i], dtype, 0.5) for i in (0, 2))
    w = Spec(SHAPES[op][1], kind, 0.5, data=np.full(SHAPES[op][1], 127, kind))
    inputs = [x, w, Spec((1,), bias.dtype.name, data=np.array([bias]))]
    if op == "TRANSPOSE_CONV":
        inputs = [Spec((4,), "int32", data=np.ones(4, np.int32)), w, x, inputs[2]]
    options = {} if op == "FULLY_CONNECTED" else {"strideH": 1, "strideW": 1}
    if (dtype, bias.dtype.name) == ("int16", "int32"):
        options["quantizedBiasType"] = int(TensorType.INT32)
    model = build_side_by_side([Op(op, inputs, [y], options, TABLES[op])])
    return parse(model, Path("register.tflite"))


def biases(op: str, table: str, dtype: str) -> Iterator[np.generic]:
    """Next to the end of a 32-bit register, and beyond it, of the types that the kernel takes."""
    narrow, wide = np.int32(2**31 - 1), np.int64(2**40)
    if dtype != "int16":
        yield narrow
        return
    yield wide
    # A depthwise op has no option to declare it, and TFLM's TRANSPOSE_CONV does not look at it.
    if op != "DEPTHWISE_CONV_2D" and (op, table) != ("TRANSPOSE_CONV", "tflm"):
        yield narrow


@pytest.mark.parametrize("name", sorted(BIASED - BIAS_ALONE))
def test_sums_wrap_in_the_register(name: str) -> None:
    """The bias, and one product more."""
    op, table, row = SAID[name]
    widths = set()
    for dtype in row.types:
        for bias in biases(op, table, dtype):
            call, arrays = handed(weighted(op, dtype, bias), table, row)
            result = first_half(call, arrays)
            assert isinstance(result, Accumulation)
            high = call.input(card(op).roles.activation).code_range[1]
            half = 1 << (result.bits - 1)
            exact = high * 127 + int(bias)
            assert int(result.values.flat[0]) == (exact + half) % (2 * half) - half
            widths.add(result.bits)
    wide = "int16" in row.types and row.kernel is not fully_connected_in_32_bits
    assert (64 in widths) == wide
    assert widths <= {28, 32, 64}


@pytest.mark.parametrize("engine", ["reference", "optimized", "xnnpack"])
@pytest.mark.parametrize(
    ("op", "dtype", "elements", "scale"),
    [
        ("MEAN", "int16", 70_000, 2.0),
        ("MEAN", "uint8", 9_000_000, 2.0),
        ("SUM", "uint8", 9_000_000, 4e7),
        ("SUM", "int8", 18_000_000, 4e7),
    ],
)
def test_long_sums_wrap(op: str, dtype: str, elements: int, scale: float, engine: str) -> None:
    """As the engine's do, where they pass int32."""
    high = np.iinfo(dtype).max
    x = Spec((1, elements), dtype, 1.0, 0 if dtype == "int16" else np.iinfo(dtype).min)
    y = Spec((1,), dtype, scale, x.zero_point)
    axes = Spec((1,), "int32", data=np.array([1], np.int32))
    content = build(op, [x, axes], [y], {"keepDims": False}, "ReducerOptions", 2)
    codes = np.full(x.shape, high, dtype)
    assert (int(high) - x.zero_point) * elements > 2**31
    assert assert_exact(content, [codes], Engine(engine)) == 1


def test_a_long_sum_over_an_image_wraps() -> None:
    """The optimized MEAN sums raw codes, the reference one less their zero points."""
    x = Spec((1, 3000, 3000, 1), "uint8", 1.0, 100)
    y = Spec((1, 1, 1, 1), "uint8", 2.0, 100)
    axes = Spec((2,), "int32", data=np.array([1, 2], np.int32))
    content = build("MEAN", [x, axes], [y], {"keepDims": True}, "ReducerOptions", 2)
    codes = np.full(x.shape, 255, np.uint8)
    assert_exact(content, [codes], Engine("optimized"))


def test_every_row_that_adds_a_bias_is_tried() -> None:
    of_sums = {name for name, (op, _, row) in ROWS.items() if card(op).weighted and row.rule}
    assert of_sums == BIASED
