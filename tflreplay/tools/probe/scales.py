"""Scales that make a multiplier of ``p / (2 * w)``, as near as float32 numbers make it.

With *exact* scales it is that number; with *inexact* ones it lies next to it, on one side for all
engines. Between these are scales on which engines part by the precision that they compute in: for
one the product lies above a tie, for another below or on it. These are looked for.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tflreplay.ground.rounding import Array

UNIT = 2.0**-6
# p and w of the ops that have one multiplier, and those for which parting scales are looked for.
HALVES = ((1, 1), (1, 2), (1, 3), (3, 4), (1, 5), (3, 5), (1, 6), (3, 7), (5, 9), (5, 11), (3, 14))
_PARTED = ((1, 3), (3, 4), (3, 5), (3, 7), (5, 11))
_DRAWN = 20_000


@dataclass(frozen=True)
class Multiplier:
    """``first / out`` or ``first * second / out`` is ``p / (2 * w)``; all scales are float32."""

    p: int
    w: int
    first: np.float32
    second: np.float32
    out: np.float32


def ratios(
    rng: np.random.Generator, halves: Sequence[tuple[int, int]] = HALVES
) -> Iterator[Multiplier]:
    """Of ops with one input: ``second`` is 1."""
    for p, w in halves:
        for first in (15 * UNIT, inexact(rng)):
            yield _made(p, w, np.float32(first), np.float32(1))
    for p, w in _PARTED:
        yield from _parting(p, w, _drawn(rng), np.ones(_DRAWN, np.float32))


def products(
    rng: np.random.Generator, halves: Sequence[tuple[int, int]] = HALVES
) -> Iterator[Multiplier]:
    """Of ops with two inputs."""
    for p, w in halves:
        for first in (np.float32(15 * UNIT), np.float32(inexact(rng))):
            yield _made(p, w, first, np.float32(first * 5 / 16))
    for p, w in _PARTED:
        yield from _parting(p, w, _drawn(rng), _drawn(rng) * np.float32(5 / 16))


def reduced(rng: np.random.Generator) -> Iterator[Multiplier]:
    """Of ops with two inputs: about 1/2, such that multipliers of 16 bits, too, show the precision
    in which they were computed. Large outputs of 16 bits differ by them.
    """
    first, second = _drawn(rng), _drawn(rng) * np.float32(5 / 16)
    out = (first * second * rng.uniform(1.9, 2.1, _DRAWN)).astype(np.float32)
    cut = [np.rint(np.frexp(real)[0] * 2.0**15) for real in _reals(first, second, out)]
    for best in _few(np.array([a != b for a, b in itertools.combinations(cut, 2)])):
        yield Multiplier(1, 1, first[best], second[best], out[best])


def quotient(scale: Any, p: int, w: int) -> np.float32:
    """The output scale that makes ``scale / out`` the multiplier ``p / (2 * w)``."""
    return np.float32(float(scale) * 2 * w / p)


def inexact(rng: np.random.Generator) -> float:
    return float(rng.uniform(0.01, 0.02))


def _made(p: int, w: int, first: np.float32, second: np.float32) -> Multiplier:
    return Multiplier(p, w, first, second, quotient(float(first) * float(second), p, w))


def _drawn(rng: np.random.Generator) -> Array:
    return rng.uniform(0.01, 0.02, _DRAWN).astype(np.float32)


def _parting(p: int, w: int, first: Array, second: Array) -> Iterator[Multiplier]:
    """A few of the scales, such that any two precisions that part on some part on one of these.

    They part where one product is below the tie and the other is not, which tells where ties go
    away from zero; and where one is above it, for ties that go up or to even.
    """
    out = (first.astype(np.float64) * second * 2 * w / p).astype(np.float32)
    tie = p / 2
    pairs = list(itertools.combinations(_products(w, first, second, out), 2))
    below = [(a < tie) != (b < tie) for a, b in pairs]
    above = [(a > tie) != (b > tie) for a, b in pairs]
    apart = np.array(below + above)
    for best in _few(apart):
        yield Multiplier(p, w, first[best], second[best], out[best])


def _few(apart: Array) -> Iterator[int]:
    """Columns such that each row that is anywhere true is true in one of them."""
    while apart.size and (best := int(apart.sum(axis=0).argmax())) >= 0 and apart[:, best].any():
        yield best
        apart = apart[~apart[:, best]]


def _reals(first: Array, second: Array, out: Array) -> tuple[Array, ...]:
    """The multiplier, in float64, as engines compute it."""
    real = first.astype(np.float64) * second / out
    product = (first * second).astype(np.float64) / out
    single = (first * second / out).astype(np.float64)
    return real, product, single


def _products(w: int, first: Array, second: Array, out: Array) -> Iterator[Array]:
    """w times the multiplier, as engines compute both: near ``p / 2``, a tie."""
    for each in _reals(first, second, out):
        mantissa, exponent = np.frexp(each)
        yield w * each
        yield w * np.ldexp(np.rint(mantissa * 2.0**31), exponent - 31)
        rounded = np.float32(w) * each.astype(np.float32)
        yield rounded.astype(np.float64)
        # As adding a half in float32 has it, which may round to the next whole number.
        yield (rounded + np.float32(0.5)).astype(np.float64) - 0.5
