"""What a ledger of one output element is made of: numbers, and how they follow from each other.

Scales are named as the arithmetic tables name them: ``si`` and ``zi`` of a single input, ``s1``,
``z1``, ``s2`` and ``z2`` of two (the second one may be the weights), ``so`` and ``zo`` of the
output.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from tflreplay.ground.engine import Engine
from tflreplay.ground.rounding import Multiplier
from tflreplay.ops.base.ledger import Factor, Sum
from tflreplay.ops.base.step import Step


@dataclass(frozen=True)
class Parameters:
    """One tensor that takes part: ``scale`` and ``zero_point`` as the model has them.

    ``number`` is the suffix of both in formulas. Of a tensor quantized per axis, these are the ones
    of ``channel``. None where the tensor is not quantized.
    """

    role: str
    number: str
    tensor: int | None
    name: str
    dtype: str
    scale: float | None
    zero_point: int | None
    channel: int | None = None


@dataclass(frozen=True)
class Scaling:
    """A real multiplier and its Q31 form: ``mantissa * 2**(shift - 31)``. ``how`` computed."""

    how: str
    real: float
    mantissa: int
    shift: int

    @classmethod
    def of(cls, how: str, multiplier: Multiplier) -> Scaling:
        """``multiplier`` is of shape ``()``."""
        m = multiplier
        return cls(how, float(m.real), int(m.mantissa), int(m.shift))


@dataclass(frozen=True)
class Rescaled:
    """An input of ADD or SUB on the common scale.

    ``steps`` lead from ``factor.value * 2**left_shift`` to ``result``; ``sign`` is 1 or -1.
    """

    factor: Factor
    left_shift: int
    sign: int
    scaling: Scaling
    steps: tuple[Step, ...]
    result: int

    @property
    def value(self) -> int:
        return self.sign * self.result


@dataclass(frozen=True)
class Real:
    """What one code stands for, and a function of it in real numbers, computed in float64.

    ``value`` is ``function`` of ``real``; ``real`` is ``formula``.
    """

    factor: Factor | None
    formula: str
    real: float
    function: str
    value: float


@dataclass(frozen=True)
class Outcome:
    """The code that one arithmetic gives.

    ``steps`` lead from the accumulator to ``rounded``; they are empty where this arithmetic is an
    algorithm, or a rule of unknown steps. Those of an algorithm told in stages begin at the input
    code, and ``multipliers`` are what it multiplies by. ``negated`` says that the rule rounds the
    product without the multiplier's sign. ``zero_point`` is then added, in a register of ``bits``,
    and the result cut to ``low`` .. ``high``; ``inner_zero_point`` is one that ``rounded`` holds
    already. ``exact`` is what the stages of this element come to without rounding. ``stored`` is
    the type in which that stands for another code. ``squared`` says that the accumulator is the
    square of what ``inputs`` come to. All these are None or empty for an algorithm that is not
    told.
    """

    name: str
    note: str
    code: int | float
    sum: Sum | None = None
    inputs: tuple[Rescaled, ...] = ()
    scaling: Scaling | None = None
    steps: tuple[Step, ...] = ()
    negated: bool = False
    rounded: int | None = None
    zero_point: int | None = None
    low: int | None = None
    high: int | None = None
    multipliers: tuple[Scaling, ...] = ()
    bits: int | None = 32
    squared: bool = False
    stored: str = ""
    inner_zero_point: int = 0
    exact: Exact | None = None

    @property
    def accumulator(self) -> int | None:
        """What the rule rounds the product of; None for an algorithm."""
        if self.inputs:
            total = sum(part.value for part in self.inputs)
            return total**2 if self.squared else total
        return None if self.sum is None else self.sum.accumulator

    @property
    def unclamped(self) -> int | None:
        return None if self.rounded is None else self.rounded + (self.zero_point or 0)


@dataclass(frozen=True)
class Exact:
    """The result before any rounding, in output codes less the zero point."""

    formula: str
    value: Fraction

    @property
    def tie(self) -> Fraction:
        """The nearest number halfway between two integers."""
        return math.floor(self.value) + Fraction(1, 2)

    @property
    def distance(self) -> Fraction:
        """How far above the tie it lies; negative below."""
        return self.value - self.tie


@dataclass(frozen=True)
class Place:
    """Which element this is. ``channel`` is its index along the axis that ``channel_axis`` is."""

    model: str
    op_index: int
    op: str
    index: tuple[int, ...]
    shape: tuple[int, ...]
    channel: int


@dataclass(frozen=True)
class Explanation:
    """One output element, step by step, under every arithmetic that is tried.

    Args:
        place: None for a number that comes from no model.
        engine: whose arithmetic the first of ``outcomes`` is; None where none is in force.
        outcomes: the arithmetic in force first, then the others.
        real: for an op that is a function of real numbers, that function; else None.
        exact: None for an output that is not quantized.
        theirs: the engine's own value; None where it is not known.
        source: where ``theirs`` comes from.
    """

    place: Place | None
    engine: Engine | None
    parameters: tuple[Parameters, ...]
    outcomes: tuple[Outcome, ...]
    real: Real | None
    exact: Exact | None
    theirs: int | float | None = None
    source: str = ""
    notes: tuple[str, ...] = ()

    @property
    def ours(self) -> Outcome | None:
        """The arithmetic in force."""
        return self.outcomes[0] if self.engine is not None else None

    @property
    def reproducing(self) -> tuple[Outcome, ...]:
        """The outcomes that give the engine's value."""
        return tuple(o for o in self.outcomes if self.theirs is not None and o.code == self.theirs)
