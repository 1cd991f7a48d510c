"""One step of a ledger: an exact number, and the integer that it is rounded to."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np


@dataclass(frozen=True)
class Step:
    """``formula`` is exactly ``exact``; rounded to an integer it is ``result``.

    ``stored`` is what is rounded, where a floating-point type of ``precision`` holds another number
    than the exact one. ``how`` says where a tie goes, or what else decided the result. ``label``
    names the result where it is a stage of an algorithm.
    """

    formula: str
    exact: Fraction
    result: int
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


def rounded(label: str, formula: str, exact: Fraction, how: str) -> Step:
    """``how``: one of :data:`TIES`, :data:`DOWN` or :data:`TRUNCATED`."""
    return Step(formula, exact, (ROUND | _CUT)[how](exact), how, label=label)


def in_float32(total: int, m: np.float32, z: np.float32, how: str) -> Iterator[Step]:
    """``total * m + z``, each operation rounded to float32, and then to an integer."""
    held = np.float32(total)
    if int(held) != total:
        yield Step(f"{total} as float32", Fraction(total), int(held), "24 bits are kept")
    exact = Fraction(float(held)) * Fraction(float(m)) + Fraction(float(z))
    stored = Fraction(float(held * m + z))
    formula = f"{int(held)} * {float(m)!r} + {float(z)!r}"
    step = Step(formula, exact, ROUND[how](stored), how)
    if stored != exact:
        step = replace(step, stored=stored, precision="float32, product and sum")
    yield step


def saturated(label: str, formula: str, value: int, low: int, high: int) -> Step:
    """An integer in a register that holds ``low`` .. ``high``."""
    result = min(max(value, low), high)
    how = "" if result == value else f"limited to {result}"
    return Step(formula, Fraction(value), result, how, label=label)
