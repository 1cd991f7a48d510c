"""Compare two sources of tensors, layer by layer and channel by channel.

A difference is ours minus theirs: +1 means the replay gave one code more than the runtime.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from tflreplay.ground import notebook
from tflreplay.ground.words import shape_text
from tflreplay.model import HANDLES, Model, Operator, Tensor
from tflreplay.replayer.loop import Replay

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Channels:
    """The same counts for each channel: arrays of shape ``(channels,)``.

    ``elements`` is the number of elements in each channel.
    """

    elements: int
    mismatches: Array
    plus_one: Array
    minus_one: Array
    max_abs: Array
    mean: Array

    def __len__(self) -> int:
        return self.mismatches.size


@dataclass(frozen=True)
class Difference:
    """Ours minus theirs, of one tensor.

    ``mean`` is over all elements. ``close`` counts elements that are not bit-identical, but within
    ``tolerance`` of the largest magnitude; they are no mismatches. ``histogram`` counts elements by
    difference, 0 included; ``channel_histogram`` holds rows ``(channel, difference, count)`` for
    differences other than 0. Both are empty for floating-point tensors.
    """

    elements: int
    mismatches: int
    plus_one: int
    minus_one: int
    max_abs: float
    mean: float
    histogram: Mapping[int, int] = field(repr=False)
    channels: Channels = field(repr=False)
    channel_histogram: Array = field(repr=False)
    close: int = 0
    tolerance: float = 0.0

    @property
    def rate(self) -> float:
        return self.mismatches / self.elements if self.elements else 0.0

    @property
    def exact(self) -> bool:
        """True where nothing counts as a mismatch."""
        return self.mismatches == 0


@dataclass(frozen=True)
class LayerDiff:
    """One op output. ``isolated`` and ``chained`` are None where there was nothing to compare.

    ``reason`` then says why: the op was not replayed, or the runtime gave no tensor. ``origin``
    says how the runtime's tensor was obtained.
    """

    op_index: int
    op: str
    tensor: Tensor
    shape: tuple[int, ...]
    channel_axis: int
    rule: str
    isolated: Difference | None
    chained: Difference | None
    reason: str = ""
    origin: str = ""

    @property
    def main(self) -> Difference | None:
        """The isolated difference, or the chained one where only that was asked for."""
        return self.isolated if self.isolated is not None else self.chained

    @property
    def status(self) -> str:
        """``exact``, ``within tolerance``, ``mismatch`` or ``not replayed``."""
        found = [diff for diff in (self.isolated, self.chained) if diff is not None]
        if not found:
            return "not replayed"
        if not all(diff.exact for diff in found):
            return "mismatch"
        return "within tolerance" if any(diff.close for diff in found) else "exact"


@dataclass(frozen=True)
class Comparison:
    """Every layer of one run."""

    layers: tuple[LayerDiff, ...] = field(repr=False)

    @cached_property
    def mismatched(self) -> tuple[LayerDiff, ...]:
        return tuple(layer for layer in self.layers if layer.status == "mismatch")

    @cached_property
    def not_replayed(self) -> tuple[LayerDiff, ...]:
        return tuple(layer for layer in self.layers if layer.status == "not replayed")

    @cached_property
    def within_tolerance(self) -> tuple[LayerDiff, ...]:
        return tuple(layer for layer in self.layers if layer.status == "within tolerance")

    @property
    def first_divergence(self) -> LayerDiff | None:
        """The first layer, in execution order, that is not bit-identical."""
        return next(iter(self.mismatched), None)

    @property
    def exact(self) -> bool:
        """True where there are layers, every one was replayed, and none has a mismatch."""
        return bool(self.layers) and not self.mismatched and not self.not_replayed

    def __repr__(self) -> str:
        return (
            f"Comparison({len(self.layers)} layers: {len(self.mismatched)} with mismatches, "
            f"{len(self.not_replayed)} not replayed)"
        )

    def _repr_html_(self) -> str:
        return notebook.paragraph(repr(self)) + self.table_html()

    def table_html(self) -> str:
        """The layers as an HTML table: all of a few, else those that are not exact."""
        layers = self.layers
        if len(layers) > notebook.SHOWN:
            layers = tuple(layer for layer in layers if layer.status != "exact")
        columns = ("#", "op", "tensor", "shape", "isolated", "chained", "+1/-1", "max", "status")
        return notebook.table(columns, [_cells(layer) for layer in layers])


def _cells(layer: LayerDiff) -> tuple[Any, ...]:
    main = layer.main
    return (
        layer.op_index,
        layer.op,
        layer.tensor.index,
        shape_text(layer.shape),
        *(
            "-" if diff is None else f"{diff.mismatches:,}"
            for diff in (layer.isolated, layer.chained)
        ),
        "-" if main is None else f"{main.plus_one}/{main.minus_one}",
        "-" if main is None else f"{main.max_abs:g}",
        layer.status,
    )


def compare(
    model: Model,
    captured: Mapping[int, Array],
    chained: Replay | None = None,
    isolated: Replay | None = None,
    missing: Mapping[int, str] | None = None,
    origin: Mapping[int, str] | None = None,
) -> Comparison:
    """Compare replays of the main subgraph with captured tensors, a layer for each op output.

    What only stands for a variable holds no data, and is no layer.

    Args:
        captured: the runtime's tensors by index.
        missing: why the runtime gave no tensor, by index.
        origin: how each of the runtime's tensors was obtained, by index.
    """
    missing, origin = missing or {}, origin or {}
    replays = [run for run in (isolated, chained) if run is not None]
    layers = []
    for op in model.main.operators:
        for index in op.outputs:
            tensor = model.main.tensors[index]
            if tensor.dtype in HANDLES:
                continue
            # A tensor that the other side lacks explains more than what that kept from being done.
            reasons = [missing.get(index, "") if index not in captured else ""]
            reasons += [run.not_replayed.get(op.index, "") for run in replays]
            layers.append(
                _layer(
                    op,
                    tensor,
                    captured.get(index),
                    _tensor(isolated, op.index, index),
                    _tensor(chained, op.index, index),
                    next(filter(None, reasons), ""),
                    next((run.rules.get(op.index, "") for run in replays), ""),
                    origin.get(index, ""),
                    max((run.tolerances.get(op.index, 0.0) for run in replays), default=0.0),
                )
            )
    return Comparison(tuple(layers))


def _tensor(run: Replay | None, op_index: int, index: int) -> Array | None:
    """The tensor as this replay computed it, not as it was taken over from the capture."""
    if run is None or op_index in run.not_replayed:
        return None
    return run.tensors.get(index)


def _layer(
    op: Operator,
    tensor: Tensor,
    theirs: Array | None,
    isolated: Array | None,
    chained: Array | None,
    reason: str,
    rule: str,
    origin: str,
    tolerance: float,
) -> LayerDiff:
    shape = tensor.shape if theirs is None else theirs.shape
    axis = channel_axis(tensor, len(shape))
    both: list[Difference | None] = []
    for ours in (isolated, chained):
        if theirs is None or ours is None:
            both.append(None)
        elif ours.shape != theirs.shape or ours.dtype != theirs.dtype:
            both.append(None)
            reason = reason or (
                f"replayed as {ours.dtype}{list(ours.shape)}, "
                f"captured as {theirs.dtype}{list(theirs.shape)}"
            )
        elif chained is isolated and both:
            both.append(both[0])
        else:
            both.append(difference(ours, theirs, axis, tolerance))
    return LayerDiff(op.index, op.name, tensor, shape, axis, rule, both[0], both[1], reason, origin)


def channel_axis(tensor: Tensor, rank: int) -> int:
    """The axis whose indices are called channels.

    The quantized axis where the tensor itself is quantized per axis, else the last one: that is
    also where every op with per-channel weights puts their quantized axis in its output.
    """
    if tensor.quantization is not None and tensor.quantization.per_axis:
        return tensor.quantization.axis
    return max(rank - 1, 0)


def difference(ours: Array, theirs: Array, axis: int, tolerance: float = 0.0) -> Difference:
    """Ours minus theirs, of two arrays of one shape and dtype; ``axis`` holds the channels.

    Floating-point values match where their bits do, or differ by no more than ``tolerance`` times
    the largest finite magnitude of ``theirs``. Their largest difference counts an infinity or NaN
    on one side only as infinite.
    """
    channels = ours.shape[axis] if ours.ndim else 1
    per_channel = ours.size // channels if channels else 0
    if same_bits(ours, theirs).all():
        return _identical(ours, per_channel, channels)
    columns = (-1, channels)
    left = np.moveaxis(np.atleast_1d(ours), axis, -1).reshape(columns)
    right = np.moveaxis(np.atleast_1d(theirs), axis, -1).reshape(columns)
    if np.issubdtype(ours.dtype, np.inexact):
        return _floating_difference(left, right, tolerance)
    diff = left.astype(np.int64) - right.astype(np.int64)
    channel, value, count = _count(diff)

    def by_channel(weights: Array) -> Array:
        return np.bincount(channel, weights, channels).astype(np.int64)

    largest = np.zeros(channels, np.int64)
    np.maximum.at(largest, channel, np.abs(value))
    table = Channels(
        per_channel,
        by_channel(count * (value != 0)),
        by_channel(count * (value == 1)),
        by_channel(count * (value == -1)),
        largest,
        by_channel(count * value) / per_channel,
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


def _floating_difference(left: Array, right: Array, tolerance: float) -> Difference:
    diff, wrong = _floating(left, right, tolerance)
    table = Channels(
        len(diff),
        wrong.sum(axis=0),
        (wrong & (diff == 1)).sum(axis=0),
        (wrong & (diff == -1)).sum(axis=0),
        np.abs(diff).max(axis=0),
        diff.mean(axis=0),
    )
    found = _summary(diff, table, {}, np.empty((0, 3), np.int64))
    close = int((~same_bits(left, right) & ~wrong).sum())
    return replace(found, close=close, tolerance=tolerance)


def _floating(ours: Array, theirs: Array, tolerance: float) -> tuple[Array, Array]:
    unequal = ~same_bits(ours, theirs)
    with np.errstate(invalid="ignore"):
        diff = ours.astype(np.float64) - theirs.astype(np.float64)
    diff = np.where(unequal, np.nan_to_num(diff, nan=np.inf), 0.0)
    largest = np.abs(theirs[np.isfinite(theirs)]).max(initial=0)
    wrong = unequal & ((tolerance == 0) | ~(np.abs(diff) <= tolerance * float(largest)))
    return diff, wrong


def deviations(ours: Array, theirs: Array, tolerance: float = 0.0) -> tuple[Array, Array]:
    """Ours minus theirs, and where that is a mismatch; as :func:`difference` has it.

    Returns:
        int64 or float64, and bool, both of the arrays' shape.
    """
    if np.issubdtype(ours.dtype, np.inexact):
        return _floating(ours, theirs, tolerance)
    diff = ours.astype(np.int64) - theirs.astype(np.int64)
    return diff, diff != 0


def _summary(diff: Array, table: Channels, histogram: dict[int, int], rows: Array) -> Difference:
    return Difference(
        diff.size,
        int(table.mismatches.sum()),
        int(table.plus_one.sum()),
        int(table.minus_one.sum()),
        table.max_abs.max().item(),
        float(diff.mean()),
        histogram,
        table,
        rows,
    )


def same_bits(a: Array, b: Array) -> Array:
    """Where two arrays of one shape and dtype are bit-identical: bool, of their shape."""
    return np.asarray(_bits(a) == _bits(b))


def _bits(array: Array) -> Array:
    """Floating-point values as the integers of their bits; others as they are."""
    if np.issubdtype(array.dtype, np.floating):
        return np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}")
    return array


def _identical(array: Array, per_channel: int, channels: int) -> Difference:
    zeros = np.zeros(channels, np.int64)
    zeros.flags.writeable = False
    table = Channels(per_channel, zeros, zeros, zeros, zeros, zeros)
    integers = not np.issubdtype(array.dtype, np.inexact) and array.size
    rows = np.empty((0, 3), np.int64)
    histogram = {0: array.size} if integers else {}
    return Difference(array.size, 0, 0, 0, 0, 0.0, histogram, table, rows)
