"""Convolutions of float32 by integer weights, in the reference and optimized kernels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call, clamp_real
from tflreplay.ops.base.conditions import Site, condition, every
from tflreplay.ops.base.hybrid import (
    Codes,
    asymmetric,
    byte_products,
    plus,
    products,
    symmetric,
    weight_scales,
)
from tflreplay.ops.base.predicates import image
from tflreplay.ops.base.row import Defect
from tflreplay.ops.base.sums import check_version
from tflreplay.ops.base.weights import integer_weights, ungrouped
from tflreplay.ops.conv.integer import conv_sums, depthwise_sums
from tflreplay.ops.conv.sliding import Product, convolved


def hybrid_conv_2d(call: Call, x: Array, weights: Array, bias: Array) -> Array:
    """``y[b, ..., o] = acc[b, ..., o] * (sw * s[b]) + bias[o]``, for filters of one scale.

    x: float32 NHWC; filters int8 or int4 OHWI; bias float32 ``(O,)``. acc is the sum of the
    convolution over codes that quantize each image symmetrically, by s. ``HybridConv`` in
    ``tflite/kernels/internal/optimized/optimized_ops.h``.
    """
    # Of a multiple of 4, another kernel takes the filters: ruy's.
    return _hybrid(call, x, weights, bias, byte_products if len(weights) % 4 else products)


def hybrid_conv_2d_by_whole_weights(call: Call, x: Array, weights: Array, bias: Array) -> Array:
    """As :func:`hybrid_conv_2d`, but that no sign is lost."""
    return _hybrid(call, x, weights, bias, products)


def _hybrid(
    call: Call,
    x: Array,
    weights: Array,
    bias: Array,
    multiply: Callable[[Array, Array], Array],
) -> Array:
    _check_int4(call)
    if weight_scales(call).size > 1:
        check_version(call, "of float32 by int8 of several equal scales")

    def product_of(matrix: Array, outputs: slice) -> Product:
        return lambda patches: multiply(patches, matrix.T)

    quantized = symmetric(x.reshape(len(x), -1))
    acc = convolved(call, quantized.codes.reshape(x.shape), weights, 0, product_of)
    scale = _along_images(quantized.scale * weight_scales(call)[0])
    return clamp_real(call, acc.astype(np.float32) * scale + bias)


def hybrid_conv_2d_per_channel(call: Call, x: Array, weights: Array, bias: Array) -> Array:
    """``y[b, ..., o] = (acc[b, ..., o] * sw[o]) * s[b] + bias[o]``.

    As :func:`hybrid_conv_2d`, for filters of several scales and for grouped ones; each image is
    quantized asymmetrically. ``HybridConvPerChannel`` in
    ``tflite/kernels/internal/reference/conv.h``.
    """
    _check_int4(call)
    _check_scales(call, weights.shape[0])
    quantized = asymmetric(x.reshape(len(x), -1))
    acc = image_sums(call, conv_sums, x, weights, quantized)
    return clamp_real(call, acc * weight_scales(call) * _along_images(quantized.scale) + bias)


def hybrid_conv_2d_product_of_scales(call: Call, x: Array, weights: Array, bias: Array) -> Array:
    """``y[b, ..., o] = acc[b, ..., o] * (sw[o] * s[b]) + bias[o]``.

    As :func:`hybrid_conv_2d_per_channel`, in another order. ``HybridConvPerChannel`` in
    ``tflite/kernels/internal/optimized/optimized_ops.h``.
    """
    _check_int4(call)
    quantized = asymmetric(x.reshape(len(x), -1))
    acc = image_sums(call, conv_sums, x, weights, quantized)
    return clamp_real(call, acc * (weight_scales(call) * _along_images(quantized.scale)) + bias)


def hybrid_depthwise_conv_2d(
    call: Call, x: Array, weights: Array, bias: Array | None = None
) -> Array:
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
    return clamp_real(call, plus(y, bias))


def hybrid_depthwise_conv_2d_in_vectors(
    call: Call, x: Array, weights: Array, bias: Array | None = None
) -> Array:
    """``(acc * sw[o]) * s[b] + bias[o]``; the channels after the last four: ``(acc * s) * sw``.

    Else as :func:`hybrid_depthwise_conv_2d`. ``DepthwiseConvHybridGeneral`` in
    ``tflite/kernels/internal/optimized/integer_ops/depthwise_conv_hybrid.h``.
    """
    _check_scales(call, weights.shape[3])
    quantized = asymmetric(x.reshape(len(x), -1))
    acc = image_sums(call, depthwise_sums, x, weights, quantized)
    channels = acc.shape[3]
    scale, of_weights = _along_images(quantized.scale), weight_scales(call)
    in_body = np.arange(channels) < channels - channels % 4
    y = np.where(in_body, acc * of_weights * scale, acc * scale * of_weights)
    return clamp_real(call, plus(y, bias))


def image_sums(
    call: Call, sums: Callable[..., Array], x: Array, weights: Array, quantized: Codes
) -> Array:
    """float32 sums of a convolution, image by image; ``sums``: conv_sums or depthwise_sums."""
    images = quantized.codes.reshape(x.shape)
    filters = weights.astype(np.int16)
    return np.concatenate(
        [
            sums(call, images[i : i + 1], filters, int(quantized.zero_point[i]), None)
            for i in range(len(images))
        ]
    ).astype(np.float32)


def _check_scales(call: Call, channels: int) -> None:
    if weight_scales(call).size != channels:
        raise NotReplayed(f"{call.op.name} by {channels} filters that share a scale")


def _check_int4(call: Call) -> None:
    if call.input(1).dtype == "int4":
        check_version(call, "of float32 by int4")


def _along_images(values: Array) -> Array:
    return values.reshape(-1, 1, 1, 1)


@condition
def different_scales(site: Site) -> bool:
    """filters of different scales"""
    quantization = site.weights.quantization
    return quantization is not None and bool((quantization.scale != quantization.scale[0]).any())


@condition
def different_scales_or_grouped(site: Site) -> bool:
    """filters of different scales, or that see some channels of the input only"""
    return different_scales(site) or image(site.activation)[3] != image(site.weights)[3]


@condition
def shared_scale(site: Site) -> bool:
    """several channels that share one scale"""
    quantization = site.weights.quantization
    channels = image(site.weights)[site.roles.weight_axis]
    return quantization is not None and quantization.scale.size == 1 < channels


SHARED_SCALE = Defect(
    "reads a scale for each channel out of an array of one, past its end", shared_scale
)
several_scales = every(integer_weights, different_scales_or_grouped)
several_scales_ungrouped = every(integer_weights, different_scales, ungrouped)
