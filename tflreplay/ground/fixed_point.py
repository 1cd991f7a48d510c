"""gemmlowp's fixed-point functions on raw int32 or int16 values held in int64 arrays.

``Qm.n`` is a number with m integer and n fractional bits beside the sign; its raw value is the
number times ``2**n``. ``word`` is m + n: 31, or 15 for int16. The product of two such numbers is
:func:`~tflreplay.ground.rounding.high_mul`, and the integer bits add up. Source: gemmlowp
``fixedpoint/fixedpoint.h``.
"""

from __future__ import annotations

import math

import numpy as np

from tflreplay.ground.c import shift_count
from tflreplay.ground.rounding import INT32_MAX, INT32_MIN, Array, high_mul, rounding_divide_by_pot


def _constant(value: float, fractional_bits: int, word: int = 31) -> int:
    """The raw value, rounded to 32 bits first and from there to 16."""
    wide = np.asarray(round(math.ldexp(value, fractional_bits + 31 - word)), np.int64)
    return int(rounding_divide_by_pot(wide, 31 - word))


def _multiply(a: Array, b: Array | int, word: int) -> Array:
    """``SaturatingRoundingDoublingHighMul`` on words of this size."""
    if word == 31:
        return high_mul(a, b)
    product: Array = a * b
    product = (product + (1 << (word - 1))) >> word
    return np.asarray(np.minimum(product, (1 << word) - 1))


def _saturating_left_shift(x: Array, bits: Array | int, word: int = 31) -> Array:
    shifted: Array = x << bits
    return shifted.clip(-(1 << word), (1 << word) - 1)


def bit_length(x: Array) -> Array:
    """Bits of the non-negative x, as ``int.bit_length``; int64."""
    return np.asarray(np.frexp(np.asarray(x, np.float64))[1].astype(np.int64))


def exp_on_negative_values(a: Array, integer_bits: int = 5, word: int = 31) -> Array:
    """``exp(a)`` in Q0.31 of ``a <= 0`` with 1 to 7 integer bits: ``exp_on_negative_values``.

    The remainder of a modulo 1/4 goes through a Taylor series; each bit above that multiplies by
    ``exp(-2**k)``, from -1/4 to the argument's highest bit. Below -32 it is 0.
    """
    fractional_bits = word - integer_bits
    quarter = 1 << (fractional_bits - 2)
    remainder = (a & (quarter - 1)) - quarter
    fraction = _saturating_left_shift(remainder, integer_bits, word)
    result = _exp_between_minus_quarter_and_0(fraction, word)
    whole = remainder - a
    for exponent in range(-2, min(integer_bits, 5)):
        bit = 1 << (fractional_bits + exponent)
        factor = _constant(math.exp(-(2.0**exponent)), word, word)
        result = np.where(whole & bit, _multiply(result, factor, word), result)
    result = np.where(a < -(32 << fractional_bits), 0, result)
    return np.where(a == 0, (1 << word) - 1, result)


def _exp_between_minus_quarter_and_0(a: Array, word: int) -> Array:
    """``exp(a)`` of ``-1/4 <= a < 0``, both in Q0: a Taylor series of order 4 around -1/8."""
    at_centre = _constant(math.exp(-1 / 8), word, word)
    x = a + (1 << (word - 3))
    x2 = _multiply(x, x, word)
    x3 = _multiply(x2, x, word)
    x4 = _multiply(x2, x2, word)
    third = _multiply(rounding_divide_by_pot(x4, 2) + x3, _constant(1 / 3, word, word), word)
    return at_centre + _multiply(x + rounding_divide_by_pot(third + x2, 1), at_centre, word)


def one_over_one_plus_x(a: Array, word: int = 31) -> Array:
    """``1 / (1 + a)`` of ``0 <= a < 1``, both in Q0: ``one_over_one_plus_x_for_x_in_0_1``."""
    return _saturating_left_shift(_two_over_one_plus_x(a, word), 1, word)


def one_minus_x_over_one_plus_x(a: Array, word: int = 31) -> Array:
    """``(1 - a) / (1 + a)``, in Q0 as above: ``one_minus_x_over_one_plus_x_for_x_in_0_1``."""
    return _saturating_left_shift(_two_over_one_plus_x(a, word) - (1 << (word - 2)), 2, word)


def _two_over_one_plus_x(a: Array, word: int) -> Array:
    """With 2 integer bits: three Newton steps for the reciprocal of ``(1 + a) / 2``."""
    half_denominator = (a + (1 << word)) >> 1
    x = _multiply(half_denominator, _constant(-32 / 17, word - 2, word), word)
    x = x + _constant(48 / 17, word - 2, word)
    for _ in range(3):
        error = (1 << (word - 2)) - _multiply(half_denominator, x, word)
        x = x + _saturating_left_shift(_multiply(x, error, word), 2, word)
    return x


def logistic(a: Array, integer_bits: int, word: int = 31) -> Array:
    """``1 / (1 + exp(-a))`` in Q0 of a with 3 or 4 integer bits: gemmlowp's ``logistic``."""
    exp = exp_on_negative_values(-np.abs(a), integer_bits, word)
    positive = one_over_one_plus_x(exp, word)
    result = np.where(a < 0, (1 << word) - 1 - positive, positive)
    return np.where(a == 0, 1 << (word - 1), result)


