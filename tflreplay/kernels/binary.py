"""MAXIMUM, MINIMUM, SQUARED_DIFFERENCE and DIV of quantized numbers; inputs are broadcast."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.fixed_point import bit_length, divide_by_any_pot, reciprocal
from tflreplay.ground.rounding import Accumulation, Array, Multiplier, high_mul, wrap32
from tflreplay.kernels.call import Call, accumulation, activation_range
from tflreplay.kernels.elementwise import common_scale, operands, twice_largest_scale

_SQUARE_SHIFT = 7  # of the inputs of SQUARED_DIFFERENCE, before they are rescaled


def maximum(call: Call, a: Array, b: Array) -> Array:
    """The larger raw code, whatever the scales: ``tflite/kernels/maximum_minimum.cc``."""
    return np.where(a > b, a, b)


def minimum(call: Call, a: Array, b: Array) -> Array:
    """The smaller raw code, whatever the scales: ``tflite/kernels/maximum_minimum.cc``."""
    return np.where(a < b, a, b)


def squared_difference(call: Call, a: Array, b: Array) -> Accumulation:
    """``requantize((rescale(a - za) - rescale(b - zb)) ** 2)``.

    a, b: int8. Both are brought to the scale ``t / 2**7``, ``t = 2 * max(s1, s2)`` in float32; the
    multiplier is ``t**2 / (2**14 * so)``. ``tflite/kernels/squared_difference.cc``.
    """
    ta, tb = operands(call)
    twice = twice_largest_scale(ta, tb)
    left, right = (
        common_scale(tensor, codes, twice, _SQUARE_SHIFT, call.rule)
        for tensor, codes in ((ta, a), (tb, b))
    )
    unit = float(np.float32(2.0 ** (2 * _SQUARE_SHIFT)) * np.float32(call.output.scale))
    return accumulation(call, (left - right) ** 2, Multiplier.of(twice * twice / unit))


def div(call: Call, a: Array, b: Array) -> Array:
    """``clamp(rescale((a - za) * (1 / (b - zb))) + zo)`` with the multiplier ``s1 / (s2 * so)``.

    a, b: int8, uint8 or int16. The reciprocal is in fixed point, the dividend shifted left as far
    as it goes; the multiplier is a float32 quotient of a float32 product. ``DivElementwise`` in
    ``tflite/kernels/internal/reference/div.h``.

    Raises:
        NotReplayed: a divisor of 0.
    """
    ta, tb = operands(call)
    to = call.output
    dividend = a.astype(np.int64) - ta.zero_point
    divisor = b.astype(np.int64) - tb.zero_point
    if not divisor.all():
        raise NotReplayed("DIV by 0: the kernel computes nothing of meaning")
    inverse, exponent = reciprocal(np.abs(divisor))
    dividend = np.where(divisor < 0, -dividend, dividend)
    # CountLeadingSignBits: a negative number has as many as its complement.
    headroom = 31 - bit_length(np.where(dividend < 0, ~dividend, dividend))
    quotient = high_mul(wrap32(dividend << headroom), inverse)
    scale = np.float32(ta.scale) / (np.float32(tb.scale) * np.float32(to.scale))
    m = Multiplier.of(scale)
    right = exponent + headroom - m.shift
    codes = wrap32(divide_by_any_pot(high_mul(quotient, m.mantissa), right) + to.zero_point)
    low, high = activation_range(call, call.option("fused_activation_function"))
    return codes.clip(low, high).astype(to.numpy_dtype)
