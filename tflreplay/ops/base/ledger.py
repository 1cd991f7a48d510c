"""In which ways an output element's accumulator can be told term by term."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from tflreplay.ground.rounding import Multiplier
from tflreplay.ops.base.step import Step


@dataclass(frozen=True)
class Factor:
    """One code less its zero point, or as it is where ``zero_point`` is None.

    ``where`` is its index in the tensor.
    """

    symbol: str
    where: tuple[int, ...]
    code: int
    zero_point: int | None

    @property
    def value(self) -> int:
        return self.code - (self.zero_point or 0)


@dataclass(frozen=True)
class Term:
    """The product of factors and of an integer that all terms of its tensor share."""

    factors: tuple[Factor, ...]
    times: int = 1

    @property
    def value(self) -> int:
        return math.prod(factor.value for factor in self.factors) * self.times


def wrapped(value: int, bits: int | None) -> int:
    """What a register of ``bits`` makes of an integer; None holds all."""
    if bits is None:
        return value
    half = 1 << (bits - 1)
    return (value + half) % (2 * half) - half


@dataclass(frozen=True)
class Sum:
    """``largest`` + the sum of ``others`` more terms + bias, in a register of ``bits``.

    ``padding`` of the ``taps`` lie outside of the input; they add nothing.
    """

    formula: str
    taps: int
    padding: int
    largest: tuple[Term, ...]
    others: int
    rest: int
    bias: int | None
    notes: tuple[str, ...] = ()
    bits: int = 32

    @property
    def total(self) -> int:
        return sum(term.value for term in self.largest) + self.rest + (self.bias or 0)

    @property
    def accumulator(self) -> int:
        """``total``, wrapped around where the register cannot hold it."""
        return wrapped(self.total, self.bits)


# Called with a call, the arrays of its inputs, an index into the output and the output's shape.
Summing = Callable[..., Sum]


@dataclass(frozen=True)
class Terms:
    """The accumulator is the sum that ``of`` gives."""

    of: Summing


@dataclass(frozen=True)
class RescaledInputs:
    """Both inputs are brought to a common scale by the rule itself, and the second one added.

    Or subtracted, where ``sign`` is -1; what it comes to is then ``squared``. The ratios of scales
    are of the type ``number``.
    """

    sign: int
    number: type[np.float32 | np.float64] = np.float64
    squared: bool = False


@dataclass(frozen=True)
class Slopes:
    """``of`` gives what the rule rescales: by one multiplier of codes from the zero point on, and
    by ``slope`` times as much below.

    Both are computed in ``number``. A negative one is applied by its magnitude, the result negated,
    unless ``signed``. The first factor of what is rescaled is the input code.
    """

    of: Summing
    slope: Callable[..., float | np.float32]
    number: type[np.float32 | np.float64] = np.float32
    signed: bool = False


@dataclass(frozen=True)
class Quotient:
    """The sum that ``of`` gives, divided by the number of its terms, ties away from zero."""

    of: Summing


@dataclass(frozen=True)
class Staged:
    """From an input code, or from a sum of such, to an output code in stages.

    ``multipliers`` are those of the stages, each with how it is computed. ``zero_point`` is the
    output's, where the last stage holds it already; else it is added in a register of ``bits``,
    or where nothing wraps, if None.
    ``exact`` is the result before any rounding, in output codes less the zero point, and its
    formula; None where no fraction is known. ``note`` says what else holds for this element.
    """

    multipliers: tuple[tuple[str, Multiplier], ...]
    steps: tuple[Step, ...]
    sum: Sum | None = None
    zero_point: int | None = None
    bits: int | None = 32
    exact: tuple[str, Fraction] | None = None
    note: str = ""


@dataclass(frozen=True)
class Stages:
    """The kernel requantizes in stages of its own, which ``of`` gives; called like a sum."""

    of: Callable[..., Staged]


Ledger = Terms | RescaledInputs | Slopes | Quotient | Stages
# Those of kernels that apply the rule themselves.
BY_RULE = (RescaledInputs, Slopes)
