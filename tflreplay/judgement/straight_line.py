"""Codes that are a straight line of real numbers, rounded to nearest: what no listed mistake gives.

A port that divides by another scale, adds another zero point, or prepares its values with another
mean and standard deviation makes such codes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tflreplay.ground.rounding import Array

_CODES = 10  # that must be seen of a line, so that it is more than chance
_FEW = 4  # channels, each with a line of its own
_STEPS = 100
_SLACK = 2.0**-10  # of a code, for a port that computes in float32


@dataclass(frozen=True)
class Line:
    """``code = round(slope * x + offset)``, clamped."""

    slope: float
    offset: float

    def __str__(self) -> str:
        sign = "-" if self.offset < 0 else "+"
        return f"{self.slope:.5g} * x {sign} {abs(self.offset):.4g}"


def lines(x: Array, codes: Array, low: int, high: int) -> tuple[Line, ...]:
    """The line that gives every code, or one for each of a few channels; empty where none does.

    Args:
        x: real numbers, of the shape of ``codes``, channels last.
        codes: integers from ``low`` to ``high``; those at the ends may have been clamped.
    """
    found = _line(x.reshape(-1), codes.reshape(-1), low, high)
    if found is not None:
        return (found,)
    if x.ndim < 2 or not 2 <= x.shape[-1] <= _FEW:
        return ()
    each = [_line(x[..., c].reshape(-1), codes[..., c].reshape(-1), low, high)
            for c in range(x.shape[-1])]  # fmt: skip
    return tuple(line for line in each if line is not None) if all(each) else ()


def _line(x: Array, codes: Array, low: int, high: int) -> Line | None:
    x, codes = x.astype(np.float64), codes.astype(np.float64)
    inside = (codes > low) & (codes < high)
    if len(np.unique(codes[inside])) < _CODES or not np.ptp(x[inside]) > 0:
        return None
    free, made = x[inside], codes[inside]

    def room(slope: float) -> tuple[float, float]:
        """Between which offsets every code that was not clamped comes out right."""
        rest = made - slope * free
        return float(rest.max()) - 0.5 - _SLACK, float(rest.min()) + 0.5 + _SLACK

    # The room is concave in the slope: the best one is found by thirds.
    middle = float(np.polyfit(free, made, 1)[0])
    around = 2 / float(np.ptp(free))
    left, right = middle - around, middle + around
    for _ in range(_STEPS):
        a, b = left + (right - left) / 3, right - (right - left) / 3
        if np.subtract(*room(a)) > np.subtract(*room(b)):
            left = a
        else:
            right = b
    slope = (left + right) / 2
    least, most = room(slope)
    if least > most:
        return None
    line = Line(slope, (least + most) / 2)
    ends = slope * x[~inside] + line.offset
    clamped = np.where(codes[~inside] <= low, ends - low, high - ends)
    return line if (clamped <= 0.5 + _SLACK).all() else None
