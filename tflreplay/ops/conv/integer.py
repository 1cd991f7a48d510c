"""Convolutions of integer codes by integer weights, in the reference and optimized kernels."""

from __future__ import annotations

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Accumulation, Array
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.conditions import every
from tflreplay.ops.base.sums import (
    Sums,
    accumulator_bits,
    centred_weights,
    check_version,
    weighted_accumulation,
)
from tflreplay.ops.base.weights import int32_sums, ungrouped
from tflreplay.ops.conv.sliding import Product, convolved, convolved_by_channel


def conv_2d(call: Call, x: Array, weights: Array, bias: Array | None = None) -> Accumulation:
    """``acc[b, y, x, o] = sum_{i, j, c} (in[b, y*s+i*d-p, x*s+j*d-p, c] - zx)
    * (w[o, i, j, c] - zw) + bias[o]``; taps in the padding add nothing.

    x: int8, uint8 or int16 NHWC; weights OHWI, uint8 for uint8, else int8 or int4, per-channel
    scales along O or one scale; bias ``(O,)``, int32 or, for int16, int64. The accumulator is as
    wide as the bias. C of the input may be a multiple of I: a grouped convolution.
    ``ConvPerChannel`` in ``tflite/kernels/internal/reference/integer_ops/conv.h`` and ``Conv`` in
    ``tflite/kernels/internal/reference/conv.h``.
    """
    if (call.input(0).dtype, call.input(1).dtype) == ("int16", "int4"):
        check_version(call, "of int16 by int4")
    bits = accumulator_bits(call, call.input(0), bias)
    filters = centred_weights(call, call.input(0), call.input(1), weights)
    sums = conv_sums(call, x, filters, call.input(0).zero_point, bias, bits)
    return weighted_accumulation(call, call.input(0), sums, bits)


def conv_sums(
    call: Call, x: Array, filters: Array, zero_point: int, bias: Array | None, bits: int = 32
) -> Array:
    """The sums of :func:`conv_2d`; the filters less their zero point."""

    def product_of(matrix: Array, outputs: slice) -> Product:
        sums = Sums.of(matrix, zero_point, None if bias is None else bias[outputs], x.dtype, bits)
        weights = matrix.astype(sums.dtype)
        return lambda patches: sums.matmul(patches, weights)

    return convolved(call, x, filters, zero_point, product_of)


def depthwise_conv_2d(
    call: Call, x: Array, weights: Array, bias: Array | None = None
) -> Accumulation:
    """``acc[b, y, x, c*m+k] = sum_{i, j} (in[b, y*s+i*d-p, x*s+j*d-p, c] - zx)
    * (w[0, i, j, c*m+k] - zw) + bias[c*m+k]``; taps in the padding add nothing.

    x: int8, uint8 or int16 NHWC with C channels; weights ``(1, kh, kw, C * m)``, uint8 for uint8,
    else int8, or int4 for int8; bias int32, int64 for int16. ``DepthwiseConvPerChannel`` in
    ``tflite/kernels/internal/reference/integer_ops/depthwise_conv.h``, which ignores the weights'
    zero point, and ``DepthwiseConv`` in ``.../reference/depthwiseconv_uint8.h``, which does not.
    """
    if (call.input(0).dtype, call.input(1).dtype) == ("int16", "int4"):
        raise NotReplayed(f"{call.op.name} of int16 by int4: the runtime reads the weights as int8")
    bits = accumulator_bits(call, call.input(0), bias)
    taps = centred_weights(call, call.input(0), call.input(1), weights)
    zero_point = call.input(0).zero_point
    sums = depthwise_sums(call, x, taps, zero_point, bias, bits)
    return weighted_accumulation(call, call.input(0), sums, bits)


def depthwise_sums(
    call: Call, x: Array, weights: Array, zero_point: int, bias: Array | None, bits: int = 32
) -> Array:
    """The sums of :func:`depthwise_conv_2d`; the weights less their zero point."""
    sums = Sums.of(weights.reshape(-1, weights.shape[3]), zero_point, bias, x.dtype, bits)
    taps = weights.astype(sums.dtype)
    return sums.wrapped(convolved_by_channel(call, x, taps, zero_point, sums.constant[0]))


ungrouped_in_32_bits = every(int32_sums, ungrouped)
