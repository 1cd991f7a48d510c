"""The vectorized rules against literal transcriptions of the C++ in Python integers."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tflreplay.ground.rounding import (
    INT32_MAX,
    INT32_MIN,
    RULES,
    Accumulation,
    Multiplier,
    high_mul,
    quantize_multiplier,
    requantize,
    round_half_away,
    rounding_divide_by_pot,
)

int32s = st.integers(INT32_MIN, INT32_MAX) | st.sampled_from(
    [0, 1, -1, 2**30, -(2**30), INT32_MAX, INT32_MIN]
)
reals = st.floats(2.0**-40, 2.0**8) | st.integers(-40, 8).map(lambda e: 2.0**e)


def c_divide(a: int, b: int) -> int:
    """C++ integer division: truncates toward zero."""
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def oracle_high_mul(a: int, b: int) -> int:
    """gemmlowp's SaturatingRoundingDoublingHighMul, statement by statement."""
    if a == b == INT32_MIN:
        return INT32_MAX
    product = a * b
    nudge = 1 << 30 if product >= 0 else 1 - (1 << 30)
    return c_divide(product + nudge, 1 << 31)


def oracle_divide_by_pot(x: int, exponent: int) -> int:
    """gemmlowp's RoundingDivideByPOT, statement by statement."""
    mask = (1 << exponent) - 1
    remainder = x & mask
    threshold = (mask >> 1) + (1 if x < 0 else 0)
    return (x >> exponent) + (1 if remainder > threshold else 0)


def oracle_quantize_multiplier(real: float) -> tuple[int, int]:
    """TFLite's QuantizeMultiplier, statement by statement."""
    fraction, shift = math.frexp(real)
    scaled = fraction * 2.0**31
    mantissa = math.floor(scaled + 0.5)
    if mantissa == 1 << 31:
        mantissa //= 2
        shift += 1
    return (0, 0) if shift < -31 else (mantissa, shift)


def wrap(x: int) -> int:
    return (x + 2**31) % 2**32 - 2**31


def oracle_double(acc: int, mantissa: int, shift: int) -> int:
    shifted = wrap(acc << max(shift, 0))
    return oracle_divide_by_pot(oracle_high_mul(shifted, mantissa), max(-shift, 0))


def oracle_double_up(acc: int, mantissa: int, shift: int) -> int:
    """The second step as NEON's rounding shift: add half, then shift."""
    high = oracle_high_mul(wrap(acc << max(shift, 0)), mantissa)
    return (high + (1 << -shift - 1)) >> -shift if shift < 0 else high


def oracle_single(acc: int, mantissa: int, shift: int) -> int:
    total = 31 - shift
    return (acc * mantissa + (1 << (total - 1))) >> total


def oracle_float_away64(acc: int, real: float) -> int:
    scaled = float(acc) * real
    whole = math.trunc(scaled)
    if abs(scaled - whole) >= 0.5:
        whole += 1 if scaled > 0 else -1
    return whole if INT32_MIN <= whole <= INT32_MAX else INT32_MIN


def oracle_float_even32(acc: int, real: float) -> int:
    """C: lrintf((float) acc * (float) real), by exact fractions."""
    product = np.float32(acc) * np.float32(real)
    return round(Fraction(float(product)))  # Python rounds half to even


# aarch64's, instruction by instruction.


def sat(x: int, bits: int) -> int:
    return min(max(x, -(2 ** (bits - 1))), 2 ** (bits - 1) - 1)


def sqdmulh(a: int, b: int) -> int:
    """The high half of the doubled product, cut."""
    return sat((2 * a * b) >> 32, 32)


def sqrdmulh(a: int, b: int) -> int:
    """The same, rounded."""
    return sat((2 * a * b + (1 << 31)) >> 32, 32)


def srshl(x: int, by: int) -> int:
    """A shift to the right by ``-by``, rounding ties up."""
    return (x + (1 << (-by - 1))) >> -by if by < 0 else wrap(x << by)


def sshl(x: int, by: int) -> int:
    return wrap(x << by) if by < 32 else 0


def oracle_ruy_neon(acc: int, mantissa: int, shift: int) -> int:
    """ruy: the exponent's part below -1 last, what is left of it before the product."""
    last = min(-1, shift)
    return srshl(sqdmulh(sshl(acc, shift - last), mantissa), last)


def oracle_double_up_late(acc: int, mantissa: int, shift: int) -> int:
    high = sqrdmulh(acc, mantissa)
    return sat(high << shift, 32) if shift > 0 else srshl(high, shift)


def float_bits(real: float) -> int:
    return int(np.float32(real).view(np.uint32))


def oracle_rndnu(acc: int, real: float, saturates: bool) -> int:
    """XNNPACK: ``xnn_init_qs8_conv_minmax_rndnu_neon_params``, then the kernel's three shifts."""
    bits = float_bits(real)
    mantissa = ((bits & 0x007FFFFF) | 0x00800000) << 7
    shift = 127 + 31 - 32 - (bits >> 23)
    post = max(shift, 1)
    pre = shift - post  # of vqshl: a negative one would shift right, and there is none
    x = acc << -pre
    return srshl(sqdmulh(sat(x, 32) if saturates else wrap(x), mantissa), -post)


