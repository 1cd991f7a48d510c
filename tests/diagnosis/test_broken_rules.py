"""Broken rules against literal transcriptions, in Python integers, of what ports write."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from tests.test_rounding import c_divide, oracle_divide_by_pot, oracle_high_mul, wrap
from tflreplay.ground.rounding import RULES, Multiplier, Rule, quantize_multiplier
from tflreplay.judgement.diagnosis import broken_rules

Oracle = Callable[[int, int, int], int]


def floored_high_mul(a: int, b: int) -> int:
    product = a * b
    nudge = 1 << 30 if product >= 0 else 1 - (1 << 30)
    return (product + nudge) // (1 << 31)


def double(high_mul: Callable[[int, int], int], divide: Callable[[int, int], int]) -> Oracle:
    def oracle(acc: int, mantissa: int, shift: int) -> int:
        return divide(high_mul(wrap(acc << max(shift, 0)), mantissa), max(-shift, 0))

    return oracle


def late(acc: int, mantissa: int, shift: int) -> int:
    high = oracle_high_mul(acc, mantissa) * 2 ** max(shift, 0)
    return oracle_divide_by_pot(high, max(-shift, 0))


ORACLES: list[tuple[Callable[[Rule], Rule | None], str, Oracle]] = [
    (broken_rules.floored_high_mul, "double", double(floored_high_mul, oracle_divide_by_pot)),
    (
        broken_rules.no_nudge,
        "double",
        double(lambda a, b: (a * b) // 2**31, oracle_divide_by_pot),
    ),
    (
        broken_rules.no_nudge_truncated,
        "double",
        double(lambda a, b: c_divide(a * b, 2**31), oracle_divide_by_pot),
    ),
    (
        broken_rules.arithmetic_shift,
        "double",
        double(oracle_high_mul, lambda x, bits: math.floor(Fraction(x, 2**bits))),
    ),
    (
        broken_rules.truncating_shift,
        "double",
        double(oracle_high_mul, lambda x, bits: c_divide(x, 2**bits)),
    ),
    (
        broken_rules.arithmetic_shift,
        "single",
        lambda acc, mantissa, shift: math.floor(Fraction(acc * mantissa, 2 ** (31 - shift))),
    ),
    (
        broken_rules.truncating_shift,
        "single",
        lambda acc, mantissa, shift: c_divide(acc * mantissa, 2 ** (31 - shift)),
    ),
    (broken_rules.late_left_shift, "double", late),
]


def cases() -> tuple[np.ndarray, Multiplier]:
    """Accumulators of every size and sign, and at ties; shifts both ways."""
    rng = np.random.default_rng(0)
    acc = rng.integers(-(2**31), 2**31, 4000) >> rng.integers(0, 31, 4000)
    mantissa = rng.integers(2**30, 2**31, 4000)
    mantissa[::3] = 2**30
    mantissa[1::3] = 3 << 29
    shift = rng.integers(-18, 4, 4000)
    acc[shift > 0] >>= 3  # nothing is shifted out of the register
    return acc, Multiplier(np.ldexp(mantissa.astype(np.float64), shift - 31), mantissa, shift)


@pytest.mark.parametrize(
    ("broken", "name", "oracle"), ORACLES, ids=lambda value: getattr(value, "__name__", value)
)
def test_as_written(broken: Callable[[Rule], Rule | None], name: str, oracle: Oracle) -> None:
    rule = broken(RULES[name])
    assert rule is not None
    assert rule.name == name
    acc, m = cases()
    ours = rule(acc, m).tolist()
    triples = zip(acc.tolist(), m.mantissa.tolist(), m.shift.tolist(), strict=True)
    assert ours == [oracle(*triple) for triple in triples]
    assert ours != RULES[name](acc, m).tolist()


def test_per_channel_multipliers() -> None:
    acc = np.arange(-5000, 5000).reshape(-1, 4)
    m = Multiplier.of([0.011, 0.5, 3.0, 2.0**-9])
    for broken, name, _ in ORACLES:
        rule = broken(RULES[name])
        assert rule is not None
        apart = [rule(acc[:, c], Multiplier.of(m.real[c])) for c in range(4)]
        np.testing.assert_array_equal(rule(acc, m), np.stack(apart, axis=1))


@pytest.mark.parametrize(
    ("broken", "names"),
    [
        (broken_rules.floored_high_mul, {"double"}),
        (broken_rules.no_nudge, {"double"}),
        (broken_rules.no_nudge_truncated, {"double"}),
        (broken_rules.arithmetic_shift, {"double", "single"}),
        (broken_rules.truncating_shift, {"double", "single"}),
        (broken_rules.late_left_shift, {"double"}),
        (
            broken_rules.half_even_mantissa,
            {"double", "double-up", "single", "single-away", "reduced16"},
        ),
        (broken_rules.truncated_product, {"float-away64", "float-even32"}),
        (broken_rules.floored_product, {"float-away64", "float-even32"}),
        (broken_rules.float32_multiplier, set(RULES)),
    ],
)
def test_where_a_mistake_can_be_made(
    broken: Callable[[Rule], Rule | None], names: set[str]
) -> None:
    assert {name for name, rule in RULES.items() if broken(rule) is not None} == names


def test_half_even_changes_a_tied_mantissa_only() -> None:
    tied = (2**31 - 2**20 + 0.5) / 2**31  # the mantissa below is even
    odd = (2**31 - 2**20 + 1.5) / 2**31  # the mantissa above is
    m = Multiplier.of([tied, odd, tied + 2**-50])
    rule = broken_rules.half_even_mantissa(RULES["single"])
    assert rule is not None
    even = [round(real * 2**31) for real in m.real.tolist()]
    assert (np.array(even) - m.mantissa).tolist() == [-1, 0, 0]
    assert rule(np.full(3, 2**31), m).tolist() == even


def test_half_even_leaves_a_folded_mantissa_alone() -> None:
    """MEAN divides the mantissa by the count: what it then is was not rounded by anyone."""
    mantissa, shift = quantize_multiplier(np.float64(0.3))
    m = Multiplier(np.float64(0.3 / 7), np.asarray((mantissa << 2) // 7), np.asarray(shift - 2))
    rule = broken_rules.half_even_mantissa(RULES["double"])
    assert rule is not None
    acc = np.arange(-3000, 3000)
    np.testing.assert_array_equal(rule(acc, m), RULES["double"](acc, m))


def test_float32_multiplier() -> None:
    real = 0.1
    rule = broken_rules.float32_multiplier(RULES["single"])
    assert rule is not None
    mantissa = round(float(np.float32(real)) * 2**34)
    acc = np.array([2**27 + 5, -(2**27) - 5])
    assert rule(acc, Multiplier.of(real)).tolist() == [
        (a * mantissa + 2**33) >> 34 for a in acc.tolist()
    ]


@pytest.mark.parametrize(("name", "dtype"), [("float-away64", float), ("float-even32", np.float32)])
def test_products_not_rounded(name: str, dtype: Callable[[float], float]) -> None:
    acc, real = np.arange(-4000, 4000, 7), 0.0173
    products = [Fraction(float(dtype(a) * dtype(real))) for a in acc.tolist()]
    for broken, cut in (
        (broken_rules.truncated_product, math.trunc),
        (broken_rules.floored_product, math.floor),
    ):
        rule = broken(RULES[name])
        assert rule is not None
        assert rule(acc, Multiplier.of(real)).tolist() == list(map(cut, products))
