"""CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED on float32 activations by integer weights.

The activations are quantized as they come (dynamic range quantization), an image or a row at a
time; the sums are exact integers and are rescaled in float32, every operation rounded once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Array, round_half_away
from tflreplay.kernels.call import Call, clamp_real
from tflreplay.kernels.conv import Product, conv_sums, convolved, depthwise_sums
from tflreplay.kernels.fully_connected import rows, with_batches
from tflreplay.kernels.matmul import check_version, exact_matmul

_MOST = 127  # the largest code
_LEAST = -128  # and the smallest, where the quantization is asymmetric
_VECTOR = 8  # values that the vector code quantizes at a time
_BYTES = 16  # and codes that it multiplies


@dataclass(frozen=True)
class Codes:
    """Rows of int8 codes ``(rows, n)``, each with its float32 scale and int64 zero point."""

    codes: Array
    scale: Array
    zero_point: Array


def symmetric(x: Array) -> Codes:
    """``clamp(round(x * (127 / m)), -127, 127)`` of scale ``m / 127``: m is a row's largest
    magnitude.

    x: float32 ``(rows, n)``. ``NeonSymmetricQuantizeFloats`` in
    ``tflite/kernels/internal/optimized/neon_tensor_utils.cc``, which x86 runs as well.
    """
    largest = np.abs(x).max(axis=1, initial=0)
    zero = largest == 0
    largest[zero] = _MOST
    codes = _rounded(x * (np.float32(_MOST) / largest)[:, None]).clip(-_MOST, _MOST)
    scale = largest / np.float32(_MOST)
    return Codes(codes.astype(np.int8), scale, np.zeros(len(x), np.int64))


def asymmetric(x: Array) -> Codes:
    """``clamp(round(x * (1 / s)) + z, -128, 127)``: s and z such that a row's range fills int8's.

    x: float32 ``(rows, n)``. s and z in float64, but for the range itself; s is then rounded to
    float32. ``NeonAsymmetricQuantizeFloats`` in
    ``tflite/kernels/internal/optimized/neon_tensor_utils.cc``, which x86 runs as well.
    """
    low, high = x.min(axis=1, initial=0), x.max(axis=1, initial=0)
    scale = (high - low).astype(np.float64) / (_MOST - _LEAST)
    zero = scale == 0
    scale[zero] = 1
    below, above = low / scale, high / scale
    nearer = -_LEAST + np.abs(below) < _MOST + np.abs(above)
    zero_point = round_half_away(np.where(nearer, _LEAST - below, _MOST - above))
    zero_point = np.where(zero, 0, zero_point.clip(_LEAST, _MOST))
    single = scale.astype(np.float32)
    # The reciprocal of a scale too small for float32 counts as 0.
    inverse = np.divide(1, single, out=np.zeros_like(single), where=single > 0)
    codes = _rounded(x * inverse[:, None]) + zero_point[:, None]
    return Codes(codes.clip(_LEAST, _MOST).astype(np.int8), single, zero_point.astype(np.int64))


def _rounded(x: Array) -> Array:
    """float32 rows rounded half away; in vector code, by adding a half and cutting the fraction.

    The two differ just below a half, and where a half is less than the last bit.
    """
    body = x.shape[1] - x.shape[1] % _VECTOR
    rounded = round_half_away(x)
    vectors = x[:, :body]
    rounded[:, :body] = np.trunc(vectors + np.copysign(np.float32(0.5), vectors))
    return rounded


def fully_connected(call: Call, x: Array, weights: Array, bias: Array | None = None) -> Array:
    """``y[b, o] = sum_i (q[b, i] - z[b]) * w[o, i] * (sw[o] * s[b]) + bias[o]``.

    x: float32 of any shape that flattens to ``(batches, depth)``; weights int8 or int4 ``(units,
    depth)``; bias float32. q, s and z quantize each row, asymmetrically where the options say so.
    ``EvalHybridDense`` in ``tflite/kernels/fully_connected.cc``.
    """
    quantize = asymmetric if call.option("asymmetric_quantize_inputs") else symmetric
    quantized = quantize(rows(x, weights))
    acc = byte_products(quantized.codes, weights)
    acc -= quantized.zero_point[:, None] * weights.sum(axis=1, dtype=np.int64)
    y = acc.astype(np.float32) * (weight_scales(call) * quantized.scale[:, None])
    return with_batches(call, x, clamp_real(call, _plus(y, bias)))


def four_bit_fully_connected(
    call: Call, x: Array, weights: Array, bias: Array | None = None
) -> Array:
    """``y[b, o] = (-7 * sum_i q[b, i] * s[b] * sw[o] + bias[o])
    + sum_i q[b, i] * (w[o, i] + 7) * s[b] * sw[o]``.

    As :func:`fully_connected`, for int4 weights above -8; every row is quantized symmetrically.
    ``EvalHybridDense4Bit`` in ``tflite/kernels/fully_connected.cc`` and
    ``tflite/kernels/internal/optimized/4bit/sse_fully_connected.cc``.
    """
    if (weights == -8).any():
        raise NotReplayed(f"{call.op.name} by int4 weights of -8: its kernel packs them wrongly")
    flat = rows(x, weights)
    largest = np.abs(flat).max(axis=1, keepdims=True, initial=0)
    largest[largest == 0] = _MOST
    codes = round_half_away(flat * (np.float32(_MOST) / largest)).astype(np.int8)
    scale, scales = largest / np.float32(_MOST), weight_scales(call)
    offset = (-7 * codes.sum(axis=1, keepdims=True, dtype=np.int64)).astype(np.float32)
    acc = _products(codes, weights.astype(np.int16) + 7).astype(np.float32)
    y = _plus(offset * scale * scales, bias) + acc * scale * scales
    return with_batches(call, x, clamp_real(call, y))


def conv_2d(call: Call, x: Array, weights: Array, bias: Array) -> Array:
    """``y[b, ..., o] = acc[b, ..., o] * (sw * s[b]) + bias[o]``, for filters of one scale.

    x: float32 NHWC; filters int8 or int4 OHWI; bias float32 ``(O,)``. acc is the sum of the
    convolution over codes that quantize each image symmetrically, by s. ``HybridConv`` in
    ``tflite/kernels/internal/optimized/optimized_ops.h``.
    """
    _check_int4(call)
    if weight_scales(call).size > 1:
        check_version(call, "of float32 by int8 of several equal scales")
    # Of a multiple of 4, another kernel takes the filters: ruy's.
    multiply = byte_products if len(weights) % 4 else _products

    def product_of(matrix: Array, outputs: slice) -> Product:
        return lambda patches: multiply(patches, matrix.T)

    quantized = symmetric(x.reshape(len(x), -1))
    acc = convolved(call, quantized.codes.reshape(x.shape), weights, 0, product_of)
    scale = _along_images(quantized.scale * weight_scales(call)[0])
    return clamp_real(call, acc.astype(np.float32) * scale + bias)


def conv_2d_per_channel(call: Call, x: Array, weights: Array, bias: Array) -> Array:
    """``y[b, ..., o] = (acc[b, ..., o] * sw[o]) * s[b] + bias[o]``.

    As :func:`conv_2d`, for filters of several scales and for grouped ones; each image is quantized
    asymmetrically. ``HybridConvPerChannel`` in ``tflite/kernels/internal/reference/conv.h``.
    """
    _check_int4(call)
    _check_scales(call, weights.shape[0])
    quantized = asymmetric(x.reshape(len(x), -1))
    acc = image_sums(call, conv_sums, x, weights, quantized)
    return clamp_real(call, acc * weight_scales(call) * _along_images(quantized.scale) + bias)


def conv_2d_product_of_scales(call: Call, x: Array, weights: Array, bias: Array) -> Array:
    """``y[b, ..., o] = acc[b, ..., o] * (sw[o] * s[b]) + bias[o]``.

    As :func:`conv_2d_per_channel`, in another order. ``HybridConvPerChannel`` in
    ``tflite/kernels/internal/optimized/optimized_ops.h``.
    """
    _check_int4(call)
    quantized = asymmetric(x.reshape(len(x), -1))
    acc = image_sums(call, conv_sums, x, weights, quantized)
    return clamp_real(call, acc * (weight_scales(call) * _along_images(quantized.scale)) + bias)


def depthwise_conv_2d(call: Call, x: Array, weights: Array, bias: Array | None = None) -> Array:
    """``y[b, ..., o] = acc[b, ..., o] * (sw[o] * s[b]) + bias[o]``.

    x: float32 NHWC; weights int8 ``(1, kh, kw, C * m)``; bias float32. acc is the sum of the
    convolution over codes that quantize each image asymmetrically, by s.
    ``DepthwiseConvHybridPerChannel`` in
    ``tflite/kernels/internal/reference/integer_ops/depthwise_conv.h``.
    """
    _check_scales(call, weights.shape[3])
    quantized = asymmetric(x.reshape(len(x), -1))
    acc = image_sums(call, depthwise_sums, x, weights, quantized)
    y = acc * (weight_scales(call) * _along_images(quantized.scale))
    return clamp_real(call, _plus(y, bias))


def depthwise_conv_2d_in_vectors(
    call: Call, x: Array, weights: Array, bias: Array | None = None
) -> Array:
    """``(acc * sw[o]) * s[b] + bias[o]``; the channels after the last four: ``(acc * s) * sw``.

    Else as :func:`depthwise_conv_2d`. ``DepthwiseConvHybridGeneral`` in
    ``tflite/kernels/internal/optimized/integer_ops/depthwise_conv_hybrid.h``.
    """
    _check_scales(call, weights.shape[3])
    quantized = asymmetric(x.reshape(len(x), -1))
    acc = image_sums(call, depthwise_sums, x, weights, quantized)
    channels = acc.shape[3]
    scale, of_weights = _along_images(quantized.scale), weight_scales(call)
    in_body = np.arange(channels) < channels - channels % 4
    y = np.where(in_body, acc * of_weights * scale, acc * scale * of_weights)
    return clamp_real(call, _plus(y, bias))


def weight_scales(call: Call) -> Array:
    """float32 scales of the weights ``(channels,)``, or ``(1,)``."""
    quantization = call.input(1).quantization
    if quantization is None:
        raise NotReplayed(f"{call.op.name} whose weights {call.input(1).label} have no scale")
    return quantization.scale


def _check_scales(call: Call, channels: int) -> None:
    if weight_scales(call).size != channels:
        raise NotReplayed(f"{call.op.name} by {channels} filters that share a scale")


def _check_int4(call: Call) -> None:
    if call.input(1).dtype == "int4":
        check_version(call, "of float32 by int4")


def image_sums(call: Call, sums: Any, x: Array, weights: Array, quantized: Codes) -> Array:
    """float32 sums of a convolution, image by image; ``sums``: conv_sums or depthwise_sums."""
    images = quantized.codes.reshape(x.shape)
    filters = weights.astype(np.int16)
    return np.concatenate(
        [
            sums(call, images[i : i + 1], filters, int(quantized.zero_point[i]), None)
            for i in range(len(images))
        ]
    ).astype(np.float32)


def _along_images(values: Array) -> Array:
    return values.reshape(-1, 1, 1, 1)


def _plus(y: Array, bias: Array | None) -> Array:
    return y if bias is None else y + bias


def _products(codes: Array, weights: Array) -> Array:
    """int64 ``sum_i q[b, i] * w[o, i]``."""
    return exact_matmul(codes, weights.T, 0, None).astype(np.int64)


def byte_products(codes: Array, weights: Array) -> Array:
    """As :func:`_products`, by the x86 kernel that takes 16 bytes at a time.

    There -128 has no opposite: multiplied by a negative code, it loses its sign.
    ``DotProdInt8x4x4`` in ``tflite/kernels/internal/optimized/sse_tensor_utils.cc``.
    """
    body = codes.shape[1] - codes.shape[1] % _BYTES
    lost = (weights[:, :body] == _LEAST).astype(np.int16)
    products = _products(codes, weights)
    if lost.any():
        products += 2 * _LEAST * _products(-np.minimum(codes[:, :body], 0, dtype=np.int16), lost)
    return products
