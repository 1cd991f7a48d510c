"""MUL, ported from TensorFlow Lite's C++ line by line. It is wrong by one, now and then. Why?"""

import numpy as np

import tflreplay


@tflreplay.kernel("MUL")
def mul(call, x, y):
    x = x.astype(np.int64) - call.input(0).zero_point
    y = y.astype(np.int64) - call.input(1).zero_point
    real = float(call.input(0).scale) * float(call.input(1).scale) / float(call.output.scale)
    multiplier, shift = quantize_multiplier(real)
    scaled = multiply_by_quantized_multiplier(x * y, multiplier, shift)
    return np.clip(scaled + call.output.zero_point, -128, 127).astype(np.int8)


def quantize_multiplier(real):
    """QuantizeMultiplier: real = multiplier / 2**31 * 2**shift."""
    fraction, shift = np.frexp(real)
    return int(np.floor(fraction * 2**31 + 0.5)), int(shift)


def multiply_by_quantized_multiplier(x, multiplier, shift):
    """MultiplyByQuantizedMultiplier, for multipliers below 1."""
    high = saturating_rounding_doubling_high_mul(x, multiplier)
    return rounding_divide_by_pot(high, -shift)


def saturating_rounding_doubling_high_mul(a, b):
    """The high half of 2 * a * b: the nudge rounds away from zero, the division takes it back."""
    ab = a * b
    nudge = np.where(ab >= 0, 1 << 30, 1 - (1 << 30))
    return (ab + nudge) // (1 << 31)


def rounding_divide_by_pot(x, exponent):
    """x / 2**exponent, ties away from zero."""
    mask = (1 << exponent) - 1
    remainder = x & mask
    threshold = (mask >> 1) + (x < 0)
    return (x >> exponent) + (remainder > threshold)
