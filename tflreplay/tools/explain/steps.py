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
from tflreplay.ops.base.step import (
    AWAY,
    DOWN,
    EVEN,
    ROUND,
    UP,
    Step,
    doubled,
    rounded,
    saturated,
    shifted,
    up,
    wrapping,
)

# What ports compute that write the high-mul in Python.
_floored = floored_high_mul(RULES["double"])
assert _floored is not None
FLOORED = replace(_floored, name="double with floor instead of truncate in the high-mul")

Scalar = tuple[float, int, int]  # a multiplier's real value, mantissa and shift
_INT16, _INT32 = (-(2**15), 2**15 - 1), (INT32_MIN, INT32_MAX)
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


def _wrapped_left(x: int, bits: int) -> Step:
    return wrapping("", f"{x} * 2**{bits}", x << bits)


def _saturated_left(x: int, bits: int) -> Step:
    return saturated("", f"{x} * 2**{bits}", x * 2**bits, *_INT32)


def _shifted_late(acc: int, m: Scalar) -> list[Step]:
    """What is shifted to the left is the product, and it saturates."""
    _, mantissa, shift = m
    steps = _high_mul_then_shift(acc, (m[0], mantissa, min(shift, 0)), UP)
    if shift > 0:
        steps.append(_saturated_left(steps[-1].result, shift))
    return steps


def _ruy_neon(acc: int, m: Scalar) -> list[Step]:
    _, mantissa, shift = m
    right = max(-shift, 1)
    steps = []
    if left := shift + right:
        steps.append(_wrapped_left(acc, left))
        acc = steps[-1].result
    return [*steps, *_cut_then_rounded(acc, mantissa, 31, right)]


def _cut_then_rounded(x: int, mantissa: int, bits: int, right: int) -> list[Step]:
    high = rounded("", f"{x} * {mantissa} / 2**{bits}", Fraction(x * mantissa, 2**bits), DOWN)
    return [high, shifted("", high.result, right, UP)]


def _rndnu(acc: int, m: Scalar, wraps: bool = False) -> list[Step]:
    """``wraps``: what is shifted to the left keeps its low 32 bits, else it saturates."""
    mantissa, exponent = _as_float32(m, 24)
    right = max(-exponent, 1)
    steps = [mantissa]
    if left := exponent + right:
        steps.append((_wrapped_left if wraps else _saturated_left)(acc, left))
        acc = steps[-1].result
    return [*steps, *_cut_then_rounded(acc, mantissa.result, 24, right)]


def _rndnu16(acc: int, m: Scalar) -> list[Step]:
    mantissa, exponent = _as_float32(m, 15)
    steps = [mantissa]
    if exponent > 0:
        steps.append(_saturated_left(acc, exponent))
    elif exponent < 0:
        steps.append(shifted("", acc, -exponent, UP))
    x = steps[-1].result if exponent else acc
    narrow = saturated("", f"{x} in 16 bits", x, *_INT16)
    if narrow.how:
        steps.append(narrow)
    product = Fraction(narrow.result * mantissa.result, 2**15)
    last = rounded("", f"{narrow.result} * {mantissa.result} / 2**15", product, UP)
    if last.result > _INT16[1]:
        last = replace(last, result=_INT16[1], how=f"limited to {_INT16[1]}")
    return [*steps, last]


def _as_float32(m: Scalar, bits: int) -> tuple[Step, int]:
    """The mantissa of the float32 multiplier in so many bits, and the exponent: m / 2**bits * 2**e.

    A mantissa that is rounded up to ``2**bits`` is halved.
    """
    real = float(np.float32(m[0]))
    exponent = math.frexp(real)[1]
    if up(Fraction(real) * Fraction(2) ** (bits - exponent)) == 2**bits:
        exponent += 1
    exact = Fraction(real) * Fraction(2) ** (bits - exponent)
    return rounded("", f"{real!r} * 2**{bits - exponent}", exact, UP), exponent


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


