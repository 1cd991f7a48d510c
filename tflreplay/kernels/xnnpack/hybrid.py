"""CONV_2D and FULLY_CONNECTED of XNNPACK on float32 activations by integer weights.

The activations are quantized as they come, asymmetrically, all in float32.
"""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.kernels.call import Call, clamp_real
from tflreplay.kernels.conv import conv_sums, windows
from tflreplay.kernels.fully_connected import rows, with_batches
from tflreplay.kernels.hybrid import Codes, image_sums, weight_scales
from tflreplay.kernels.matmul import exact_matmul

_LEAST, _MOST = np.float32(-128), np.float32(127)


def quantize(x: Array) -> tuple[Codes, Array]:
    """``clamp(round_half_even(x * (1/s)) + z)`` of rows ``(rows, n)``, and their ``s``.

    The codes' scale is ``1/s = 255 / (high - low)``, of a row's range with 0 in it.
    ``xnn_qd8_asymmetric_quantization_params`` in ``src/xnnpack/quantization.h``.
    """
    low = np.minimum(x.min(axis=1, initial=0), np.float32(0))
    high = np.maximum(x.max(axis=1, initial=0), np.float32(0))
    flat = low == high
    scale = (_MOST - _LEAST) / np.where(flat, np.float32(1), high - low)
    scale = np.where(flat, np.float32(1), scale)
    below, above = low * scale, high * scale
    zero_point = np.where(
        (_LEAST + below) + (_MOST + above) > 0, _LEAST - below, _MOST - above
    ).clip(_LEAST, _MOST)
    zero_point = np.rint(zero_point)
    offset = zero_point[:, None]
    codes = np.rint((x * scale[:, None]).clip(_LEAST - offset, _MOST - offset)) + offset
    quantized = Codes(codes.astype(np.int8), scale, zero_point.astype(np.int64))
    return quantized, np.float32(1) / scale


def fully_connected(call: Call, x: Array, weights: Array, bias: Array | None = None) -> Array:
    """``y[b, o] = fma(sum_i (q[b, i] - z[b]) * w[o, i] * s[b], sw[o], bias[o])``.

    x: float32 of any shape that flattens to ``(batches, depth)``; weights int8 or int4 ``(units,
    depth)``; bias float32. q, s and z quantize each row. ``src/qd8-f32-qc8w-gemm``.
    """
    flat = rows(x, weights)
    return with_batches(call, x, clamp_real(call, _rows_by(call, flat, weights, bias)))


def conv_2d_as_fully_connected(call: Call, x: Array, weights: Array, bias: Array) -> Array:
    """As :func:`fully_connected`, with a row for each pixel: filters of 1x1, at every one.

    x: float32 NHWC; filters int8 ``(O, 1, 1, C)``. ``xnn_define_convolution_2d``,
    ``src/subgraph/convolution-2d.c``.
    """
    channels = weights.shape[0]
    y = _rows_by(call, x.reshape(-1, x.shape[3]), weights.reshape(channels, -1), bias)
    return clamp_real(call, y.reshape(*x.shape[:3], channels))


def conv_2d(call: Call, x: Array, weights: Array, bias: Array) -> Array:
    """``y[b, ..., o] = fma(acc[b, ..., o] * s[b], sw[o], bias[o])``.

    x: float32 NHWC; filters int8 OHWI; bias float32. acc is the sum of the convolution over codes
    that quantize each image. ``src/qd8-f32-qc8w-igemm``.
    """
    quantized, inverse = quantize(x.reshape(len(x), -1))
    acc = image_sums(call, conv_sums, x, weights, quantized)
    scaled = acc * inverse.reshape(-1, 1, 1, 1)
    return clamp_real(call, fused_multiply_add(scaled, weight_scales(call), bias))


def bias_alone(call: Call, x: Array, weights: Array, bias: Array) -> Array:
    """``y[b, ..., o] = bias[o]``: every tap reads padding, as in
    :func:`tflreplay.kernels.xnnpack.conv.bias_alone`.
    """
    rows, columns = windows(call, x, weights)
    shape = (len(x), rows.outputs, columns.outputs, len(bias))
    return clamp_real(call, np.broadcast_to(bias, shape).copy())


def fused_multiply_add(a: Array, b: Array, c: Array) -> Array:
    """float32 ``a * b + c``, rounded once.

    The product is exact in float64. Its sum with c is rounded to odd there, which no second
    rounding to float32 can tell from the exact sum.
    """
    product = a.astype(np.float64) * b.astype(np.float64)
    total = product + c
    # What the sum lost, exactly: Knuth's two-sum.
    part = total - product
    lost = (product - (total - part)) + (c - part)
    even = total.view(np.int64) & 1 == 0
    toward = np.nextafter(total, np.where(lost > 0, np.inf, -np.inf))
    return np.where((lost != 0) & even, toward, total).astype(np.float32)


def _rows_by(call: Call, x: Array, weights: Array, bias: Array | None) -> Array:
    quantized, inverse = quantize(x)
    acc = exact_matmul(quantized.codes, weights.T, 0, None).astype(np.int64)
    acc -= quantized.zero_point[:, None] * weights.sum(axis=1, dtype=np.int64)
    addend = np.zeros(len(weights), np.float32) if bias is None else bias
    return fused_multiply_add(
        acc.astype(np.float32) * inverse[:, None], weight_scales(call), addend
    )
