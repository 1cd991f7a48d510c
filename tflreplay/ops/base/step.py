"""One step of a ledger: an exact number, and the integer or float that it is rounded to."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from tflreplay.ground.fixed_point import divide_by_any_pot
from tflreplay.ground.functions import multiply_add
from tflreplay.ground.rounding import INT32_MAX


@dataclass(frozen=True)
class Step:
    """``formula`` is exactly ``exact``; rounded it is ``result``, an integer.

    Inside of a ledger it may be a float, as a floating-point type holds it.

    ``stored`` is what is rounded, where a floating-point type of ``precision`` holds another number
    than the exact one. ``how`` says where a tie goes, or what else decided the result. ``label``
    names the result where it is a stage of an algorithm.
    """

    formula: str
    exact: Fraction
    result: Any
    how: str = ""
    stored: Fraction | None = None
    precision: str = ""
    label: str = ""

    @property
    def tie(self) -> bool:
        return (self.exact if self.stored is None else self.stored).denominator == 2


def up(x: Fraction) -> int:
    return math.floor(x + Fraction(1, 2))


def away(x: Fraction) -> int:
    return up(x) if x >= 0 else -up(-x)


UP, AWAY, EVEN = "up", "away from zero", "to even"  # where ties go
TIES = (UP, AWAY, EVEN)
ROUND: dict[str, Callable[[Fraction], int]] = {UP: up, AWAY: away, EVEN: round}
DOWN, TRUNCATED = "down", "toward zero"  # where everything goes
_CUT: dict[str, Callable[[Fraction], int]] = {DOWN: math.floor, TRUNCATED: math.trunc}


_NEWTON = "Newton's steps in fixed point"


def rounded(label: str, formula: str, exact: Fraction, how: str) -> Step:
    """``how``: one of :data:`TIES`, :data:`DOWN` or :data:`TRUNCATED`."""
    return Step(formula, exact, (ROUND | _CUT)[how](exact), how, label=label)


def in_type(label: str, formula: str, exact: Fraction, number: np.floating[Any]) -> Step:
    """``number`` is what its floating-point type holds of the exact value."""
    held = float(number)
    how = "" if exact == held else f"in {number.dtype.name}"
    return Step(formula, exact, held, how, label=label)


def given(label: str, formula: str, value: float) -> Step:
    """A number that a table or a function of the C library gives."""
    return Step(formula, Fraction(value), value, label=label)


def times(label: str, a: np.floating[Any], b: np.floating[Any]) -> Step:
    exact = Fraction(float(a)) * Fraction(float(b))
    return in_type(label, f"{float(a)!r} * {float(b)!r}", exact, a * b)


def over(label: str, a: np.floating[Any], b: np.floating[Any]) -> Step:
    exact = Fraction(float(a)) / Fraction(float(b))
    return in_type(label, f"{float(a)!r} / {float(b)!r}", exact, a / b)


def plus(label: str, a: np.floating[Any], b: np.floating[Any]) -> Step:
    exact = Fraction(float(a)) + Fraction(float(b))
    return in_type(label, f"{float(a)!r} + {float(b)!r}", exact, a + b)


def to_integer(label: str, number: np.floating[Any], how: str) -> Step:
    """``how``: as of :func:`rounded`."""
    return rounded(label, repr(float(number)), Fraction(float(number)), how)


def multiplied(label: str, a: int, b: int) -> Step:
    """``SaturatingRoundingDoublingHighMul`` of two int32."""
    step = rounded(label, f"{a} * {b} / 2**31", Fraction(a * b, 2**31), UP)
    return step if step.result <= INT32_MAX else replace(step, result=INT32_MAX)


def shifted(label: str, value: int, right: int, how: str) -> Step:
    """``value / 2**right``; ``how``: as of :func:`rounded`."""
    return rounded(label, f"{value} / 2**{right}", Fraction(value, 2**right), how)


def by_any_pot(label: str, value: int, right: int) -> Step:
    """As :func:`shifted`, ties away from zero; what the kernel makes of other shifts than 0 .. 31.

    :func:`~tflreplay.ground.fixed_point.divide_by_any_pot` says what that is.
    """
    if 0 <= right < 32:
        return shifted(label, value, right, AWAY)
    result = int(divide_by_any_pot(np.asarray(value), np.asarray(right)))
    exact = Fraction(value) / Fraction(2) ** right
    return Step(f"{value} / 2**{right}", exact, result, "no shift of 32 bits", label=label)


def inverse(label: str, value: int, mantissa: int, exponent: int) -> Step:
    """What :func:`~tflreplay.ground.fixed_point.reciprocal` gives of a positive number."""
    exact = Fraction(2 ** (31 + exponent), value)
    return Step(f"2**{31 + exponent} / {value}", exact, mantissa, _NEWTON, label=label)


def inverse_root(value: int, mantissa: int, shift: int) -> Step:
    """What :func:`~tflreplay.ground.fixed_point.inverse_square_root` gives; of 0 as of 1."""
    exact = Fraction(2.0 ** (31 - shift) / math.sqrt(max(value, 1)))
    return Step(f"2**{31 - shift} / sqrt({value})", exact, mantissa, _NEWTON, label="root")


def wrapping(label: str, formula: str, value: int, bits: int = 32) -> Step:
    """An integer in a register of ``bits``."""
    half = 1 << (bits - 1)
    result = (value + half) % (2 * half) - half
    how = "" if result == value else f"wraps to {bits} bits"
    return Step(formula, Fraction(value), result, how, label=label)


def doubled(label: str, acc: int, mantissa: int, shift: int, ties: str = AWAY) -> Iterator[Step]:
    """The rule ``double`` on one accumulator; ``ties`` says where those of the shift go."""
    if shift > 0:
        yield (left := wrapping(label, f"{acc} * 2**{shift}", acc << shift))
        acc = left.result
    yield (high := multiplied(label, acc, mantissa))
    if shift < 0:
        yield shifted(label, high.result, -shift, ties)


def in_float32(
    total: int, m: np.float32, z: np.float32, how: str, fused: bool = False
) -> Iterator[Step]:
    """``total * m + z``, each operation rounded to float32, and then to an integer.

    Where ``fused``, product and sum are rounded together.
    """
    held = np.float32(total)
    if int(held) != total:
        yield Step(f"{total} as float32", Fraction(total), int(held), "24 bits are kept")
    exact = Fraction(float(held)) * Fraction(float(m)) + Fraction(float(z))
    stored = Fraction(float(multiply_add(held, m, z, fused)))
    formula = f"{int(held)} * {float(m)!r} + {float(z)!r}"
    step = Step(formula, exact, ROUND[how](stored), how)
    if stored != exact:
        step = replace(
            step, stored=stored, precision="float32" if fused else "float32, product and sum"
        )
    yield step


def saturated(label: str, formula: str, value: int, low: int, high: int) -> Step:
    """An integer in a register that holds ``low`` .. ``high``."""
    result = min(max(value, low), high)
    how = "" if result == value else f"limited to {result}"
    return Step(formula, Fraction(value), result, how, label=label)