def oracle_rndnu16(acc: int, real: float) -> int:
    fraction, exponent = math.frexp(float(np.float32(real)))
    q15 = (int(fraction * 2**24) + 2**8) >> 9
    if q15 == 2**15:
        q15, exponent = 2**14, exponent + 1
    x = sat(acc << exponent, 32) if exponent >= 0 else srshl(acc, exponent)
    return sat((2 * sat(x, 16) * q15 + 2**15) >> 16, 16)


def oracle_float_away64_saturating(acc: int, real: float) -> int:
    scaled = float(acc) * real
    whole = math.trunc(scaled)
    if abs(scaled - whole) >= 0.5:
        whole += 1 if scaled > 0 else -1
    return sat(whole, 32)


@given(int32s, reals)
@example(INT32_MAX, 0.5)
@example(2**30, 0.75)
@example(-(2**30) - 1, 0.75)
@example(3, 2.0**40)
@example(-(2**31), 2.0**-31)
def test_rules_of_aarch64(acc: int, real: float) -> None:
    m = Multiplier.of(real)
    mantissa, shift = int(m.mantissa), int(m.shift)
    values = np.array([acc], np.int64)
    assert RULES["ruy-neon"](values, m).item() == oracle_ruy_neon(acc, mantissa, shift)
    if shift < 31:
        late = oracle_double_up_late(acc, mantissa, shift)
        assert RULES["double-up-late"](values, m).item() == late
    if 2.0**-32 <= real < 256:  # what XNNPACK takes
        assert RULES["rndnu"](values, m).item() == oracle_rndnu(acc, real, saturates=True)
        assert RULES["rndnu-wrapping"](values, m).item() == oracle_rndnu(acc, real, False)
        assert RULES["rndnu16"](values, m).item() == oracle_rndnu16(acc, real)
    saturating = oracle_float_away64_saturating(acc, real)
    assert RULES["float-away64-saturating"](values, m).item() == saturating
    even = sat(oracle_float_even32(acc, real), 32)
    assert RULES["float-even32-kleidi"](values, m).item() == even


@given(int32s, st.floats(2.0**-31, 0.499))
def test_what_ruy_neon_and_rndnu_intend(acc: int, real: float) -> None:
    """One rounding, ties up, of the multiplier at hand: below a half, nothing is cut before."""
    m = Multiplier.of(real)
    exact = oracle_single(acc, int(m.mantissa), int(m.shift))
    assert RULES["ruy-neon"](np.int64(acc), m) == exact
    floored = math.floor(acc * Fraction(float(np.float32(real))) + Fraction(1, 2))
    assert RULES["rndnu"](np.int64(acc), m) == floored


@given(int32s, int32s)
def test_high_mul(a: int, b: int) -> None:
    assert high_mul(np.int64(a), np.int64(b)) == oracle_high_mul(a, b)


def test_high_mul_on_every_small_and_tied_product() -> None:
    small = [*range(-300, 300), *(k << 15 for k in range(-300, 300))]
    for b in (1 << 15, 3 << 14, (1 << 30) - 1, 1 << 30, 5):
        ours = high_mul(np.array(small, np.int64), b)
        assert ours.tolist() == [oracle_high_mul(a, b) for a in small]


@given(int32s, st.integers(0, 31))
def test_rounding_divide_by_pot(x: int, exponent: int) -> None:
    assert rounding_divide_by_pot(np.int64(x), exponent) == oracle_divide_by_pot(x, exponent)


@given(reals)
def test_quantize_multiplier(real: float) -> None:
    mantissa, shift = quantize_multiplier(np.float64(real))
    assert (int(mantissa), int(shift)) == oracle_quantize_multiplier(real)


@pytest.mark.parametrize("real", [0.0, 1 - 2.0**-33, 0.5, 1.0, 2.0**-32, 2.0**-33, 2.0**-31])
def test_quantize_multiplier_edges(real: float) -> None:
    mantissa, shift = quantize_multiplier(np.float64(real))
    assert (int(mantissa), int(shift)) == oracle_quantize_multiplier(real)


@given(int32s, reals)
def test_rules(acc: int, real: float) -> None:
    m = Multiplier.of(real)
    mantissa, shift = int(m.mantissa), int(m.shift)
    values = np.array([acc], np.int64)
    assert RULES["double"](values, m).item() == oracle_double(acc, mantissa, shift)
    assert RULES["double-up"](values, m).item() == oracle_double_up(acc, mantissa, shift)
    assert RULES["float-away64"](values, m).item() == oracle_float_away64(acc, real)
    even = oracle_float_even32(acc, real)
    assert RULES["float-even32"](values, m).item() == min(max(even, -(2**30)), 2**30)
    assert RULES["float-even32-wrapping"](values, m).item() == min(max(even, INT32_MIN), 2**30)
    if abs(acc * real) < 2**31:
        assert RULES["single"](values, m).item() == oracle_single(acc, mantissa, shift)