def _reduced16_wrapping(acc: int, m: Scalar) -> list[Step]:
    """As :func:`_reduced16` while 31 bits hold the result; else what is left of it."""
    (reduced, last), shift = _reduced16(acc, m), 14 - m[2]
    if -(2**30) <= last.result < 2**30:
        return [reduced, last]
    kept = wrapping("", f"{acc} * {reduced.result} >> {shift}", (acc * reduced.result) >> shift)
    more = wrapping("", f"{kept.result} + 1", kept.result + 1)
    return [reduced, kept, more, rounded("", f"{more.result} / 2", Fraction(more.result, 2), DOWN)]


def _float64(acc: int, m: Scalar, ties: str) -> list[Step]:
    return [_rounded_float(acc, np.float64(m[0]), ties, -(2**30), 2**30)]


def _away64(acc: int, m: Scalar) -> list[Step]:
    step = _rounded_float(acc, np.float64(m[0]), AWAY, INT32_MIN, INT32_MAX)
    if step.how != AWAY:
        step = replace(step, result=INT32_MIN, how="outside int32, which x86 converts so")
    return [step]


def _float32(acc: int, m: Scalar, ties: str, low: int = -(2**30), high: int = 2**30) -> list[Step]:
    narrow = int(np.float32(acc))
    steps = []
    if narrow != acc:
        steps.append(Step(f"{acc} as float32", Fraction(acc), narrow, "24 bits are kept"))
    return [*steps, _rounded_float(narrow, np.float32(m[0]), ties, low, high)]


def _rounded_float(acc: int, real: Real, ties: str, low: int, high: int) -> Step:
    """The product in the type of ``real``, rounded and then limited.

    Ties that go up do so by adding a half in that type.
    """
    number = type(real)
    product = number(acc) * real
    exact, stored = acc * Fraction(float(real)), Fraction(float(product))
    if ties == UP:
        nearest = math.floor(product + number(0.5))
        how = UP if nearest == up(stored) else "x + 0.5 is rounded up too"
    else:
        nearest, how = ROUND[ties](stored), ties
    limited = min(max(nearest, low), high)
    if limited != nearest:
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
    rounding.double_up_late: _shifted_late,
    rounding.ruy_neon: _ruy_neon,
    rounding.rndnu: _rndnu,
    rounding.rndnu_wrapping: lambda acc, m: _rndnu(acc, m, wraps=True),
    rounding.rndnu16: _rndnu16,
    rounding.reduced16: _reduced16,
    rounding.reduced16_wrapping: _reduced16_wrapping,
    rounding.float_away64_saturating: lambda acc, m: [
        _rounded_float(acc, np.float64(m[0]), AWAY, *_INT32)
    ],
    rounding.float_away64: _away64,
    rounding.float_even64: lambda acc, m: _float64(acc, m, EVEN),
    rounding.float_up64: lambda acc, m: _float64(acc, m, UP),
    rounding.float_away32: lambda acc, m: _float32(acc, m, AWAY),
    rounding.float_even32: lambda acc, m: _float32(acc, m, EVEN),
    rounding.float_even32_wrapping: lambda acc, m: _float32(acc, m, EVEN, INT32_MIN),
    rounding.float_even32_kleidi: lambda acc, m: _float32(acc, m, EVEN, *_INT32),
    rounding.float_up32: lambda acc, m: _float32(acc, m, UP),
}
# The largest shift, and the width of accumulators, for which a rule is defined.
_MOST_SHIFT: dict[Apply, int] = {rounding.reduced16: 14, rounding.reduced16_wrapping: 14}
WIDEST = 48  # of what an int64 register holds, ``MultiplyByQuantizedMultiplier`` takes no more
_MOST_BITS: dict[Apply, int] = {
    rounding.double: 32,
    rounding.double_up: 32,
    rounding.double_up_late: 32,
    rounding.single: 32,
    rounding.single_away: 32,
    rounding.ruy_neon: 32,
    rounding.rndnu: 32,
    rounding.rndnu_wrapping: 32,
    rounding.rndnu16: 32,
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
