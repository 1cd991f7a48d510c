"""Convolutions of float32 by float32 weights."""

from __future__ import annotations

import math

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.floating import check_float32, rounded_sums
from tflreplay.ops.conv.sliding import Product, convolved, convolved_by_channel


def conv_2d_float(call: Call, x: Array, weights: Array, bias: Array) -> Array:
    """``y[b, y, x, o] = sum_{i, j, c} in[b, y*s+i*d-p, x*s+j*d-p, c] * w[o, i, j, c] + bias[o]``.

    x: NHWC; weights OHWI; C of x may be a multiple of I; bias ``(O,)``. ``Conv`` in
    ``tflite/kernels/internal/reference/conv.h``.
    """
    check_float32(call, 0, 1)
    wide = weights.astype(np.float64)
    return rounded_sums(call, convolved(call, x, wide, 0, _product_of), bias)


def float_conv_terms(call: Call, x: Array, weights: Array, bias: Array) -> int:
    """In each sum, the bias among them."""
    return int(math.prod(weights.shape[1:]) + 1)


def _product_of(matrix: Array, outputs: slice) -> Product:
    return lambda patches: patches.astype(np.float64) @ matrix


def depthwise_conv_2d_float(
    call: Call, x: Array, weights: Array, bias: Array | None = None
) -> Array:
    """``y[b, y, x, c*m+k] = sum_{i, j} in[b, y*s+i*d-p, x*s+j*d-p, c] * w[0, i, j, c*m+k] + bias``.

    x: NHWC with C channels; weights ``(1, kh, kw, C * m)``; bias ``(C * m,)``. ``DepthwiseConv`` in
    ``tflite/kernels/internal/reference/depthwiseconv_float.h``.
    """
    check_float32(call, 0, 1)
    nothing = np.zeros(weights.shape[3])
    sums = convolved_by_channel(call, x, weights.astype(np.float64), 0, nothing)
    return rounded_sums(call, sums, bias)


def float_depthwise_terms(call: Call, x: Array, weights: Array, bias: Array | None = None) -> int:
    """In each sum, the bias among them."""
    return int(math.prod(weights.shape[1:3]) + 1)
