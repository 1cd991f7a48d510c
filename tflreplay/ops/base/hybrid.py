"""float32 activations by integer weights (dynamic range quantization).

The activations are quantized as they come, an image or a row at a time; the sums are exact integers
and are rescaled in float32, every operation rounded once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.functions import fused_multiply_add, multiply_add
from tflreplay.ground.machine import SME
from tflreplay.ground.rounding import Array, round_half_away
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.sums import exact_matmul

MOST = 127  # the largest code
LEAST = -128  # and the smallest, where the quantization is asymmetric
_VECTOR = 8  # values that the vector code quantizes at a time
_BYTES = 16  # and codes that it multiplies


@dataclass(frozen=True)
class Codes:
    """Rows of int8 codes ``(rows, n)``, each with its float32 scale and int64 zero point."""

    codes: Array
    scale: Array
    zero_point: Array


def weight_scales(call: Call) -> Array:
    """float32 scales of the weights ``(channels,)``, or ``(1,)``."""
    quantization = call.input(1).quantization
    if quantization is None:
        raise NotReplayed(f"{call.op.name} whose weights {call.input(1).label} have no scale")
    return quantization.scale


def plus(y: Array, bias: Array | None) -> Array:
    return y if bias is None else y + bias


def products(codes: Array, weights: Array) -> Array:
    """int64 ``sum_i q[b, i] * w[o, i]``."""
    return exact_matmul(codes, weights.T, 0, None).astype(np.int64)


# ---- reference and optimized kernels ----------------------------------------------------------


def symmetric(x: Array) -> Codes:
    """``clamp(round(x * (127 / m)), -127, 127)`` of scale ``m / 127``: m is a row's largest
    magnitude.

    x: float32 ``(rows, n)``. ``NeonSymmetricQuantizeFloats`` in
    ``tflite/kernels/internal/optimized/neon_tensor_utils.cc``, which x86 runs as well.
    """
    largest = np.abs(x).max(axis=1, initial=0)
    zero = largest == 0
    largest[zero] = MOST
    codes = _rounded(x * (np.float32(MOST) / largest)[:, None]).clip(-MOST, MOST)
    scale = largest / np.float32(MOST)
    return Codes(codes.astype(np.int8), scale, np.zeros(len(x), np.int64))


def asymmetric(x: Array) -> Codes:
    """``clamp(round(x * (1 / s)) + z, -128, 127)``: s and z such that a row's range fills int8's.

    x: float32 ``(rows, n)``. s and z in float64, but for the range itself; s is then rounded to
    float32. ``NeonAsymmetricQuantizeFloats`` in
    ``tflite/kernels/internal/optimized/neon_tensor_utils.cc``, which x86 runs as well.
    """
    low, high = x.min(axis=1, initial=0), x.max(axis=1, initial=0)
    scale = (high - low).astype(np.float64) / (MOST - LEAST)
    zero = scale == 0
    scale[zero] = 1
    below, above = low / scale, high / scale
    nearer = -LEAST + np.abs(below) < MOST + np.abs(above)
    zero_point = round_half_away(np.where(nearer, LEAST - below, MOST - above))
    zero_point = np.where(zero, 0, zero_point.clip(LEAST, MOST))
    single = scale.astype(np.float32)
    # The reciprocal of a scale too small for float32 counts as 0.
    inverse = np.divide(1, single, out=np.zeros_like(single), where=single > 0)
    codes = _rounded(x * inverse[:, None]) + zero_point[:, None]
    return Codes(codes.clip(LEAST, MOST).astype(np.int8), single, zero_point.astype(np.int64))


def _rounded(x: Array) -> Array:
    """float32 rows rounded half away; in vector code, by adding a half and cutting the fraction.

    The two differ just below a half, and where a half is less than the last bit.
    """
    body = x.shape[1] - x.shape[1] % _VECTOR
    rounded = round_half_away(x)
    vectors = x[:, :body]
    rounded[:, :body] = np.trunc(vectors + np.copysign(np.float32(0.5), vectors))
    return rounded


def byte_products(codes: Array, weights: Array) -> Array:
    """As :func:`products`, by the x86 kernel that takes 16 bytes at a time.

    There -128 has no opposite: multiplied by a negative code, it loses its sign.
    ``DotProdInt8x4x4`` in ``tflite/kernels/internal/optimized/sse_tensor_utils.cc``.
    """
    body = codes.shape[1] - codes.shape[1] % _BYTES
    lost = (weights[:, :body] == LEAST).astype(np.int16)
    sums = products(codes, weights)
    if lost.any():
        sums += 2 * LEAST * products(-np.minimum(codes[:, :body], 0, dtype=np.int16), lost)
    return sums


# ---- XNNPACK ----------------------------------------------------------------------------------


def xnnpack_quantize(x: Array, rounded: Callable[[Array], Array] = np.rint) -> tuple[Codes, Array]:
    """``clamp(round_half_even(x * (1/s)) + z)`` of rows ``(rows, n)``, and their ``s``.

    KleidiAI rounds in another way. The codes' scale is ``1/s = 255 / (high - low)``, of a row's
    range with 0 in it; all in float32.
    ``xnn_qd8_asymmetric_quantization_params`` in ``src/xnnpack/quantization.h``.
    """
    least, most = np.float32(LEAST), np.float32(MOST)
    low = np.minimum(x.min(axis=1, initial=0), np.float32(0))
    high = np.maximum(x.max(axis=1, initial=0), np.float32(0))
    flat = low == high
    scale = (most - least) / np.where(flat, np.float32(1), high - low)
    scale = np.where(flat, np.float32(1), scale)
    below, above = low * scale, high * scale
    zero_point = np.where((least + below) + (most + above) > 0, least - below, most - above).clip(
        least, most
    )
    zero_point = np.rint(zero_point)
    offset = zero_point[:, None]
    codes = rounded((x * scale[:, None]).clip(least - offset, most - offset)) + offset
    quantized = Codes(codes.astype(np.int8), scale, zero_point.astype(np.int64))
    return quantized, np.float32(1) / scale


def xnnpack_rows_by(call: Call, x: Array, weights: Array, bias: Array | None) -> Array:
    """``y[b, o] = fma(sum_i (q[b, i] - z[b]) * w[o, i] * s[b], sw[o], bias[o])``.

    x: float32 ``(rows, depth)``, of which q, s and z quantize each row; weights ``(units, depth)``.
    """
    quantized, inverse = xnnpack_quantize(x)
    addend = np.zeros(len(weights), np.float32) if bias is None else bias
    scaled = _row_sums(quantized, weights) * inverse[:, None]
    return fused_multiply_add(scaled, weight_scales(call), addend)


def kleidi_rows_by(call: Call, x: Array, weights: Array, bias: Array | None) -> Array:
    """``y[b, o] = sum_i (q[b, i] - z[b]) * w[o, i] * (sw[o] * s[b]) + bias[o]``.

    As :func:`xnnpack_rows_by` on aarch64's CPUs with dot products, whose kernels are KleidiAI's:
    ties are rounded away in q. With SME, the sum of a single row is fused.
    ``kai_lhs_quant_pack_qai8dxp_f32.c`` and
    ``kai_matmul_clamp_f32_qai8dxp*_qsi8cxp*_neon_dotprod.c``.
    """
    quantized, inverse = xnnpack_quantize(x, round_half_away)
    addend = np.zeros(len(weights), np.float32) if bias is None else bias
    acc, scale = _row_sums(quantized, weights), weight_scales(call) * inverse[:, None]
    return multiply_add(acc, scale, addend, len(x) == 1 and call.engine.machine in SME)


def _row_sums(quantized: Codes, weights: Array) -> Array:
    acc = products(quantized.codes, weights)
    acc -= quantized.zero_point[:, None] * weights.sum(axis=1, dtype=np.int64)
    return acc.astype(np.float32)