def tanh(a: Array, integer_bits: int, word: int = 31) -> Array:
    """``tanh(a)`` in Q0 of a with 0 to 6 integer bits: gemmlowp's ``tanh``."""
    # Twice a number in Q3 has the same raw value in Q4.
    exp = exp_on_negative_values(-np.abs(a), integer_bits + 1, word)
    return np.where(a == 0, 0, np.sign(a) * one_minus_x_over_one_plus_x(exp, word))


def reciprocal(x: Array) -> tuple[Array, Array]:
    """``1 / x`` of the integers ``x > 0`` as ``mantissa * 2**-(31 + exponent)``.

    ``GetReciprocal`` in ``tflite/kernels/internal/common.h``: x = (1 + fraction) * 2**exponent.
    """
    exponent = bit_length(x) - 1
    return one_over_one_plus_x((x << (31 - exponent)) - 2**31), exponent


def inverse_square_root(x: Array) -> tuple[Array, Array]:
    """Q31 mantissa and shift of ``1 / sqrt(x)`` for int32 ``x >= 0``; 0 counts as 1.

    ``GetInvSqrtQuantizedMultiplierExp`` in ``tflite/kernels/internal/common.h``: five Newton steps
    from 1, in Q3.28.
    """
    large = np.where(x >= 1 << 29, x // 4, x)
    left_pairs = (31 - bit_length(np.maximum(large, 1))) // 2 - 1
    right = 11 + (large != x) - left_pairs
    value = (large << 2 * left_pairs) >> 1
    half = rounding_divide_by_pot(value, 1)
    three_halves = (1 << 28) + (1 << 27)
    root = np.full_like(value, 1 << 28)
    for _ in range(5):
        cube = _saturating_left_shift(high_mul(high_mul(root, root), root), 6)
        root = _saturating_left_shift(high_mul(root, three_halves) - high_mul(half, cube), 3)
    root = high_mul(root, _constant(math.sqrt(0.5), 31)) << np.maximum(-right, 0)
    unit = x <= 1
    return np.where(unit, INT32_MAX, root), np.where(unit, 0, -np.maximum(right, 0))


def divide_by_any_pot(x: Array, exponent: Array) -> Array:
    """``RoundingDivideByPOT`` with exponents outside 0 ... 31: see ``shift_count``.

    A mask of 64 bits is shifted and cut to 32 bits; the number itself has 32.
    """
    bit = np.uint64(1) << shift_count(exponent, 64).astype(np.uint64)
    mask = (bit - np.uint64(1)).astype(np.int32).astype(np.int64)
    threshold = (mask >> 1) + (x < 0)
    return np.asarray((x >> shift_count(exponent)) + ((x & mask) > threshold))


_LOG_2 = _constant(math.log(2), 31)
_SQRT_HALF = _constant(math.sqrt(0.5), 31)
_FOURTH_ROOT_HALF = _constant(0.5**0.25, 31)
_FOURTH_ROOT_2 = 2**0.25


def log_q12_to_q5(x: Array) -> Array:
    """``log(x)`` in Q5.26 of ``x >= 1`` in Q12.19: ``log_x_for_x_greater_than_or_equal_to_1``.

    ``tflite/kernels/internal/common.h``. The power of two is taken out, a quarter beside x or
    beside x times the root of 1/2, whichever comes closer; the rest goes through a rational
    function.
    """
    quarter = rounding_divide_by_pot(np.asarray(1 << 29), 6)

    def power(zeros: Array) -> Array:  # in Q6.25
        return _saturating_left_shift(12 - zeros, 25)

    zeros_a = 32 - bit_length(x)
    root_a = _saturating_left_shift(x, zeros_a - 1)
    root_a = _saturating_left_shift(high_mul(root_a, _SQRT_HALF), 1)
    power_a = (power(zeros_a) + quarter).clip(INT32_MIN, INT32_MAX)
    zeros_b = 31 - bit_length(high_mul(x, _SQRT_HALF))
    root_b = _saturating_left_shift(x, zeros_b)
    power_b = (power(zeros_b) - quarter).clip(INT32_MIN, INT32_MAX)

    r = np.minimum(root_a, root_b)
    p = (r + _FOURTH_ROOT_HALF + 1) >> 1
    q = 2 * (r - _FOURTH_ROOT_HALF)
    q2 = high_mul(q, q)
    alpha_n = _constant(11 / 240 * _FOURTH_ROOT_2, 31)
    alpha_d = _constant(1 / 20 * _FOURTH_ROOT_2, 31)
    alpha_i = _constant(2 / _FOURTH_ROOT_2 - _FOURTH_ROOT_2, 31)
    alpha_f = _constant(1 / 4 * _FOURTH_ROOT_2, 31)
    numerator = high_mul(q, r) + high_mul(high_mul(q, q2), alpha_n)
    denominator = high_mul(p, alpha_i + q + high_mul(q2, alpha_d)) + high_mul(q, alpha_f)
    quotient = high_mul(rounding_divide_by_pot(numerator, 6), one_over_one_plus_x(denominator))
    logarithm = high_mul(np.maximum(power_a, power_b), _LOG_2) + quotient
    return _saturating_left_shift(logarithm, 1)
