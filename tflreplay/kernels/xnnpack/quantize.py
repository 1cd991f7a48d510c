"""QUANTIZE."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Accumulation, Array, Multiplier
from tflreplay.kernels.call import Call, accumulation


def quantize(call: Call, x: Array) -> Array:
    """``clamp(round_half_even(x * (1 / so)) + zo)`` in float32; NaN becomes the highest code.

    x: float32 of any shape; output int8 or uint8. ``src/qs8-vcvt`` and ``src/f32-qs8-vcvt``:
    the product is limited to 32767, which also takes the place of NaN, and saturates at -32768.
    """
    to = call.output
    with np.errstate(over="ignore", invalid="ignore"):
        product = x * (np.float32(1) / np.float32(to.scale))
    codes = np.rint(np.fmin(product, np.float32(32767)).clip(-32768)) + np.float32(to.zero_point)
    return np.asarray(codes.clip(*to.code_range).astype(to.numpy_dtype))


def requantize(call: Call, x: Array) -> Accumulation:
    """``acc = (x - zi) * m``, requantized by 2**-8, ``m = round_half_even(256 * float32 si / so)``.

    x: int8 or uint8 of any shape, the output of the same type. ``xnn_init_qs8_cvt_scalar_params``
    in ``src/microparams-init.c``: the multiplier has 8 fractional bits only.
    """
    ti = call.input(0)
    ratio = np.float32(ti.scale) / np.float32(call.output.scale)
    values = (x.astype(np.int32) - ti.zero_point) * int(np.rint(np.float32(256) * ratio))
    return accumulation(call, values, Multiplier.of(2.0**-8))
