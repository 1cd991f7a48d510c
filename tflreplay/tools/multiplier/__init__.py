"""Multipliers without a model: of scales in every convention, and what two integers stand for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from tflreplay.ground.conventions import CONVENTIONS, Convention
from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import InputError
from tflreplay.ground.rounding import Multiplier
from tflreplay.ops import card
from tflreplay.tools.multiplier.operator import Scales, operator_of
from tflreplay.tools.rules import LayerRules, rulesheet

__all__ = ["Fit", "Multipliers", "Reading", "Scales", "Stated", "of_real", "of_scales", "read"]


@dataclass(frozen=True)
class Written:
    """Two integers of a convention. It may not take the shift; ``held`` says whether it does."""

    convention: Convention
    multiplier: int
    shift: int

    @property
    def held(self) -> bool:
        return self.convention.holds(self.multiplier, self.shift)

    @property
    def value(self) -> Fraction:
        """What they stand for."""
        return self.convention.real(self.multiplier, self.shift)


@dataclass(frozen=True)
class Stated:
    """One real multiplier. ``of``: a channel, an input, the output; empty of an op's only one.

    ``left_shift`` is by how much the kernel shifts the codes before, as ADD does.
    """

    of: str
    real: float
    written: tuple[Written, ...]
    left_shift: int = 0


@dataclass(frozen=True)
class Fit:
    """A reading beside a real multiplier, which it is ``times`` as large as.

    ``own`` of the very integers that the convention has for it; ``near`` where the multiplier given
    is, at its shift, the nearest integer or the next one below.
    """

    of: str
    own: bool
    near: bool
    times: float


@dataclass(frozen=True)
class Reading:
    """Two given integers as one convention reads them; ``fits`` is empty without scales."""

    written: Written
    normalised: bool
    fits: tuple[Fit, ...]


@dataclass(frozen=True)
class Multipliers:
    """What was asked: multipliers in every convention, two integers read in each, or both.

    ``layer`` holds the parameters of the op, and ``engine`` whose they are; None without scales.
    """

    stated: tuple[Stated, ...] = ()
    engine: Engine | None = None
    layer: LayerRules | None = None
    readings: tuple[Reading, ...] = ()


def of_scales(scales: Scales, engine: Engine, op: str | None, dtype: str = "int8") -> Multipliers:
    """The op's multipliers as the engine computes them, in every convention.

    They are those of the rule sheet of the op's smallest operator, and so of the engine's own row.

    Args:
        op: which op is asked; None is a convolution, of scales with weights.
        dtype: the type of activations: int8, uint8 or int16.

    Raises:
        InputError: an op that cannot be asked, or has other scales; a scale that is none, or a zero
            point that is none; or the engine has no arithmetic for the op.
    """
    model = operator_of(scales, op, dtype)
    (layer,) = rulesheet(model, {}, engine)
    if layer.reason:
        raise InputError(
            f"{layer.op.name} on {dtype}: {layer.reason}; give another --op, --type or --engine"
        )
    return Multipliers(tuple(_stated(layer)), engine, layer)


def _stated(layer: LayerRules) -> Iterator[Stated]:
    """What the kernel itself rescales by, and what its sums are requantized by."""
    known, found = card(layer.op.name), layer.requantization
    for position, (of, multiplier) in enumerate(zip(known.rescales, layer.rescales, strict=False)):
        left_shift = 0
        if known.left_shift is not None and position < len(known.operands):
            assert layer.inputs[0] is not None
            left_shift = known.left_shift(layer.inputs[0])
        yield _in_each(of, multiplier, left_shift)
    if found is None:
        return
    reals = found.multiplier.real.reshape(-1)
    for channel in range(reals.size):
        one = "output" if layer.rescales else ""
        of = f"channel {channel}" if reals.size > 1 else one
        yield _in_each(
            of,
            Multiplier(
                *(
                    array.reshape(-1)[channel]
                    for array in (
                        found.multiplier.real,
                        found.multiplier.mantissa,
                        found.multiplier.shift,
                    )
                )
            ),
        )


def of_real(real: float) -> Multipliers:
    """A real multiplier in every convention.

    Raises:
        InputError: it is not above 0, or not finite.
    """
    if not 0 < real < np.inf:
        raise InputError(f"--real-multiplier {real!r}: give a number above 0")
    return Multipliers((_in_each("", Multiplier.of(real)),))


def _in_each(of: str, multiplier: Multiplier, left_shift: int = 0) -> Stated:
    """``multiplier`` is of shape ``()``."""
    written = (
        Written(convention, *(int(number) for number in convention.of(multiplier)))
        for convention in CONVENTIONS
    )
    return Stated(of, float(multiplier.real), tuple(written), left_shift)


def read(multiplier: int, shift: int, beside: Multipliers) -> Multipliers:
    """What two integers stand for in each convention, and which of ``beside`` they fit.

    Raises:
        InputError: an integer that no convention has.
    """
    if not 0 < multiplier < 2**31:
        raise InputError(f"--multiplier {multiplier}: give an integer from 1 to {2**31 - 1}")
    if not -64 < shift < 64:
        raise InputError(f"--shift {shift}: give an integer from -63 to 63")
    readings = tuple(
        Reading(
            written := Written(convention, multiplier, shift),
            convention.normalised(multiplier),
            tuple(_fits(written, beside.stated)),
        )
        for convention in CONVENTIONS
    )
    return Multipliers(beside.stated, beside.engine, beside.layer, readings)


def _fits(read: Written, stated: Sequence[Stated]) -> Iterator[Fit]:
    for one in stated:
        real = Fraction(one.real)
        unit = read.value / read.multiplier
        below = real / unit - read.multiplier
        yield Fit(
            one.of,
            read in one.written,
            Fraction(-1, 2) <= below < 1,
            float(read.value / real),
        )
