"""FULLY_CONNECTED on float32 activations by integer weights, as LiteRT computes it on aarch64.

Which sums are fused with their product, and which products are added in 16 bits, depends on the
CPU, the rows and the shape of the weights.
"""

from __future__ import annotations

import numpy as np

from tflreplay.ground.functions import fused_multiply_add
from tflreplay.ground.machine import NO_DOT_PRODUCT
from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call, clamp_real
from tflreplay.ops.base.hybrid import products, weight_scales
from tflreplay.ops.fully_connected.batches import rows, with_batches
from tflreplay.ops.fully_connected.floating import four_bit_sums, refuse_lowest, row_codes
from tflreplay.ops.fully_connected.in_16_bits import wrapped_pairs

_BLOCK = 16  # codes that are multiplied at a time
_LARGE = 128 * 128  # weights from which on rows are padded to a multiple of 4


def hybrid_on_aarch64(call: Call, x: Array, weights: Array, bias: Array | None = None) -> Array:
    """``y[b, o] = fma(sum_i (q[b, i] - z[b]) * w[o, i], sw[o] * s[b], bias[o])``.

    Arrays as :func:`~tflreplay.ops.fully_connected.floating.hybrid_fully_connected` takes them. The
    kernel of four rows on CPUs with dot products rounds product and sum; where neither that nor
    ruy's is taken, and on CPUs without, products of -128 by -128 are added two by two in 16 bits.
    ``NeonMatrixBatchVectorMultiplyAccumulate`` in
    ``tflite/kernels/internal/optimized/neon_tensor_utils.cc``.
    """
    quantized = row_codes(call, x, weights)
    codes, (units, depth) = quantized.codes, weights.shape
    dots = call.engine.machine not in NO_DOT_PRODUCT
    by_ruy = units % 4 == 0 and _many(dots, len(codes), units, depth)
    by_fours = dots and not by_ruy and _fours(len(codes), units, depth)
    acc = products(codes, weights)
    acc -= quantized.zero_point[:, None] * weights.sum(axis=1, dtype=np.int64)
    if not by_fours and not (by_ruy and dots):
        # ruy pads the depth to whole blocks; the other kernel multiplies what is left one by one.
        whole = depth if by_ruy else depth - depth % _BLOCK
        acc -= 65536 * wrapped_pairs(codes[:, :whole], weights[:, :whole])
    scale = weight_scales(call) * quantized.scale[:, None]
    added = np.zeros(units, np.float32) if bias is None else bias
    if by_fours:
        y = acc.astype(np.float32) * scale + added
    else:
        y = fused_multiply_add(acc.astype(np.float32), scale, added)
    return with_batches(call, x, clamp_real(call, y))


def _many(dots: bool, batches: int, units: int, depth: int) -> bool:
    """``UseCpuBackendGemm``: many rows, compared with how far the weights are from a square."""
    if not dots:
        return batches >= 8
    longer = max(units // depth, depth // units)
    return batches >= 16 and batches.bit_length() - longer.bit_length() > 2


def _fours(batches: int, units: int, depth: int) -> bool:
    fits = depth % _BLOCK == 0 and units % 2 == 0 and units >= batches
    return fits and (batches % 4 == 0 or (batches >= 2 and units * depth >= _LARGE))


def four_bit_on_aarch64(call: Call, x: Array, weights: Array, bias: Array | None = None) -> Array:
    """As :func:`~tflreplay.ops.fully_connected.floating.hybrid_four_bit`, with fused sums.

    ``y[b, o] = fma(-7 * sum_i q[b, i] * s[b], sw[o], bias[o]) + sum_i q[b, i] * (w[o, i] + 7) *
    s[b] * sw[o]``; the second sum is fused too in a single row, and in the last units beyond a
    multiple of 4. ``NeonAssignBiasAndComputeOffsets`` and ``NeonUnpack`` in
    ``tflite/kernels/internal/optimized/4bit/neon_fully_connected.cc``.
    """
    refuse_lowest(call, weights)
    return _four_bit(call, x, weights, bias, 7)


def four_bit_from_8_on_aarch64(
    call: Call, x: Array, weights: Array, bias: Array | None = None
) -> Array:
    """As :func:`four_bit_on_aarch64` with 8 for 7, for all int4 weights."""
    return _four_bit(call, x, weights, bias, 8)


def _four_bit(call: Call, x: Array, weights: Array, bias: Array | None, offset: int) -> Array:
    start, acc = four_bit_sums(rows(x, weights), weights, offset)
    scales = np.broadcast_to(weight_scales(call), len(weights))
    first = start * scales if bias is None else fused_multiply_add(start, scales, bias)
    y = fused_multiply_add(acc, scales, first)
    if len(y) > 1:
        body = len(weights) - len(weights) % 4
        y[:, :body] = (acc * scales + first)[:, :body]
    return with_batches(call, x, clamp_real(call, y))
