"""Where in an output the wrong elements lie, if they lie in one place."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tflreplay.ground.rounding import Array

_AXES = {4: ("batch", "row", "column", "channel"), 3: ("row", "column", "channel")}
_PLURAL = {"batch": "batches"}
_TAILS = (16, 8, 4)


@dataclass(frozen=True)
class Box:
    """The smallest box that holds all wrong elements; ``ranges`` are (first, last) by axis."""

    shape: tuple[int, ...]
    ranges: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, wrong: Array) -> Box | None:
        """None where nothing is wrong."""
        if not wrong.any():
            return None
        found = []
        for axis in range(wrong.ndim):
            others = tuple(other for other in range(wrong.ndim) if other != axis)
            places = np.flatnonzero(wrong.any(axis=others))
            found.append((int(places[0]), int(places[-1])))
        return cls(wrong.shape, tuple(found))

    @property
    def slices(self) -> tuple[slice, ...]:
        return tuple(slice(first, last + 1) for first, last in self.ranges)

    @property
    def share(self) -> float:
        """Of the output."""
        pairs = zip(self.ranges, self.shape, strict=True)
        return math.prod((last - first + 1) / size for (first, last), size in pairs)

    @property
    def mask(self) -> Array:
        inside = np.zeros(self.shape, bool)
        inside[self.slices] = True
        return inside

    @property
    def text(self) -> str:
        """In words; empty of an output whose axes have no names."""
        axes = _AXES.get(len(self.shape)) or ("row", "channel")[-len(self.shape) :]
        if len(axes) != len(self.shape):
            return ""
        named = zip(axes, self.ranges, self.shape, strict=True)
        return ", ".join(_words([(name, *ends, size) for name, ends, size in named]))


def place(wrong: Array) -> str:
    """The box that holds all wrong elements, in words; empty where that is most of the output."""
    box = Box.of(wrong)
    return box.text if box is not None and box.share <= 0.5 else ""


def _words(ranges: list[tuple[str, int, int, int]]) -> Iterator[str]:
    for name, first, last, size in ranges:
        if (first, last) == (0, size - 1):
            continue
        if first == last:
            which = {0: "the first ", size - 1: "the last "}.get(first, "")
            yield f"{which}{name} {first}" if not which else f"{which}{name} ({first})"
            continue
        text = f"{_PLURAL.get(name, name + 's')} {first} to {last}"
        tail = next((n for n in _TAILS if first == size // n * n and last == size - 1), 0)
        yield f"{text}, past the last multiple of {tail}" if tail else text
