"""How strong the evidence is: elements that tell candidates apart, each counted once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tflreplay.ground.rounding import Accumulation, Array

# Fewer telling elements than this are no ground to be sure on: some 500 candidates are tried, and
# an element of two possible codes agrees with a wrong one every other time.
STRONG = 10
# Of telling elements so many are looked at, all over the output.
_COUNTED = 4096


@dataclass(frozen=True)
class Evidence:
    """``keys`` says of each element what it depends on: two of one key are one piece of evidence.

    ``inside`` is where the output is not at an end of its range: there any large value would do.
    Where ``numbered``, keys are less than so many.
    """

    keys: Array
    inside: Array
    numbered: int = 0

    def count(self, where: Array) -> int:
        """The independent, unsaturated ones among these elements, of many as many as are seen."""
        return self.different(where & self.inside)

    def different(self, where: Array) -> int:
        """The independent ones among these elements, saturated or not."""
        if self.numbered:
            return int(np.count_nonzero(np.bincount(self.keys[where], minlength=self.numbered)))
        found = np.flatnonzero(where)
        if len(found) > _COUNTED:
            found = found[:: len(found) // _COUNTED]
        return int(np.unique(self.keys.reshape(-1)[found]).size)

    def of(self, lines: Array) -> Evidence:
        """The same of some lines only."""
        keys = in_lines(self.keys)[lines]
        found, numbers = np.unique(keys, return_inverse=True)
        return Evidence(numbers.reshape(keys.shape), in_lines(self.inside)[lines], found.size)


def evidence(
    produced: Array, sums: Accumulation | None, arrays: Sequence[Array | None]
) -> Evidence:
    """What the elements of ``produced`` depend on: a sum, or else the inputs' codes."""
    info = np.iinfo(produced.dtype) if produced.dtype.kind in "iu" else None
    of_others = (-np.inf, np.inf) if produced.dtype.kind == "f" else (0, 1)
    low, high = (info.min, info.max) if info else of_others
    if sums is not None and sums.values.size == produced.size:
        low, high = max(low, sums.low), min(high, sums.high)
        keys = sums.values.reshape(produced.shape).astype(np.int64)
        if sums.multiplier.real.ndim:
            channels = produced.shape[-1]
            keys = keys * channels + np.arange(channels)
    else:
        keys = _of_inputs(produced, arrays)
    return Evidence(keys, (produced != low) & (produced != high))


def _of_inputs(produced: Array, arrays: Sequence[Array | None]) -> Array:
    given = [array for array in arrays if array is not None]
    try:
        if not given or np.broadcast_shapes(*(array.shape for array in given)) != produced.shape:
            raise ValueError
    except ValueError:  # an output is no function of one element of each input
        return np.arange(produced.size).reshape(produced.shape)
    keys = np.zeros(produced.shape, np.int64)
    for array in given:
        codes = np.unique(array, return_inverse=True)[1].reshape(array.shape)
        keys = keys * (int(codes.max(initial=0)) + 1) + codes
    return keys


def in_lines(values: Array) -> Array:
    """Of shape ``(lines, channels)``."""
    values = np.atleast_1d(values)
    return values.reshape(-1, values.shape[-1])
