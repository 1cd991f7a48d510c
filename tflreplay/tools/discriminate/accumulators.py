"""Accumulators on which requantization rules differ: they all lie next to a rounding boundary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tflreplay.ground.rounding import RULES, Accumulation, Array, requantize

# How far around a boundary accumulators are tried, in accumulator units and in codes.
_NEAR, _SLACK = 2, 2.0**-7
_MOST = 65536  # accumulators tried in a channel


@dataclass(frozen=True)
class Accumulators:
    """Accumulators on which candidates differ: int64 ``channels`` and ``values``, of one length.

    ``codes`` holds what each candidate makes of them. ``tried`` counts those looked at.
    """

    channels: Array
    values: Array
    codes: Mapping[str, Array]
    tried: int

    def __len__(self) -> int:
        return self.values.size


def telling(sums: Mapping[str, tuple[Accumulation, str]], reach: Array) -> Accumulators:
    """The accumulators near a rounding boundary of some channel on which candidates differ.

    Args:
        sums: for each candidate what it accumulates, of one shape, and the name of its rule.
        reach: the lowest and highest accumulator of each channel: int64 ``(channels, 2)``.
    """
    first = next(iter(sums.values()))[0]
    columns = [
        _boundaries(first, float(real), low, high)
        for real, (low, high) in zip(
            np.broadcast_to(first.multiplier.real, len(reach)), reach.tolist(), strict=True
        )
    ]
    length = max((column.size for column in columns), default=0)
    # A table with a column for each channel, so that rules that look at the position see theirs.
    table = np.zeros((length, len(columns)), np.int64)
    real = np.zeros(table.shape, bool)
    for channel, column in enumerate(columns):
        table[: column.size, channel] = column
        real[: column.size, channel] = True
    codes = {
        name: requantize(
            Accumulation(table, a.multiplier, a.zero_point, a.low, a.high, a.dtype), RULES[rule]
        )
        for name, (a, rule) in sums.items()
    }
    everyone = np.stack(list(codes.values()))
    differ = real & (everyone != everyone[0]).any(axis=0)
    rows, channels = np.nonzero(differ)
    return Accumulators(
        channels,
        table[rows, channels],
        {name: code[rows, channels] for name, code in codes.items()},
        int(real.sum()),
    )


def _boundaries(a: Accumulation, real: float, low: int, high: int) -> Array:
    """Accumulators between ``low`` and ``high`` close to where the output code changes."""
    if real <= 0:
        return np.empty(0, np.int64)
    codes = np.arange(a.low - 1, a.high + 1) - a.zero_point
    centres = np.floor((codes + 0.5) / real)
    around = min(int(_SLACK / real) + _NEAR, max(_MOST // codes.size // 2, 1))
    values = (centres[:, np.newaxis] + np.arange(-around, around + 2)).ravel()
    values = values[(values >= low) & (values <= high)]
    return np.unique(values.astype(np.int64))
