"""Small models of one op: a few hundred outputs, ties and saturation among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ai_edge_litert.schema_py_generated import Padding, TensorType

from tests.kernels.common import every_code, near_tie_ratio, random_zero_point
from tests.recorded.case import Made
from tests.single_op import Spec, build, random_codes, random_scale

# Products of 3 have a fraction that the first of two roundings turns into a tie.
SCALES = (2.0**-6, 2.0**-7, 3 * 2.0**-8)
REAL = (-3.7, -2.5, -1.5, -0.5, -0.0, 0.0, 0.5, 1.5, 2.5, 3.2)
BIAS_TYPES = {"int32": TensorType.INT32, "int64": TensorType.INT64}


def zero_point(rng: np.random.Generator, dtype: str) -> int:
    return 0 if dtype == "int16" else random_zero_point(rng, dtype)


def unary(
    rng: np.random.Generator,
    op: str,
    dtype: str = "int8",
    output: tuple[float, int] | None = None,
    ratio: float | None = None,
    table: str | None = None,
    **fields: Any,
) -> Made:
    """Every 8-bit code, or some of 16 bits; without ``output``, some lie next to a tie."""
    x = every_code(dtype) if dtype != "int16" else random_codes(rng, (256,), dtype)
    scale = random_scale(rng, 2.0**-9, 0.5)
    source = Spec((1, 256), dtype, scale, zero_point(rng, dtype))
    to = output or (np.float32(scale / (ratio or near_tie_ratio(rng))), zero_point(rng, dtype))
    content = build(op, [source], [Spec((1, 256), dtype, *to)], fields, table)
    return content, [rng.permutation(x).reshape(1, 256)]


def real(rng: np.random.Generator, op: str) -> Made:
    """float32 numbers, halves and zeros among them."""
    x = np.concatenate([REAL, rng.normal(0, 2, 350)]).astype(np.float32)
    x = np.abs(x) if op in ("LOG", "SQRT") else x
    return build(op, [Spec(x.shape, "float32")], [Spec(x.shape, "float32")]), [x]


def signs(rng: np.random.Generator, dtype: str) -> Made:
    """Numbers with NaN, infinities and both zeros among them."""
    x = np.concatenate([[np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0], rng.normal(0, 2, 250)])
    spec = Spec(x.shape, dtype)
    return build("SIGN", [spec], [spec]), [x.astype(dtype)]


def pairs(
    rng: np.random.Generator,
    op: str,
    dtype: str,
    table: str | None,
    product: bool = False,
    version: int = 2,
) -> Made:
    """Two inputs of which many pairs give a tie, or nearly."""
    first = np.float32(rng.uniform(0.01, 1))
    second, out = (np.float32(first * rng.integers(1, 64) / part) for part in (64, 32))
    if product:
        out = np.float32(first * second / near_tie_ratio(rng))
    zero = [0] * 3 if product else [zero_point(rng, dtype) for _ in range(3)]
    a, b, y = (
        Spec((4, 256), dtype, *each) for each in zip((first, second, out), zero, strict=True)
    )
    return build(op, [a, b], [y], {}, table, version), [
        random_codes(rng, a.shape, dtype) for _ in "ab"
    ]


def reduction(rng: np.random.Generator, op: str, dtype: str, axes: Sequence[int] = (1, 2)) -> Made:
    """Sums of two or four codes, halved or quartered; or the same axes of float32 numbers."""
    shape, data = (2, 2, 2, 40), np.array(axes, np.int32)
    result = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    x, y = Spec(shape, dtype), Spec(result, dtype)
    if dtype != "float32":
        to = 2.0**-4 if op == "SUM" else 2.0**-6
        x = Spec(shape, dtype, 2.0**-5, zero_point(rng, dtype) // 4)
        y = Spec(result, dtype, to, zero_point(rng, dtype) // 2)
    inputs = [x, Spec(data.shape, "int32", data=data)]
    content = build(op, inputs, [y], {"keepDims": True}, "ReducerOptions", 2)
    if dtype == "float32":
        # Zeros of both signs, the largest or smallest of many sums.
        numbers = rng.choice(np.float32([0.0, -0.0, 1.0 if op == "REDUCE_MIN" else -1.0]), shape)
        return content, [numbers]
    return content, [random_codes(rng, shape, dtype)]


def _weights(rng: np.random.Generator, shape: tuple[int, ...], scales: Any, **of: Any) -> Spec:
    dtype = of.get("dtype", "int8")
    codes = random_codes(rng, shape, "int8")
    if dtype == "int4":
        nibbles = rng.integers(-8, 8, (codes.size // 2, 2)).astype(np.uint8) & 15
        codes = nibbles[:, 0] | nibbles[:, 1] << 4
    return Spec(shape, dtype, scales, of.get("zero_point", 0), codes, of.get("axis", 0))


def fully_connected(
    rng: np.random.Generator,
    dtype: str = "int8",
    per_channel: bool = False,
    bias: str | None = "int32",
    declared: bool = False,
    weights: str = "int8",
    weights_zero_point: int = 0,
    may_wrap: bool = False,
    near_tie: bool = False,
) -> Made:
    """16 rows by 20 units.

    ``may_wrap``: of sums that pass 32 bits by far. ``near_tie``: a sum lies within float32's
    rounding error of a tie, so that the precision of the multiplier shows.
    """
    rows, depth, units = 16, 12, 20
    scales = np.float32(rng.choice(SCALES, units if per_channel else 1))
    x_scale = 0.5
    if near_tie:
        # Sums of int8 codes are small then: multipliers below a half are rounded twice.
        x_scale, scales = rng.uniform(0.3, 0.6), np.float32(rng.uniform(0.01, 0.02, 1))
    w = _weights(rng, (units, depth), scales, dtype=weights, zero_point=weights_zero_point)
    real = dtype == "float32"
    x = Spec((rows, depth), dtype, None if real else x_scale, 0 if real else zero_point(rng, dtype))
    if real:
        values = rng.normal(0, 1, units).astype(np.float32)
        b = Spec((units,), "float32", data=values)
    elif bias is not None:
        limit = 2**26 if may_wrap else 2**20 if dtype == "int16" else 9999
        values = rng.integers(-limit, limit, units).astype(bias)
        b = Spec((units,), bias, np.float32(x_scale) * scales, 0, values)
    codes = random_codes(rng, x.shape, "int8" if real else dtype)
    if near_tie and dtype == "int8":
        assert w.data is not None
        w.data[:] = rng.integers(-1, 2, w.data.shape)
        b.data[:] = rng.integers(-20, 20, units)
        codes = (x.zero_point + rng.integers(-20, 20, codes.shape)).clip(-128, 127).astype(dtype)
    step = 2.0 ** rng.integers(1, 4) * (1 if weights == "int8" else 2.0**-4)
    to = -9 if may_wrap else 0 if real else zero_point(rng, dtype)
    step = 2.0**-12 if may_wrap else step
    if near_tie:
        sums = (codes.astype(np.int64) - x.zero_point) @ w.data.T + b.data
        tied, largest = abs(int(rng.choice(sums.reshape(-1)))), int(np.abs(sums).max())
        code = tied * (100 if dtype == "int8" else 30000) // largest
        step = np.float32(x_scale * float(scales[0]) * 2 * tied / (2 * code + 1))
    y = Spec((rows, units), dtype, None if real else step, to)
    fields = {"quantizedBiasType": BIAS_TYPES[bias]} if declared and bias else {}
    if declared and bias is None:
        fields = {"quantizedBiasType": TensorType.INT64}
    inputs = [x, w, b if real or bias else None]
    content = build("FULLY_CONNECTED", inputs, [y], fields, "FullyConnectedOptions", 4)
    return content, [on_a_grid(rng, x.shape) if real else codes]


def convolution(
    rng: np.random.Generator,
    op: str,
    dtype: str = "int8",
    kernel: int = 2,
    stride: int = 3,
) -> Made:
    """SAME padding; kernels of 2x2 in strides of 3 leave some of an input of 6x6 unused."""
    size, depth, channels = (6, 3, 8) if op == "CONV_2D" else (6, 8, 8)
    filters = (channels, kernel, kernel, depth) if op == "CONV_2D" else (1, kernel, kernel, depth)
    axis = 0 if op == "CONV_2D" else 3
    real = dtype == "float32"
    # Not for uint8, whose weights have one scale.
    scales = np.float32(rng.choice(SCALES, channels))
    w = _weights(rng, filters, scales, axis=axis)
    images = 12 if real else 2
    x = Spec((images, size, size, depth), dtype, None if real else 0.5, 0 if real else 3)
    side = -(-size // stride)
    y = Spec((images, side, side, channels), dtype, None if real else 2.0, 0 if real else -5)
    codes = rng.integers(-9999, 9999, channels).astype(np.int32)
    b = Spec(codes.shape, "int32", np.float32(0.5) * scales, 0, codes)
    if real:
        b = Spec(codes.shape, "float32", data=(codes / 3333).astype(np.float32))
    fields: dict[str, Any] = {"padding": Padding.SAME, "strideH": stride, "strideW": stride}
    fields |= {"depthMultiplier": 1} if axis else {}
    table = "DepthwiseConv2DOptions" if axis else "Conv2DOptions"
    content = build(op, [x, w, b], [y], fields, table, 3)
    return content, [on_a_grid(rng, x.shape) if real else random_codes(rng, x.shape, dtype)]


def on_a_grid(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """float32 numbers of ranges whose zero point is a tie, when they are quantized."""
    numbers = np.round(rng.normal(0, 1, shape) * 32) / 32
    rows = numbers.reshape(len(numbers), -1)
    rows[:, 0] = np.abs(rows).max(axis=1)
    rows[:, 1] = -rows[:, 0]
    return numbers.astype(np.float32)


def transpose_conv(
    rng: np.random.Generator,
    dtype: str = "int8",
    per_channel: bool = True,
    bias: str | None = None,
    may_wrap: bool = False,
) -> Made:
    """``may_wrap``: of sums that pass 32 bits by far."""
    depth, channels = 5, 6
    scales = np.float32(rng.choice(SCALES, channels if per_channel else 1))
    w = _weights(rng, (channels, 2, 2, depth), scales)
    fields = {"padding": Padding.VALID, "strideH": 2, "strideW": 2}
    if dtype == "float32":
        size = Spec((4,), "int32", data=np.array((12, 8, 8, channels), np.int32))
        reals = [Spec((12, 4, 4, depth), dtype), Spec((12, 8, 8, channels), dtype)]
        inputs = [size, w, reals[0]]
        content = build("TRANSPOSE_CONV", inputs, reals[1:], fields, "TransposeConvOptions", 3)
        return content, [on_a_grid(rng, reals[0].shape)]
    x = Spec((1, 4, 4, depth), dtype, 0.5, zero_point(rng, dtype))
    step, zero = (2.0**-12, -9) if may_wrap else (2.0 if dtype == "int8" else 4.0, 0)
    y = Spec((1, 8, 8, channels), dtype, step, zero)
    size = Spec((4,), "int32", data=np.array(y.shape, np.int32))
    inputs = [size, w, x]
    if bias is not None:
        limit = 2**26 if may_wrap else 2**20
        codes = rng.integers(-limit, limit, channels).astype(bias)
        inputs.append(Spec((channels,), bias, np.float32(0.5) * scales, 0, codes))
    content = build("TRANSPOSE_CONV", inputs, [y], fields, "TransposeConvOptions", 3)
    return content, [random_codes(rng, x.shape, dtype)]


def batch_matmul(
    rng: np.random.Generator,
    dtype: str = "int8",
    scrambled: bool = False,
    right_zero_point: int = 0,
) -> Made:
    """Two products of 8 rows by 12 columns; ``scrambled``: of two matrices, adjoint, by one."""
    depth = 16
    a_shape, b_shape = (
        ((2, depth, 8), (1, depth, 12)) if scrambled else ((2, 8, depth), (2, depth, 12))
    )
    a = Spec(a_shape, dtype, float(rng.choice(SCALES)), zero_point(rng, dtype))
    b = Spec(b_shape, dtype, float(rng.choice(SCALES)), right_zero_point)
    step = a.scale * b.scale * (128 if dtype == "int8" else 1.1 * 2.0**16)
    y = Spec((2, 8, 12), dtype, step, zero_point(rng, dtype))
    fields = {"adjX": scrambled, "adjY": False}
    content = build(
        "BATCH_MATMUL", [a, b], [y], fields, "BatchMatMulOptions", 2 if dtype == "int8" else 3
    )
    return content, [random_codes(rng, spec.shape, dtype) for spec in (a, b)]


def comparison(rng: np.random.Generator, op: str, table: str) -> Made:
    """int16 numbers of two scales, of which many are equal or close."""
    a, b = (Spec((400,), "int16", np.float32(scale)) for scale in (0.5, 0.25))
    codes = rng.integers(-40, 40, 400).astype(np.int16)
    other = np.where(rng.random(400) < 0.5, codes, 2 * codes).astype(np.int16)
    return build(op, [a, b], [Spec((400,), "bool")], {}, table, 2), [codes, other]


def cast(rng: np.random.Generator, beyond: Mapping[int, float]) -> Made:
    """float32 as int8; ``beyond`` are numbers that do not fit, by position."""
    x = rng.uniform(-128.9, 127.9, 300).astype(np.float32)
    x[list(beyond)] = list(beyond.values())
    content = build("CAST", [Spec((300,), "float32")], [Spec((300,), "int8")], {}, "CastOptions")
    return content, [x]
