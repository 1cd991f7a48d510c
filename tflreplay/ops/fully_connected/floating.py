"""FULLY_CONNECTED on float32 activations, by float32 weights and by integer ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Array, round_half_away
from tflreplay.ops.base.call import Call, clamp_real
from tflreplay.ops.base.conditions import Site, condition
from tflreplay.ops.base.floating import check_float32, rounded_sums
from tflreplay.ops.base.hybrid import (
    MOST,
    Codes,
    asymmetric,
    byte_products,
    kleidi_rows_by,
    plus,
    products,
    symmetric,
    weight_scales,
    xnnpack_rows_by,
)
from tflreplay.ops.fully_connected.batches import rows, with_batches


def fully_connected_float(call: Call, x: Array, weights: Array, bias: Array | None = None) -> Array:
    """``y[b, o] = sum_i x[b, i] * w[o, i] + bias[o]``.

    x: of any shape that flattens to ``(batches, depth)``; weights ``(units, depth)``.
    ``FullyConnected`` in ``tflite/kernels/internal/reference/fully_connected.h``.
    """
    check_float32(call, 0, 1)
    sums = rows(x, weights).astype(np.float64) @ weights.T.astype(np.float64)
    return with_batches(call, x, rounded_sums(call, sums, bias))


def float_terms(call: Call, x: Array, weights: Array, bias: Array | None = None) -> int:
    """In each sum, the bias among them."""
    return int(weights.shape[1]) + 1


# ---- by integer weights: reference and optimized kernels --------------------------------------


def hybrid_fully_connected(
    call: Call, x: Array, weights: Array, bias: Array | None = None
) -> Array:
    """``y[b, o] = sum_i (q[b, i] - z[b]) * w[o, i] * (sw[o] * s[b]) + bias[o]``.

    x: float32 of any shape that flattens to ``(batches, depth)``; weights int8 or int4 ``(units,
    depth)``; bias float32. q, s and z quantize each row, asymmetrically where the options say so.
    ``EvalHybridDense`` in ``tflite/kernels/fully_connected.cc``.
    """
    return _hybrid(call, x, weights, bias, byte_products)


def hybrid_by_whole_weights(
    call: Call, x: Array, weights: Array, bias: Array | None = None
) -> Array:
    """As :func:`hybrid_fully_connected`, but that no sign is lost."""
    return _hybrid(call, x, weights, bias, products)


def _hybrid(
    call: Call,
    x: Array,
    weights: Array,
    bias: Array | None,
    multiply: Callable[[Array, Array], Array],
) -> Array:
    quantized = row_codes(call, x, weights)
    acc = multiply(quantized.codes, weights)
    acc -= quantized.zero_point[:, None] * weights.sum(axis=1, dtype=np.int64)
    y = acc.astype(np.float32) * (weight_scales(call) * quantized.scale[:, None])
    return with_batches(call, x, clamp_real(call, plus(y, bias)))


def row_codes(call: Call, x: Array, weights: Array) -> Codes:
    """The codes of each row of x, asymmetric where the options say so."""
    quantize = asymmetric if call.option("asymmetric_quantize_inputs") else symmetric
    return quantize(rows(x, weights))


def hybrid_four_bit(call: Call, x: Array, weights: Array, bias: Array | None = None) -> Array:
    """``y[b, o] = (-7 * sum_i q[b, i] * s[b] * sw[o] + bias[o])
    + sum_i q[b, i] * (w[o, i] + 7) * s[b] * sw[o]``.

    As :func:`hybrid_fully_connected`, for int4 weights above -8; every row is quantized
    symmetrically. ``EvalHybridDense4Bit`` in ``tflite/kernels/fully_connected.cc`` and
    ``tflite/kernels/internal/optimized/4bit/sse_fully_connected.cc``.
    """
    refuse_lowest(call, weights)
    return _four_bit(call, x, weights, bias, 7)


def refuse_lowest(call: Call, weights: Array) -> None:
    """Raise NotReplayed for int4 weights of -8."""
    if (weights == -8).any():
        raise NotReplayed(f"{call.op.name} by int4 weights of -8: its kernel packs them wrongly")


def hybrid_four_bit_from_8(
    call: Call, x: Array, weights: Array, bias: Array | None = None
) -> Array:
    """As :func:`hybrid_four_bit` with 8 for 7, for all int4 weights."""
    return _four_bit(call, x, weights, bias, 8)


def _four_bit(call: Call, x: Array, weights: Array, bias: Array | None, offset: int) -> Array:
    scales = weight_scales(call)
    start, acc = four_bit_sums(rows(x, weights), weights, offset)
    y = plus(start * scales, bias) + acc * scales
    return with_batches(call, x, clamp_real(call, y))


def four_bit_sums(flat: Array, weights: Array, offset: int) -> tuple[Array, Array]:
    """``-offset * sum_i q[b, i] * s[b]`` and ``sum_i q[b, i] * (w[o, i] + offset) * s[b]``.

    flat: float32 ``(batches, depth)``, whose rows q and s quantize symmetrically.
    """
    largest = np.abs(flat).max(axis=1, keepdims=True, initial=0)
    largest[largest == 0] = MOST
    codes = round_half_away(flat * (np.float32(MOST) / largest)).astype(np.int8)
    scale = largest / np.float32(MOST)
    start = (-offset * codes.sum(axis=1, keepdims=True, dtype=np.int64)).astype(np.float32)
    acc = products(codes, weights.astype(np.int16) + offset).astype(np.float32)
    return start * scale, acc * scale


@condition
def lowest_four_bits(site: Site) -> bool:
    """an int4 weight of -8"""
    return site.weights.data is not None and bool((site.weights.data == -8).any())


@condition
def four_bit_kernel(site: Site) -> bool:
    """constant int4 weights, 4 units or more, of an even depth of 32 or more"""
    w = site.weights
    if w.dtype != "int4" or not w.is_constant or len(w.shape) != 2:
        return False
    units, depth = w.shape
    return units >= 4 and depth >= 32 and depth % 2 == 0


# ---- by integer weights: XNNPACK --------------------------------------------------------------


def xnnpack_hybrid_fully_connected(
    call: Call, x: Array, weights: Array, bias: Array | None = None
) -> Array:
    """``y[b, o] = fma(sum_i (q[b, i] - z[b]) * w[o, i] * s[b], sw[o], bias[o])``.

    x: float32 of any shape that flattens to ``(batches, depth)``; weights int8 or int4 ``(units,
    depth)``; bias float32. q, s and z quantize each row. ``src/qd8-f32-qc8w-gemm``.
    """
    flat = rows(x, weights)
    return with_batches(call, x, clamp_real(call, xnnpack_rows_by(call, flat, weights, bias)))


def kleidi_fully_connected(
    call: Call, x: Array, weights: Array, bias: Array | None = None
) -> Array:
    """As :func:`xnnpack_hybrid_fully_connected` by int8 weights, by KleidiAI's kernels.

    ``y[b, o] = sum_i (q[b, i] - z[b]) * w[o, i] * (sw[o] * s[b]) + bias[o]``:
    :func:`~tflreplay.ops.base.hybrid.kleidi_rows_by`.
    """
    flat = rows(x, weights)
    return with_batches(call, x, clamp_real(call, kleidi_rows_by(call, flat, weights, bias)))
