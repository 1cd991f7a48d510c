"""gemmlowp's fixed-point functions on raw int32 values held in int64 arrays.

``Qm.n`` is a number with m integer and n fractional bits beside the sign; its raw value is the
number times ``2**n``. The product of two such numbers is :func:`~tflreplay.rounding.high_mul`, and
the integer bits add up. Source: gemmlowp ``fixedpoint/fixedpoint.h``.
"""

from __future__ import annotations

import math

import numpy as np

from tflreplay.rounding import INT32_MAX, INT32_MIN, Array, high_mul, rounding_divide_by_pot


def _constant(value: float, fractional_bits: int) -> int:
    return round(math.ldexp(value, fractional_bits))


def _saturating_left_shift(x: Array, bits: int) -> Array:
    shifted: Array = x << bits
    return shifted.clip(INT32_MIN, INT32_MAX)


def exp_on_negative_values(a: Array, integer_bits: int = 5) -> Array:
    """``exp(a)`` in Q0.31 of ``a <= 0`` with 4 or 5 integer bits: ``exp_on_negative_values``.

    The remainder of a modulo 1/4 goes through a Taylor series; each bit above that multiplies by
    ``exp(-2**k)``, from -1/4 to -8 or -16.
    """
    fractional_bits = 31 - integer_bits
    quarter = 1 << (fractional_bits - 2)
    remainder = (a & (quarter - 1)) - quarter
    result = _exp_between_minus_quarter_and_0(_saturating_left_shift(remainder, integer_bits))
    whole = remainder - a
    for exponent in range(-2, integer_bits):
        bit = 1 << (fractional_bits + exponent)
        factor = _constant(math.exp(-(2.0**exponent)), 31)
        result = np.where(whole & bit, high_mul(result, factor), result)
    return np.where(a == 0, INT32_MAX, result)


def _exp_between_minus_quarter_and_0(a: Array) -> Array:
    """``exp(a)`` of ``-1/4 <= a < 0``, both in Q0.31: a Taylor series of order 4 around -1/8."""
    at_centre = _constant(math.exp(-1 / 8), 31)
    x = a + (1 << 28)
    x2 = high_mul(x, x)
    x3 = high_mul(x2, x)
    x4 = high_mul(x2, x2)
    third = high_mul(rounding_divide_by_pot(x4, 2) + x3, _constant(1 / 3, 31))
    return at_centre + high_mul(x + rounding_divide_by_pot(third + x2, 1), at_centre)


def one_over_one_plus_x(a: Array) -> Array:
    """``1 / (1 + a)`` of ``0 <= a < 1``, both in Q0.31: ``one_over_one_plus_x_for_x_in_0_1``."""
    return _saturating_left_shift(_two_over_one_plus_x(a), 1)


def one_minus_x_over_one_plus_x(a: Array) -> Array:
    """``(1 - a) / (1 + a)``, in Q0.31 as above: ``one_minus_x_over_one_plus_x_for_x_in_0_1``."""
    return _saturating_left_shift(_two_over_one_plus_x(a) - (1 << 29), 2)


def _two_over_one_plus_x(a: Array) -> Array:
    """In Q2.29: three Newton steps for the reciprocal of ``(1 + a) / 2``."""
    half_denominator = (a + INT32_MAX + 1) >> 1
    x = high_mul(half_denominator, _constant(-32 / 17, 29)) + _constant(48 / 17, 29)
    for _ in range(3):
        error = (1 << 29) - high_mul(half_denominator, x)
        x = x + _saturating_left_shift(high_mul(x, error), 2)
    return x
