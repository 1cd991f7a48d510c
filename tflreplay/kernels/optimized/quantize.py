"""QUANTIZE from float32 and DEQUANTIZE, per tensor."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import INT32_MIN, Array, round_half_away, wrap32
from tflreplay.kernels import quantize as reference
from tflreplay.kernels.call import Call
from tflreplay.kernels.optimized.loops import vector_body

_WIDTH = 8


def quantize(call: Call, x: Array) -> Array:
    """``clamp(round_half_even(x * float32(1 / so)) + zo)``, the product in float32.

    x: float32 of any shape, to int8, uint8 or int16. The last ``size % 8`` elements are
    ``clamp(round_half_away(x / so) + zo)``, the quotient in float64. What does not fit int32
    becomes -2**31, as x86 converts it. ``AffineQuantize`` in
    ``tflite/kernels/internal/optimized/optimized_ops.h``.
    """
    to = call.output
    body = vector_body(x.shape, _WIDTH, x.size)
    with np.errstate(over="ignore"):
        product = x * np.float32(1 / to.scale)
    scaled = np.where(body, product, x.astype(np.float64) / to.scale)
    scaled = np.where(np.abs(scaled) < 2.0**31, scaled, INT32_MIN)
    rounded = np.where(body, np.rint(scaled), round_half_away(scaled))
    code = wrap32(rounded.astype(np.int64) + to.zero_point)
    return np.clip(code, *to.code_range).astype(to.numpy_dtype)


def dequantize(call: Call, x: Array) -> Array:
    """``x * si + float32(-zi * si)``, each operation rounded to float32.

    x: int8, uint8, int16 or int4 of any shape. The last ``size % 8`` elements are those of the
    reference kernel. ``Dequantize`` in ``tflite/kernels/internal/optimized/optimized_ops.h``.
    """
    ti = call.input(0)
    body = x.astype(np.float32) * np.float32(ti.scale) + np.float32(-ti.zero_point * ti.scale)
    return np.where(vector_body(x.shape, _WIDTH, x.size), body, reference.dequantize(call, x))
