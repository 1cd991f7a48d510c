"""How two arrays differ: counts, by channel and by difference. They add.

A difference is ours minus theirs: +1 means the replay gave one code more than the runtime.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import chain
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


# In a sum, differences from here on are counted up to the next power of two, not one by one.
BINNED = 16


@dataclass(frozen=True)
class Channels:
    """The same counts for each channel: arrays of shape ``(channels,)``.

    ``total`` is the sum of the differences. In a sum of outputs that do not all have as many
    channels, a channel has the ``elements`` of those in which it is.
    """

    elements: Array
    mismatches: Array
    plus_one: Array
    minus_one: Array
    max_abs: Array
    total: Array

    def __len__(self) -> int:
        return self.mismatches.size

    @property
    def mean(self) -> Array:
        """float64; 0 where a channel has no element."""
        return np.divide(self.total, self.elements, np.zeros(len(self)), where=self.elements > 0)

    def __add__(self, other: Channels) -> Channels:
        left, right = (_padded(one, max(len(self), len(other))) for one in (self, other))
        return Channels(
            left.elements + right.elements,
            left.mismatches + right.mismatches,
            left.plus_one + right.plus_one,
            left.minus_one + right.minus_one,
            np.maximum(left.max_abs, right.max_abs),
            left.total + right.total,
        )


def _padded(channels: Channels, count: int) -> Channels:
    if len(channels) == count:
        return channels
    more = (0, count - len(channels))
    return Channels(*(np.pad(getattr(channels, one.name), more) for one in fields(Channels)))


@dataclass(frozen=True)
class Difference:
    """Ours minus theirs, of one tensor, or of several added up.

    ``total`` is the sum of the differences. ``close`` counts elements that are not bit-identical,
    but within ``tolerance`` of the largest magnitude, or where ``slack`` says how far each may be
    off, within that; they are no mismatches. Of ``signs`` of them only the sign of 0 or the bits of
    NaN differ; ``share`` is the largest part of its slack that one of the others takes.
    ``histogram`` counts elements by difference, 0 included; ``channel_histogram`` holds rows
    ``(channel, difference, count)`` for differences other than 0. Both are empty for floating-point
    tensors. In a sum, a difference from :data:`BINNED` on stands for those from it up to twice it,
    and there is no ``slack``.
    """

    elements: int
    mismatches: int
    plus_one: int
    minus_one: int
    max_abs: float
    total: float
    histogram: Mapping[int, int] = field(repr=False)
    channels: Channels = field(repr=False)
    channel_histogram: Array = field(repr=False)
    close: int = 0
    tolerance: float = 0.0
    signs: int = 0
    share: float = 0.0
    slack: Array | None = field(default=None, repr=False, compare=False)

    @property
    def mean(self) -> float:
        """Over all elements."""
        return self.total / self.elements if self.elements else 0.0

    @property
    def rate(self) -> float:
        return self.mismatches / self.elements if self.elements else 0.0

    @property
    def exact(self) -> bool:
        """True where nothing counts as a mismatch."""
        return self.mismatches == 0

    def __add__(self, other: Difference) -> Difference:
        histogram = Counter[int]()
        for difference, count in chain(self.histogram.items(), other.histogram.items()):
            histogram[_binned(difference)] += count
        return Difference(
            self.elements + other.elements,
            self.mismatches + other.mismatches,
            self.plus_one + other.plus_one,
            self.minus_one + other.minus_one,
            max(self.max_abs, other.max_abs),
            self.total + other.total,
            dict(sorted(histogram.items())),
            self.channels + other.channels,
            _merged(self.channel_histogram, other.channel_histogram),
            self.close + other.close,
            max(self.tolerance, other.tolerance),
            self.signs + other.signs,
            max(self.share, other.share),
        )


def _binned(difference: int) -> int:
    if abs(difference) < BINNED:
        return difference
    size = 1 << abs(difference).bit_length() - 1
    return size if difference > 0 else -size


def _merged(left: Array, right: Array) -> Array:
    """The counts of two channel histograms, each key once, in order."""
    rows = np.concatenate([left, right])
    if not len(rows):
        return rows
    differences, place = np.unique(rows[:, 1], return_inverse=True)
    rows[:, 1] = np.array([_binned(value) for value in differences.tolist()])[place]
    keys, place = np.unique(rows[:, :2], axis=0, return_inverse=True)
    counts = np.zeros(len(keys), np.int64)
    np.add.at(counts, place.reshape(-1), rows[:, 2])
    return np.column_stack([keys, counts])


def difference(
    ours: Array,
    theirs: Array,
    axis: int,
    tolerance: float = 0.0,
    slack: Callable[[], Array] | None = None,
) -> Difference:
    """Ours minus theirs, of two arrays of one shape and dtype; ``axis`` holds the channels.

    Floating-point values match where their bits do, or are 0 or NaN on both sides, or differ by no
    more than ``slack``, element by element. Without it, by no more than ``tolerance`` times the
    largest finite magnitude of ``theirs``. Their largest difference counts an infinity or NaN on
    one side only as infinite. Of complex numbers the difference is its magnitude.
    """
    channels = ours.shape[axis] if ours.ndim else 1
    per_channel = ours.size // channels if channels else 0
    if same_bits(ours, theirs).all():
        return _identical(ours, per_channel, channels)
    columns = (-1, channels)
    left = np.moveaxis(np.atleast_1d(ours), axis, -1).reshape(columns)
    right = np.moveaxis(np.atleast_1d(theirs), axis, -1).reshape(columns)
    if np.issubdtype(ours.dtype, np.inexact):
        if slack is None:
            return _floating_difference(left, right, tolerance, None)
        allowed = slack()
        off = np.moveaxis(np.atleast_1d(allowed), axis, -1).reshape(columns)
        return replace(_floating_difference(left, right, tolerance, off), slack=allowed)
    diff = left.astype(np.int64) - right.astype(np.int64)
    channel, value, count = _count(diff)

    def by_channel(weights: Array) -> Array:
        return np.bincount(channel, weights, channels).astype(np.int64)

    largest, total = np.zeros((2, channels), np.int64)
    np.maximum.at(largest, channel, np.abs(value))
    np.add.at(total, channel, count * value)
    table = Channels(
        np.full(channels, per_channel),
        by_channel(count * (value != 0)),
        by_channel(count * (value == 1)),
        by_channel(count * (value == -1)),
        largest,
        total,
    )
    values, place = np.unique(value, return_inverse=True)
    totals = np.bincount(place, count).astype(np.int64)
    histogram = dict(zip(values.tolist(), totals.tolist(), strict=True))
    rows = np.column_stack([channel, value, count])[value != 0]
    return _summary(diff, table, histogram, rows)


def _count(diff: Array) -> tuple[Array, Array, Array]:
    """Channels, differences and counts of ``diff``, of shape ``(elements, channels)``.

    Sorted by channel, then difference; only pairs that occur.
    """
    channels = diff.shape[1]
    low, high = int(diff.min()), int(diff.max())
    span = high - low + 1
    if span * channels > 4 * diff.size + 2**20:  # a table of all pairs would be mostly empty
        order = np.stack([np.broadcast_to(np.arange(channels), diff.shape), diff], axis=-1)
        pairs, counts = np.unique(order.reshape(-1, 2), axis=0, return_counts=True)
        return pairs[:, 0], pairs[:, 1], counts
    key = diff - low
    key += np.arange(channels) * span
    counts = np.bincount(key.reshape(-1), minlength=span * channels)
    (found,) = np.nonzero(counts)
    return found // span, found % span + low, counts[found]


def _floating_difference(
    left: Array, right: Array, tolerance: float, slack: Array | None
) -> Difference:
    diff, wrong = _floating(left, right, tolerance, slack)
    table = Channels(
        np.full(diff.shape[1], len(diff)),
        wrong.sum(axis=0),
        (wrong & (diff == 1)).sum(axis=0),
        (wrong & (diff == -1)).sum(axis=0),
        np.abs(diff).max(axis=0),
        diff.sum(axis=0),
    )
    found = _summary(diff, table, {}, np.empty((0, 3), np.int64))
    close = ~same_bits(left, right) & ~wrong
    apart = close & (diff != 0)
    share = 0.0 if slack is None else (np.abs(diff[apart]) / slack[apart]).max(initial=0)
    return replace(
        found,
        close=int(close.sum()),
        tolerance=tolerance,
        signs=int((close & ~apart).sum()),
        share=float(share),
    )


def _floating(
    ours: Array, theirs: Array, tolerance: float, slack: Array | None
) -> tuple[Array, Array]:
    unequal = ~same_bits(ours, theirs)
    wide = np.result_type(ours.dtype, np.float64)
    with np.errstate(invalid="ignore"):
        diff = ours.astype(wide) - theirs.astype(wide)
        if np.issubdtype(wide, np.complexfloating):
            diff = np.abs(diff)
    alike = ~unequal | (np.isnan(ours) & np.isnan(theirs))
    diff = np.where(alike, 0.0, np.nan_to_num(diff, nan=np.inf))
    largest = np.abs(theirs[np.isfinite(theirs)]).max(initial=0)
    allowed = tolerance * float(largest) if slack is None else slack
    return diff, unequal & ~(np.abs(diff) <= allowed)


def deviations(
    ours: Array, theirs: Array, tolerance: float = 0.0, slack: Array | None = None
) -> tuple[Array, Array]:
    """Ours minus theirs, and where that is a mismatch; as :func:`difference` has it.

    Returns:
        int64 or float64, and bool, both of the arrays' shape.
    """
    if np.issubdtype(ours.dtype, np.inexact):
        return _floating(ours, theirs, tolerance, slack)
    diff = ours.astype(np.int64) - theirs.astype(np.int64)
    return diff, diff != 0


def _summary(diff: Array, table: Channels, histogram: dict[int, int], rows: Array) -> Difference:
    return Difference(
        diff.size,
        int(table.mismatches.sum()),
        int(table.plus_one.sum()),
        int(table.minus_one.sum()),
        table.max_abs.max().item(),
        diff.sum().item(),
        histogram,
        table,
        rows,
    )


def same_bits(a: Array, b: Array) -> Array:
    """Where two arrays of one shape and dtype are bit-identical: bool, of their shape."""
    if np.issubdtype(a.dtype, np.complexfloating):
        return same_bits(a.real, b.real) & same_bits(a.imag, b.imag)
    return np.asarray(_bits(a) == _bits(b))


def _bits(array: Array) -> Array:
    """Floating-point values as the integers of their bits; others as they are."""
    if np.issubdtype(array.dtype, np.floating):
        return np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}")
    return array


def _identical(array: Array, per_channel: int, channels: int) -> Difference:
    zeros = np.zeros(channels, np.int64)
    zeros.flags.writeable = False
    table = Channels(np.full(channels, per_channel), zeros, zeros, zeros, zeros, zeros)
    integers = not np.issubdtype(array.dtype, np.inexact) and array.size
    rows = np.empty((0, 3), np.int64)
    histogram = {0: array.size} if integers else {}
    return Difference(array.size, 0, 0, 0, 0, 0, histogram, table, rows)
