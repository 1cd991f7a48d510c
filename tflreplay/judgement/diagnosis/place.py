"""Where in an output the wrong elements lie, if they lie in one place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from tflreplay.ground.rounding import Array

_AXES = {4: ("batch", "row", "column", "channel"), 3: ("row", "column", "channel")}
_PLURAL = {"batch": "batches"}
_TAILS = (16, 8, 4)
_LANES = (2, 3, 4, 8, 16)
Range = tuple[int, int]
# A range in words: of its name, first, last and the size of the axis.
_In = Callable[[str, int, int, int], str]


@dataclass(frozen=True)
class Box:
    """A place in an output; ``ranges`` are (first, last) by axis.

    ``lane`` is (every, of): only each such channel is of it, or (0, 1). ``flat`` says that the axes
    do not matter: ``ranges`` is then of the elements as they lie in memory.
    """

    shape: tuple[int, ...]
    ranges: tuple[Range, ...]
    lane: tuple[int, int] = (0, 1)
    flat: bool = False

    @classmethod
    def of(cls, wrong: Array) -> Box | None:
        """The smallest place that holds all wrong elements; None where nothing is wrong.

        A box, where no other place is far smaller.
        """
        if not wrong.any():
            return None
        return min(cls._around(wrong), key=lambda box: box.share / (1 + box.is_box))

    @classmethod
    def _around(cls, wrong: Array) -> Iterator[Box]:
        found = [
            _ends(np.moveaxis(wrong, axis, 0).reshape(size, -1).max(axis=1))
            for axis, size in enumerate(wrong.shape)
        ]
        box = cls(wrong.shape, tuple(found))
        yield box
        yield cls(wrong.shape, (_ends(wrong.reshape(-1)),), flat=True)
        if wrong.ndim:
            first, last = found[-1]
            (channels,) = np.nonzero(wrong.reshape(-1, wrong.shape[-1]).any(axis=0))
            for every in _LANES:
                lanes = set((channels % every).tolist())
                if len(lanes) == 1 and last - first >= every and 2 * every <= wrong.shape[-1]:
                    whole = (*box.ranges[:-1], (0, wrong.shape[-1] - 1))
                    yield replace(box, ranges=whole, lane=(lanes.pop(), every))

    @cached_property
    def mask(self) -> Array:
        inside = np.zeros(self.shape, bool)
        if self.flat:
            ((first, last),) = self.ranges
            inside.reshape(-1)[first : last + 1] = True
        else:
            start, every = self.lane
            inside[self.slices][..., start::every] = True
        return inside

    @property
    def slices(self) -> tuple[slice, ...]:
        """Of a box."""
        return tuple(slice(first, last + 1) for first, last in self.ranges)

    @property
    def is_box(self) -> bool:
        return not self.flat and self.lane[1] == 1

    @property
    def share(self) -> float:
        """Of the output."""
        return float(self.mask.mean())

    @property
    def text(self) -> str:
        """In words; empty of an output whose axes have no names."""
        return ", ".join(self._words(_words))

    @property
    def kinds(self) -> tuple[str, ...]:
        """In words that are true of outputs of other sizes, in several ways."""
        ways: list[_In] = [_edges, *(partial(_past, multiple) for multiple in _TAILS)]
        found = (", ".join(self._words(words)) for words in ways)
        return tuple(dict.fromkeys(filter(None, found)))

    def _words(self, words: _In) -> Iterator[str]:
        if self.flat:
            yield words("element", *self.ranges[0], int(np.prod(self.shape)))
            return
        axes = _AXES.get(len(self.shape)) or ("row", "channel")[-len(self.shape) :]
        if len(axes) != len(self.shape):
            return
        for name, (first, last), size in zip(axes, self.ranges, self.shape, strict=True):
            if (first, last) != (0, size - 1):
                yield words(name, first, last, size)
        start, every = self.lane
        if every > 1:
            yield f"each channel that is {start} modulo {every}"


def place(wrong: Array) -> str:
    """The box that holds all wrong elements, in words; empty where that is most of the output."""
    box = Box.of(wrong)
    return box.text if box is not None and box.share <= 0.5 else ""


def _ends(where: Array) -> Range:
    (found,) = np.nonzero(where)
    return int(found[0]), int(found[-1])


def _words(name: str, first: int, last: int, size: int) -> str:
    if first == last:
        which = {0: "the first ", size - 1: "the last "}.get(first, "")
        return f"{which}{name} ({first})" if which else f"{name} {first}"
    text = f"{_several(name)} {first} to {last}"
    # The largest vector that leaves these over.
    tail = next((n for n in _TAILS if first == size // n * n and last == size - 1), 0)
    return f"{text}, past the last multiple of {tail}" if tail else text


def _past(multiple: int, name: str, first: int, last: int, size: int) -> str:
    if first == size // multiple * multiple and last == size - 1:
        return f"{_several(name)} past the last multiple of {multiple}"
    return _edges(name, first, last, size)


def _edges(name: str, first: int, last: int, size: int) -> str:
    which = "the first" if first == 0 else "the last" if last == size - 1 else "some"
    return f"{which} {name if first == last and which != 'some' else _several(name)}"


def _several(name: str) -> str:
    return _PLURAL.get(name, f"{name}s")
