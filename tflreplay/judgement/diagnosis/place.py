"""Where in an output the wrong elements lie, if they lie in one place."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflreplay.ground.rounding import Array

_AXES = {4: ("batch", "row", "column", "channel"), 3: ("row", "column", "channel")}
_PLURAL = {"batch": "batches"}
_TAILS = (16, 8, 4)


def place(wrong: Array) -> str:
    """The box that holds all wrong elements, in words; empty where that is most of the output."""
    axes = _AXES.get(wrong.ndim) or ("row", "channel")[-wrong.ndim :]
    if len(axes) != wrong.ndim or not wrong.any():
        return ""
    ranges = []
    for axis, name in enumerate(axes):
        others = tuple(other for other in range(wrong.ndim) if other != axis)
        found = np.flatnonzero(wrong.any(axis=others))
        ranges.append((name, int(found[0]), int(found[-1]), wrong.shape[axis]))
    inside = np.prod([(last - first + 1) / size for _, first, last, size in ranges])
    if inside > 0.5:
        return ""
    return ", ".join(_words(ranges))


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
