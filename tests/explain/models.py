"""Random single-op models of every kind of op that can be explained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from ai_edge_litert.schema_py_generated import Padding

from tests.kernels.common import (
    QUANTIZED,
    every_code,
    near_tie_ratio,
    random_spec,
    random_zero_point,
)
from tests.kernels.test_batch_matmul import random_model as random_matrices
from tests.kernels.test_conv import ACTIVATIONS
from tests.kernels.test_elementwise import OPTIONS, SHAPES, specs
from tests.kernels.test_fully_connected import random_fully_connected
from tests.kernels.test_reduce import reduced
from tests.kernels.test_transpose_conv import random_model as random_transpose_conv
from tests.kernels.test_unary import output as unary_output
from tests.single_op import Spec, build, random_codes, random_scale

Made = tuple[bytes, list[np.ndarray]]
Rng = np.random.Generator


def _dtype(rng: Rng) -> str:
    return str(rng.choice(["int8", "uint8"]))


def _convolution(
    rng: Rng, dtype: str, x: Spec, w: Spec, channels: int, taps: int
) -> tuple[list[Spec], Spec, dict[str, int]]:
    """Inputs, output and options of a convolution by the weights ``w`` of two dimensions."""
    dilated = rng.random() < 0.3
    strides, dilations = rng.integers(1, 4, 2), rng.integers(1, 4, 2)
    strides, dilations = (1, 1) if dilated else strides, dilations if dilated else (1, 1)
    same = bool(rng.random() < 0.7)
    sizes = []
    for axis in (0, 1):
        effective = (w.shape[axis + 1] - 1) * int(dilations[axis]) + 1
        used = x.shape[axis + 1] + int(strides[axis]) - (1 if same else effective)
        sizes.append(used // int(strides[axis]))
    limit = int(rng.choice([1, 1000, 100_000, 2**31 - 1]))
    bias = rng.integers(-limit, limit, channels, endpoint=True).astype(np.int32)
    # Sums of about the output's range; now and then ties of the first rounding, or a left shift.
    factor = rng.choice([1.0, 1.0, 1.0, 2.0**-14, 2.0**10])
    scale = float(x.scale) * float(np.median(w.scale)) * np.sqrt(taps) * 60 * factor
    scale = 2.0 ** np.round(np.log2(scale)) if rng.random() < 0.5 else scale
    shape = (x.shape[0], *sizes, channels)
    fields = {
        "padding": Padding.SAME if same else Padding.VALID,
        "strideH": int(strides[0]),
        "strideW": int(strides[1]),
        "dilationHFactor": int(dilations[0]),
        "dilationWFactor": int(dilations[1]),
        "fusedActivationFunction": int(rng.choice(ACTIVATIONS)),
    }
    inputs = [x, w, Spec((channels,), "int32", np.float32(x.scale) * w.scale, 0, bias)]
    return inputs, Spec(shape, dtype, np.float32(scale), random_zero_point(rng, dtype)), fields


def _weights(rng: Rng, dtype: str, shape: tuple[int, ...], axis: int) -> Spec:
    """int8 ones per channel or per tensor, uint8 ones per tensor with a zero point."""
    data = random_codes(rng, shape, dtype)
    if dtype == "uint8":
        return Spec(shape, dtype, random_scale(rng), random_zero_point(rng, dtype), data)
    size = shape[axis] if rng.random() < 0.7 else 1
    return Spec(shape, dtype, np.array([random_scale(rng) for _ in range(size)]), 0, data, axis)


def _image(rng: Rng, dtype: str, depth: int) -> Spec:
    shape = (2, *(int(n) for n in rng.integers(13, 18, 2)), depth)
    return Spec(shape, dtype, random_scale(rng), random_zero_point(rng, dtype))


def _conv(rng: Rng, dtype: str, groups: int) -> Made:
    depth, channels = int(rng.integers(1, 12)), int(rng.integers(1, 12)) * groups
    x = _image(rng, dtype, depth * groups)
    kernel = tuple(int(n) for n in rng.integers(1, 5, 2))
    w = _weights(rng, dtype, (channels, *kernel, depth), 0)
    taps = depth * kernel[0] * kernel[1]
    inputs, y, fields = _convolution(rng, dtype, x, w, channels, taps)
    content = build("CONV_2D", inputs, [y], fields, "Conv2DOptions", version=5)
    return content, [random_codes(rng, x.shape, dtype)]


def conv(rng: Rng) -> Made:
    return _conv(rng, _dtype(rng), 1)


def grouped_conv(rng: Rng) -> Made:
    return _conv(rng, "int8", int(rng.integers(2, 5)))


def depthwise(rng: Rng) -> Made:
    dtype = _dtype(rng)
    depth, multiplier = int(rng.integers(1, 20)), int(rng.integers(1, 4))
    x, kernel = _image(rng, dtype, depth), tuple(int(n) for n in rng.integers(1, 5, 2))
    w = _weights(rng, dtype, (1, *kernel, depth * multiplier), 3)
    inputs, y, fields = _convolution(rng, dtype, x, w, depth * multiplier, kernel[0] * kernel[1])
    fields["depthMultiplier"] = multiplier
    content = build("DEPTHWISE_CONV_2D", inputs, [y], fields, "DepthwiseConv2DOptions", 6)
    return content, [random_codes(rng, x.shape, dtype)]


def fully_connected(rng: Rng) -> Made:
    dtype = _dtype(rng)
    depth, units = (int(n) for n in rng.integers(1, 60, 2))
    keep = bool(rng.random() < 0.5)
    x = Spec((3, 4, depth), dtype, random_scale(rng), random_zero_point(rng, dtype))
    w = _weights(rng, dtype, (units, depth), 0)
    if dtype == "int8" and np.size(w.scale) == 1:
        w = replace(w, zero_point=random_zero_point(rng, dtype))
    bias = rng.integers(-(10**5), 10**5, units).astype(np.int32) if rng.random() < 0.8 else None
    b = None if bias is None else Spec((units,), "int32", np.float32(x.scale) * w.scale, 0, bias)
    scale = np.float32(x.scale * np.median(w.scale) * np.sqrt(depth) * rng.choice([60.0, 0.1]))
    shape = (3, 4, units) if keep else (12, units)
    y = Spec(shape, dtype, scale, random_zero_point(rng, dtype))
    fields = {"keepNumDims": keep, "fusedActivationFunction": int(rng.choice(ACTIVATIONS))}
    content = build("FULLY_CONNECTED", [x, w, b], [y], fields, "FullyConnectedOptions", 5)
    return content, [random_codes(rng, x.shape, dtype)]


def _elementwise(op: str) -> Callable[[Rng], Made]:
    def make(rng: Rng) -> Made:
        dtype = _dtype(rng)
        a, b, y = specs(rng, op, dtype, SHAPES[int(rng.integers(len(SHAPES) - 1))])
        fields = {"fusedActivationFunction": int(rng.choice(ACTIVATIONS))}
        content = build(op, [a, b], [y], fields, OPTIONS[op], version=2)
        return content, [random_codes(rng, spec.shape, dtype) for spec in (a, b)]

    return make


def mean(rng: Rng) -> Made:
    dtype = _dtype(rng)
    shape = tuple(int(n) for n in rng.integers(1, 12, 4))
    axes = [(1, 2), (-2, -3), (1,), (0, 1, 2, 3), (1, 1, 2)][int(rng.integers(5))]
    keep = bool(rng.random() < 0.7)
    reduced = {axis % 4 for axis in axes}
    kept = (1 if i in reduced else n for i, n in enumerate(shape) if keep or i not in reduced)
    x = Spec(shape, dtype, random_scale(rng), random_zero_point(rng, dtype))
    factor = rng.choice([0.5, 1.0, rng.uniform(0.1, 1.2)])
    y = Spec(tuple(kept), dtype, np.float32(x.scale * factor), random_zero_point(rng, dtype))
    indices = Spec((len(axes),), "int32", data=np.array(axes, np.int32))
    content = build("MEAN", [x, indices], [y], {"keepDims": keep}, "ReducerOptions", version=2)
    return content, [random_codes(rng, shape, dtype)]


def average_pool(rng: Rng) -> Made:
    dtype = _dtype(rng)
    shape = (2, *(int(n) for n in rng.integers(5, 12, 2)), 7)
    quantized = random_scale(rng), random_zero_point(rng, dtype)
    fields = {
        "padding": int(rng.choice([Padding.SAME, Padding.VALID])),
        "strideH": int(rng.integers(1, 4)),
        "strideW": int(rng.integers(1, 4)),
        "filterHeight": int(rng.integers(1, 6)),
        "filterWidth": int(rng.integers(1, 6)),
        "fusedActivationFunction": int(rng.choice(ACTIVATIONS)),
    }
    x, y = Spec(shape, dtype, *quantized), Spec((1, 1, 1, 1), dtype, *quantized)
    content = build("AVERAGE_POOL_2D", [x], [y], fields, "Pool2DOptions")
    return content, [random_codes(rng, shape, dtype)]


def _unary(
    *ops: str, output: Mapping[str, tuple[float, int]] | None = None, alpha: bool = False
) -> Callable[[Rng], Made]:
    """The output quantized as ``output`` says, or at random."""

    def make(rng: Rng) -> Made:
        dtype = _dtype(rng)
        x = rng.permutation(every_code(dtype)).reshape(8, 32)
        scale = random_scale(rng)
        ratio = near_tie_ratio(rng) if rng.random() < 0.5 else random_scale(rng, 0.02, 4.0)
        quantized = np.float32(scale / ratio), random_zero_point(rng, dtype)
        source = Spec(x.shape, dtype, scale, random_zero_point(rng, dtype))
        target = Spec(x.shape, dtype, *(quantized if output is None else output[dtype]))
        options = {"alpha": float(rng.uniform(-1.5, 1.5))} if alpha else None
        kind = "LeakyReluOptions" if alpha else None
        return build(str(rng.choice(ops)), [source], [target], options, kind), [x]

    return make


def absolute(rng: Rng) -> Made:
    dtype = str(rng.choice(["int8", "int16"]))
    x = random_spec(rng, (9, 31), dtype)
    y = unary_output(rng, "ABS", x)
    return build("ABS", [x], [y], {}, "AbsOptions"), [random_codes(rng, x.shape, dtype)]


def prelu(rng: Rng) -> Made:
    dtype = str(rng.choice(QUANTIZED))
    shape, slopes = SHAPES[int(rng.integers(2))]
    x = random_spec(rng, shape, dtype)
    alpha = random_spec(rng, slopes, "int8" if dtype == "int16" else dtype)
    y = random_spec(rng, shape, dtype, x.scale * random_scale(rng, 0.3, 3))
    codes = [random_codes(rng, spec.shape, spec.dtype) for spec in (x, alpha)]
    return build("PRELU", [x, alpha], [y]), codes


def squared_difference(rng: Rng) -> Made:
    shapes = SHAPES[int(rng.integers(len(SHAPES) - 1))]
    a, b = (random_spec(rng, shape, "int8") for shape in shapes)
    scale = max(a.scale, b.scale) ** 2 * 150
    y = random_spec(rng, np.broadcast_shapes(*shapes), "int8", scale)
    content = build("SQUARED_DIFFERENCE", [a, b], [y], {}, "SquaredDifferenceOptions")
    return content, [random_codes(rng, shape, "int8") for shape in shapes]


def sum_(rng: Rng) -> Made:
    dtype = _dtype(rng)
    shape = tuple(int(n) for n in rng.integers(1, 12, 4))
    axes = [(1, 2), (-2, -3), (1,), (0, 1, 2, 3), (3,)][int(rng.integers(5))]
    keep = bool(rng.random() < 0.5)
    x = random_spec(rng, shape, dtype)
    kept, count = reduced(shape, axes, keep)
    y = random_spec(rng, kept, dtype, x.scale * np.sqrt(count) * rng.uniform(0.3, 3))
    indices = Spec((len(axes),), "int32", data=np.array(axes, np.int32))
    content = build("SUM", [x, indices], [y], {"keepDims": keep}, "ReducerOptions", version=2)
    return content, [random_codes(rng, shape, dtype)]


def batch_matmul(rng: Rng) -> Made:
    types = [("int8", "int8"), ("int16", "int16"), ("int16", "int8")][int(rng.integers(3))]
    return random_matrices(rng, *types)


def fully_connected_int16(rng: Rng) -> Made:
    content, x = random_fully_connected(rng, "int16", "int8", bool(rng.random() < 0.5))
    return content, [x]


def transpose_conv(rng: Rng) -> Made:
    return random_transpose_conv(rng, str(rng.choice(QUANTIZED)))


def quantize_from_float(rng: Rng) -> Made:
    dtype = _dtype(rng)
    scale = random_scale(rng)
    x = rng.normal(0, 100 * scale, (5, 41)).astype(np.float32)
    target = Spec(x.shape, dtype, scale, random_zero_point(rng, dtype))
    return build("QUANTIZE", [Spec(x.shape, "float32")], [target]), [x]


def dequantize(rng: Rng) -> Made:
    dtype = _dtype(rng)
    x = random_codes(rng, (5, 41), dtype)
    source = Spec(x.shape, dtype, random_scale(rng), random_zero_point(rng, dtype))
    return build("DEQUANTIZE", [source], [Spec(x.shape, "float32")]), [x]


BY_RULE: dict[str, Callable[[Rng], Made]] = {
    "CONV_2D": conv,
    "CONV_2D in groups": grouped_conv,
    "DEPTHWISE_CONV_2D": depthwise,
    "FULLY_CONNECTED": fully_connected,
    "ADD": _elementwise("ADD"),
    "SUB": _elementwise("SUB"),
    "MUL": _elementwise("MUL"),
    "MEAN": mean,
    "QUANTIZE": _unary("QUANTIZE"),
    "RELU": _unary("RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1"),
    "LEAKY_RELU": _unary("LEAKY_RELU", alpha=True),
    "ABS": absolute,
    "PRELU": prelu,
    "SQUARED_DIFFERENCE": squared_difference,
    "SUM": sum_,
    "BATCH_MATMUL": batch_matmul,
    "FULLY_CONNECTED of int16": fully_connected_int16,
    "TRANSPOSE_CONV": transpose_conv,
}
OTHERS: dict[str, Callable[[Rng], Made]] = {
    "AVERAGE_POOL_2D": average_pool,
    "LOGISTIC": _unary("LOGISTIC", output={"int8": (1 / 256, -128), "uint8": (1 / 256, 0)}),
    "TANH": _unary("TANH", output={"int8": (1 / 128, 0), "uint8": (1 / 128, 128)}),
    "HARD_SWISH": _unary("HARD_SWISH"),
    "QUANTIZE from float32": quantize_from_float,
    "DEQUANTIZE": dequantize,
}