@pytest.mark.parametrize(
    ("name", "cuts", "up"),
    [
        ("neon8", (), [(0, 16), (20, 36), (40, 56)]),
        ("neon16", (), [(0, 16), (20, 36), (40, 56)]),
        ("neon16", (9,), []),
        ("neon8", (9,), [(0, 8), (9, 17), (20, 28), (29, 37), (40, 48), (49, 57)]),
        ("neon16-flat", (), [(0, 48)]),
    ],
)
def test_vector_rules_round_by_position(
    name: str, cuts: tuple[int, ...], up: list[tuple[int, int]]
) -> None:
    """Of 3 x 20 ties, those in the vector body go up to 0, the others away from zero to -1."""
    ties = np.full((3, 1, 20), -2, np.int32)
    multiplier = Multiplier.of(0.25)
    expected = np.full(60, -1)
    for start, stop in up:
        expected[start:stop] = 0
    accumulation = Accumulation(ties, multiplier, 0, -128, 127, np.dtype(np.int8), cuts)
    codes = requantize(accumulation, RULES[name])
    assert codes.shape == ties.shape
    assert codes.reshape(-1).tolist() == expected.tolist()
    if not cuts:
        whole = RULES[name](ties.astype(np.int64), multiplier)
        np.testing.assert_array_equal(whole, codes)


@given(st.floats(-1e6, 1e6) | st.integers(-1000, 1000).map(lambda n: n / 2))
def test_round_half_away(x: float) -> None:
    expected = math.copysign(math.floor(abs(x) + 0.5), x)
    if abs(x) + 0.5 != math.floor(abs(x)) + 1 or abs(x) % 1 == 0.5:  # abs(x) + 0.5 is exact
        assert round_half_away(np.float64(x)) == expected
    assert round_half_away(np.float64(0.49999999999999994)) == 0


@given(
    st.sampled_from(sorted(RULES)),
    st.lists(reals, min_size=1, max_size=5),
    st.integers(-128, 127),
    st.sampled_from([np.int32, np.int64, np.float32]),
    st.integers(0, 2**32 - 1),
)
def test_the_short_cut_never_changes_a_result(
    rule_name: str, real: list[float], zero_point: int, dtype: type, seed: int
) -> None:
    """requantize by a float32 product equals the rule applied to every element."""
    rule = RULES[rule_name]
    rng = np.random.default_rng(seed)
    multiplier = Multiplier.of(real if len(real) > 1 else real[0])
    # Accumulators around ties: half-integers divided by the multiplier, and neighbours.
    targets = rng.integers(-300, 300, (400, len(real))) + 0.5
    acc = np.round(targets / real) + rng.integers(-2, 3, targets.shape)
    limit = 2**24 if dtype is np.float32 else 2**31 - 1
    acc = np.clip(acc, -limit, limit).astype(dtype)
    ours = requantize(Accumulation(acc, multiplier, zero_point, -128, 127, np.dtype(np.int8)), rule)
    wide = rule(acc.astype(np.int64), multiplier) + zero_point
    expected = np.clip((wide + 2**31) % 2**32 - 2**31, -128, 127)
    np.testing.assert_array_equal(ours, expected)


def test_the_short_cut_on_products_that_float32_cannot_tell_from_a_tie() -> None:
    """Small multipliers put accumulators so near a tie that a float32 product lands on it."""
    rng = np.random.default_rng(1)
    for real in rng.uniform(2.0**-17, 2.0**-14, 200):
        multiplier = Multiplier.of(real)
        ties = (rng.integers(-128, 128, 200) + 0.5) / real
        acc = np.concatenate([np.floor(ties), np.ceil(ties)]).astype(np.int64)
        ours = requantize(
            Accumulation(acc, multiplier, 0, -128, 127, np.dtype(np.int8)), RULES["single"]
        )
        np.testing.assert_array_equal(ours, np.clip(RULES["single"](acc, multiplier), -128, 127))


def test_a_channel_count_that_does_not_divide_the_block() -> None:
    rng = np.random.default_rng(0)
    channels = 37
    acc = rng.integers(-50_000, 50_000, (3000, channels)).astype(np.int32)
    multiplier = Multiplier.of(rng.uniform(1e-4, 1e-2, channels))
    ours = requantize(
        Accumulation(acc, multiplier, 3, -128, 127, np.dtype(np.int8)), RULES["double"]
    )
    expected = [
        [
            np.clip(oracle_double(int(v), int(q), int(s)) + 3, -128, 127)
            for v, q, s in zip(row, multiplier.mantissa, multiplier.shift, strict=True)
        ]
        for row in acc[::100]
    ]
    np.testing.assert_array_equal(ours[::100], expected)
