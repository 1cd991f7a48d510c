"""Convolutions that XNNPACK computes in another way, and which ones it takes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tflreplay.ground.functions import fused_multiply_add
from tflreplay.ground.rounding import Accumulation, Array
from tflreplay.ground.window import window
from tflreplay.ops.base.call import Call, clamp_real
from tflreplay.ops.base.conditions import Site, condition, every
from tflreplay.ops.base.hybrid import (
    kleidi_rows_by,
    weight_scales,
    xnnpack_quantize,
    xnnpack_rows_by,
)
from tflreplay.ops.base.predicates import image
from tflreplay.ops.base.sums import weighted_accumulation
from tflreplay.ops.base.weights import may_wrap
from tflreplay.ops.conv.hybrid import image_sums
from tflreplay.ops.conv.integer import conv_sums
from tflreplay.ops.conv.sliding import windows

_MOST_TAPS = 25  # of its depthwise kernels


def xnnpack_bias_alone(call: Call, x: Array, weights: Array, bias: Array) -> Accumulation:
    """``acc[b, y, x, o] = bias[o]``: every tap reads padding.

    x: int8 or uint8 NHWC; weights with height and width along axes 1 and 2; bias int32. Corrected
    by XNNPACK bf3014548c: the padding came out negative where SAME leaves input unused.
    """
    rows, columns = windows(call, x.shape, weights.shape)
    values = np.broadcast_to(bias, (x.shape[0], rows.outputs, columns.outputs, bias.size))
    return weighted_accumulation(call, call.input(0), values)


def xnnpack_hybrid_conv_2d(call: Call, x: Array, weights: Array, bias: Array) -> Array:
    """``y[b, ..., o] = fma(acc[b, ..., o] * s[b], sw[o], bias[o])``.

    x: float32 NHWC; filters int8 OHWI; bias float32. acc is the sum of the convolution over codes
    that quantize each image. ``src/qd8-f32-qc8w-igemm``.
    """
    quantized, inverse = xnnpack_quantize(x.reshape(len(x), -1))
    acc = image_sums(call, conv_sums, x, weights, quantized)
    scaled = acc * inverse.reshape(-1, 1, 1, 1)
    return clamp_real(call, fused_multiply_add(scaled, weight_scales(call), bias))


def neondot_hybrid_conv_2d(call: Call, x: Array, weights: Array, bias: Array) -> Array:
    """``y[b, ..., o] = acc[b, ..., o] * (sw[o] * s[b]) + bias[o]``; of one pixel, as above.

    As :func:`xnnpack_hybrid_conv_2d`. ``src/qd8-f32-qc8w-igemm``: ``asm-aarch64-neondot-ld128.S``.
    """
    quantized, inverse = xnnpack_quantize(x.reshape(len(x), -1))
    acc = image_sums(call, conv_sums, x, weights, quantized)
    scale, scales = inverse.reshape(-1, 1, 1, 1), weight_scales(call)
    if acc.shape[1:3] == (1, 1):
        return clamp_real(call, fused_multiply_add(acc * scale, scales, bias))
    return clamp_real(call, acc * (scales * scale) + bias)


def xnnpack_hybrid_conv_2d_by_pixels(call: Call, x: Array, weights: Array, bias: Array) -> Array:
    """As FULLY_CONNECTED, with a row for each pixel: filters of 1x1, at every one.

    ``y[b, ..., o] = fma(sum_c (q[b, ..., c] - z) * w[o, c] * s, sw[o], bias[o])``: s and z quantize
    each pixel. x: float32 NHWC; filters int8 ``(O, 1, 1, C)``. ``xnn_define_convolution_2d``,
    ``src/subgraph/convolution-2d.c``.
    """
    return _by_pixels(call, x, weights, bias, xnnpack_rows_by)


def kleidi_conv_2d_by_pixels(call: Call, x: Array, weights: Array, bias: Array) -> Array:
    """As :func:`xnnpack_hybrid_conv_2d_by_pixels`, by KleidiAI's kernels.

    ``y[b, ..., o] = sum_c (q[b, ..., c] - z) * w[o, c] * (sw[o] * s) + bias[o]``:
    :func:`~tflreplay.ops.base.hybrid.kleidi_rows_by`.
    """
    return _by_pixels(call, x, weights, bias, kleidi_rows_by)


def _by_pixels(
    call: Call, x: Array, weights: Array, bias: Array, rows_by: Callable[..., Array]
) -> Array:
    channels = weights.shape[0]
    y = rows_by(call, x.reshape(-1, x.shape[3]), weights.reshape(channels, -1), bias)
    return clamp_real(call, y.reshape(*x.shape[:3], channels))


def xnnpack_hybrid_bias_alone(call: Call, x: Array, weights: Array, bias: Array) -> Array:
    """``y[b, ..., o] = bias[o]``: every tap reads padding, as in :func:`xnnpack_bias_alone`."""
    rows, columns = windows(call, x.shape, weights.shape)
    shape = (len(x), rows.outputs, columns.outputs, len(bias))
    return clamp_real(call, np.broadcast_to(bias, shape).copy())


@condition
def each_pixel(site: Site) -> bool:
    """filters of 1x1 that see every pixel and all channels, more than one in or out"""
    x, w = image(site.activation), image(site.weights)
    unit = w[1:3] == (1, 1) and site.option("stride_h") == site.option("stride_w") == 1
    return unit and w[3] == x[3] and w[0] + w[3] > 2


@condition
def unused_input(site: Site) -> bool:
    """SAME padding of a kernel above 1x1 that leaves input unused"""
    x, w = image(site.activation), image(site.weights)
    strides = site.option("stride_h"), site.option("stride_w")
    if site.option("padding") != "SAME" or w[1:3] == (1, 1) or min(strides) < 1:
        return False
    both = (
        window(x[i], w[i], stride, site.option(f"dilation_{d}_factor"), "SAME")
        for i, d, stride in zip((1, 2), "hw", strides, strict=True)
    )
    sizes = zip(both, x[1:3], strict=True)
    return any((w.outputs - 1) * w.stride + (w.size - 1) * w.dilation + 1 < n for w, n in sizes)


@condition
def gemm(site: Site) -> bool:
    """more than 25 taps, or groups of more than one input or output channel"""
    x, w = image(site.activation), image(site.weights)
    if w[1] * w[2] > _MOST_TAPS:
        return True
    if site.roles.weight_axis == 3:
        return w[3] != x[3]
    return w[3] != 1 or w[0] != x[3]


# Of the kernels for convolutions, those for GEMM alone wrap.
conv_may_wrap = every(may_wrap, gemm)
