"""HARD_SWISH."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Array, Multiplier, rounding_divide_by_pot
from tflreplay.kernels.call import Call
from tflreplay.kernels.lookup import centred_codes, look_up

_INT16_MIN, _INT16_MAX = -(2**15), 2**15 - 1


def hard_swish(call: Call, x: Array) -> Array:
    """``x * relu6(x + 3) / 6`` in 16-bit fixed point.

    x: int8 or uint8 of any shape. With ``hires = (x - zi) << 7`` on the scale ``h = si / 128``::

        value = high_mul16(hires, mantissa(h / so))
        gate  = (saturate(hires rescaled by h / (3 / 32768)) + 32768) >> 1
        out   = clamp(rounding_divide_by_pot(trunc(gate * value / 32768), -shift(h / so)) + zo)

    The scales are float32, the mantissas cut to 16 bits. ``HardSwish`` in
    ``tflite/kernels/internal/reference/hard_swish.h``, ``HardSwishPrepare`` in
    ``tflite/kernels/activations.cc``.
    """
    ti, to = call.input(0), call.output
    if ti.dtype != to.dtype:
        raise NotReplayed(f"HARD_SWISH from {ti.dtype} to {to.dtype}")
    hires_scale = np.float32(1 / 128) * np.float32(ti.scale)
    value_mantissa, value_shift = _multiplier16(hires_scale / np.float32(to.scale))
    gate_mantissa, gate_shift = _multiplier16(hires_scale / np.float32(3 / 32768))
    if not -15 <= value_shift <= 0 or gate_shift < -15:
        raise NotReplayed(f"HARD_SWISH with scales {ti.scale:g} and {to.scale:g}")

    hires = centred_codes(ti) << 7
    value = _high_mul16(hires, value_mantissa)
    if gate_shift > 0:
        # All but the last bit of the left shift comes first, where saturation cannot show.
        gate = _high_mul16(_saturate16(hires << (gate_shift - 1)), gate_mantissa)
        gate = _saturate16(gate << 1)
    else:
        gate = rounding_divide_by_pot(_high_mul16(hires, gate_mantissa), -gate_shift)
    gate = (gate + 2**15) >> 1
    product = gate * value
    product = np.sign(product) * (np.abs(product) >> 15)
    code = rounding_divide_by_pot(product, -value_shift) + to.zero_point
    code = code.astype(np.int16)  # the sum wraps in a 16-bit register
    return look_up(x, np.clip(code, *to.code_range).astype(to.numpy_dtype))


def _multiplier16(real: np.float32) -> tuple[int, int]:
    """Q15 mantissa and shift: ``DownScaleInt32ToInt16Multiplier`` of the Q31 form."""
    multiplier = Multiplier.of(real)
    return min((int(multiplier.mantissa) + 2**15) >> 16, _INT16_MAX), int(multiplier.shift)


def _high_mul16(a: Array, b: int) -> Array:
    """``SaturatingRoundingDoublingHighMul`` on int16; b is not negative."""
    return (a * b + 2**14) >> 15


def _saturate16(x: Array) -> Array:
    return np.clip(x, _INT16_MIN, _INT16_MAX)
