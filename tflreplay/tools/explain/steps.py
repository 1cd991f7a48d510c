"""Each requantization rule on one accumulator, in exact Python numbers, step by step.

:mod:`tflreplay.ground.rounding` computes the same on whole arrays; :func:`steps_of` refuses to
give steps that end elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np

from tflreplay.ground import rounding
from tflreplay.ground.errors import NotReplayed, TflreplayError
from tflreplay.ground.rounding import INT32_MAX, INT32_MIN, RULES, Array, Multiplier, Rule
from tflreplay.judgement.diagnosis.broken_rules import floored_high_mul
from tflreplay.ops.base.step import AWAY, EVEN, ROUND, UP, Step, doubled, shifted, up

# What ports compute that write the high-mul in Python.
_floored = floored_high_mul(RULES["double"])
assert _floored is not None
FLOORED = replace(_floored, name="double with floor instead of truncate in the high-mul")

Scalar = tuple[float, int, int]  # a multiplier's real value, mantissa and shift
Real = np.float64 | np.float32
Apply = Callable[[Array, Multiplier], Array]


def _high_mul_then_shift(acc: int, m: Scalar, second: str) -> list[Step]:
    return list(doubled("", acc, m[1], m[2], second))


def _floored_high_mul(acc: int, m: Scalar) -> list[Step]:
    """``double`` with the nudge of C++ for a negative product, but not its division toward zero."""
    steps, (_, mantissa, shift) = _high_mul_then_shift(acc, m, AWAY), m
    first = 1 if shift > 0 else 0
    if first:
        acc = steps[0].result
    product = acc * mantissa
    if product >= 0:
        return steps
    nudged = Fraction(product + 1 - 2**30, 2**31)
    high = math.floor(nudged)
    steps[first] = Step(f"({acc} * {mantissa} + 1 - 2**30) / 2**31", nudged, high, "floor")
    if shift < 0:
        steps[first + 1] = shifted("", high, -shift, AWAY)
    return steps


def _one_shift(acc: int, m: Scalar, ties: str) -> list[Step]:
    _, mantissa, shift = m
    value = Fraction(acc * mantissa, 2 ** (31 - shift))
    return [Step(f"{acc} * {mantissa} / 2**{31 - shift}", value, ROUND[ties](value), ties)]


def _reduced16(acc: int, m: Scalar) -> list[Step]:
    _, mantissa, shift = m
    cut = Fraction(mantissa, 2**16)
    reduced = min(up(cut), 0x7FFF)
    value = Fraction(acc * reduced, 2 ** (15 - shift))
    return [
        Step(f"{mantissa} / 2**16", cut, reduced, UP if reduced == up(cut) else "at most 32767"),
        Step(f"{acc} * {reduced} / 2**{15 - shift}", value, up(value), UP),
    ]


def _float64(acc: int, m: Scalar, ties: str) -> list[Step]:
    return [_rounded_float(acc, np.float64(m[0]), ties, -(2**30), 2**30)]


def _away64(acc: int, m: Scalar) -> list[Step]:
    step = _rounded_float(acc, np.float64(m[0]), AWAY, INT32_MIN, INT32_MAX)
    if step.how != AWAY:
        step = replace(step, result=INT32_MIN, how="outside int32, which x86 converts so")
    return [step]


def _float32(acc: int, m: Scalar, ties: str, low: int = -(2**30)) -> list[Step]:
    narrow = int(np.float32(acc))
    steps = []
    if narrow != acc:
        steps.append(Step(f"{acc} as float32", Fraction(acc), narrow, "24 bits are kept"))
    return [*steps, _rounded_float(narrow, np.float32(m[0]), ties, low, 2**30)]


def _rounded_float(acc: int, real: Real, ties: str, low: int, high: int) -> Step:
    """The product in the type of ``real``, rounded and then limited.

    Ties that go up do so by adding a half in that type.
    """
    number = type(real)
    product = number(acc) * real
    exact, stored = acc * Fraction(float(real)), Fraction(float(product))
    if ties == UP:
        rounded = math.floor(product + number(0.5))
        how = UP if rounded == up(stored) else "x + 0.5 is rounded up too"
    else:
        rounded, how = ROUND[ties](stored), ties
    limited = min(max(rounded, low), high)
    if limited != rounded:
        how = f"limited to {limited}"
    formula = f"{acc} * {float(real)!r}"
    changed = None if stored == exact else stored
    return Step(formula, exact, limited, how, changed, "" if changed is None else number.__name__)


_STEPS: dict[Apply, Callable[[int, Scalar], list[Step]]] = {
    rounding.double: lambda acc, m: _high_mul_then_shift(acc, m, AWAY),
    rounding.double_up: lambda acc, m: _high_mul_then_shift(acc, m, UP),
    FLOORED.apply: _floored_high_mul,
    rounding.single: lambda acc, m: _one_shift(acc, m, UP),
    rounding.single_away: lambda acc, m: _one_shift(acc, m, AWAY),
    rounding.reduced16: _reduced16,
    rounding.float_away64: _away64,
    rounding.float_even64: lambda acc, m: _float64(acc, m, EVEN),
    rounding.float_up64: lambda acc, m: _float64(acc, m, UP),
    rounding.float_away32: lambda acc, m: _float32(acc, m, AWAY),
    rounding.float_even32: lambda acc, m: _float32(acc, m, EVEN),
    rounding.float_even32_wrapping: lambda acc, m: _float32(acc, m, EVEN, INT32_MIN),
    rounding.float_up32: lambda acc, m: _float32(acc, m, UP),
}
# The largest shift, and the width of accumulators, for which a rule is defined.
_MOST_SHIFT: dict[Apply, int] = {rounding.reduced16: 14}
WIDEST = 48  # of what an int64 register holds, ``MultiplyByQuantizedMultiplier`` takes no more
_MOST_BITS: dict[Apply, int] = {
    rounding.double: 32,
    rounding.double_up: 32,
    rounding.single: 32,
    rounding.single_away: 32,
    FLOORED.apply: 32,
}


def most_bits(rule: Rule) -> int:
    """How wide an accumulator the rule is defined for."""
    return _MOST_BITS.get(rule.apply, WIDEST)


def steps_of(rule: Rule, acc: int, multiplier: Multiplier) -> tuple[tuple[Step, ...], int]:
    """The steps of ``rule`` on one accumulator, and what it rounds to.

    Args:
        rule: one that does not depend on where a value stands (no VectorRule). Of a rule that is
            not known here there are no steps, only the result.
        multiplier: of shape ``()``.

    Raises:
        NotReplayed: the rule is not defined for so large a multiplier or accumulator.
        TflreplayError: the steps do not end in the rule's own result: a bug.
    """
    shift = int(multiplier.shift)
    most = _MOST_SHIFT.get(rule.apply, 30)
    if shift > most:
        raise NotReplayed(f"{rule.name} is not defined for a multiplier of 2**{most} or more")
    bits = most_bits(rule)
    if not -(2 ** (bits - 1)) <= acc < 2 ** (bits - 1):
        raise NotReplayed(f"{rule.name} is not defined for an accumulator of more than {bits} bits")
    expected = int(rule.apply(np.array([acc], np.int64), multiplier)[0])
    steps = _STEPS.get(rule.apply)
    if steps is None:
        return (), expected
    found = tuple(steps(acc, (float(multiplier.real), int(multiplier.mantissa), shift)))
    if found[-1].result != expected:
        raise TflreplayError(
            f"the steps of {rule.name} on {acc} * {float(multiplier.real)!r} end in "
            f"{found[-1].result}, the rule in {expected}; please report this as a bug of tflreplay"
        )
    return found, expected
