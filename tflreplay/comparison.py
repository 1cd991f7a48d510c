"""Compare two sources of tensors, layer by layer and channel by channel.

A difference is ours minus theirs: +1 means the replay gave one code more than the runtime.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from tflreplay.model import Model, Operator, Tensor
from tflreplay.replayer import Replay

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

    ``mean`` is over all elements. ``histogram`` counts elements by difference, 0 included;
    ``channel_histogram`` holds rows ``(channel, difference, count)`` for differences other than 0.
    Both are empty for floating-point tensors.
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

    @property
    def rate(self) -> float:
        return self.mismatches / self.elements if self.elements else 0.0

    @property
    def exact(self) -> bool:
        """True where the two sides are bit-identical."""
        return self.mismatches == 0


@dataclass(frozen=True)
class LayerDiff:
    """One op output. ``isolated`` and ``chained`` are None where there was nothing to compare.

    ``reason`` then says why: the op was not replayed, or the runtime gave no tensor.
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

    @property
    def main(self) -> Difference | None:
        """The isolated difference, or the chained one where only that was asked for."""
        return self.isolated if self.isolated is not None else self.chained

    @property
    def status(self) -> str:
        """``exact``, ``mismatch`` or ``not replayed``."""
        found = [diff for diff in (self.isolated, self.chained) if diff is not None]
        if not found:
            return "not replayed"
        return "exact" if all(diff.exact for diff in found) else "mismatch"


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

    @property
    def first_divergence(self) -> LayerDiff | None:
        """The first layer, in execution order, that is not bit-identical."""
        return next(iter(self.mismatched), None)

    @property
    def exact(self) -> bool:
        """True where there are layers, every one was replayed, and all are bit-identical."""
        return bool(self.layers) and not self.mismatched and not self.not_replayed

    def __repr__(self) -> str:
        return (
            f"Comparison({len(self.layers)} layers: {len(self.mismatched)} with mismatches, "
            f"{len(self.not_replayed)} not replayed)"
        )


def compare(
    model: Model,
    captured: Mapping[int, Array],
    chained: Replay | None = None,
    isolated: Replay | None = None,
    missing: Mapping[int, str] | None = None,
) -> Comparison:
    """Compare replays of the main subgraph with captured tensors, a layer for each op output.

    Args:
        captured: the runtime's tensors by index.
        missing: why the runtime gave no tensor, by index.
    """
    missing = missing or {}
    replays = [run for run in (isolated, chained) if run is not None]
    layers = []
    for op in model.main.operators:
        for index in op.outputs:
            tensor = model.main.tensors[index]
            reasons = [run.not_replayed.get(op.index, "") for run in replays]
            layers.append(
                _layer(
                    op,
                    tensor,
                    captured.get(index),
                    _tensor(isolated, op.index, index),
                    _tensor(chained, op.index, index),
                    next(filter(None, [*reasons, missing.get(index)]), ""),
                    next((run.rules.get(op.index, "") for run in replays), ""),
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
            both.append(difference(ours, theirs, axis))
    return LayerDiff(op.index, op.name, tensor, shape, axis, rule, both[0], both[1], reason)


def channel_axis(tensor: Tensor, rank: int) -> int:
    """The axis whose indices are called channels.

    The quantized axis where the tensor itself is quantized per axis, else the last one: that is
    also where every op with per-channel weights puts their quantized axis in its output.
    """
    if tensor.quantization is not None and tensor.quantization.per_axis:
        return tensor.quantization.axis
    return max(rank - 1, 0)


def difference(ours: Array, theirs: Array, axis: int) -> Difference:
    """Ours minus theirs, of two arrays of one shape and dtype; ``axis`` holds the channels.

    Floating-point values match where their bits do. Their largest difference counts an infinity
    or NaN on one side only as infinite.
    """
    channels = ours.shape[axis] if ours.ndim else 1
    per_channel = ours.size // channels if channels else 0
    if np.array_equal(_bits(ours), _bits(theirs)):
        return _identical(ours, per_channel, channels)
    columns = (-1, channels)
    left = np.moveaxis(np.atleast_1d(ours), axis, -1).reshape(columns)
    right = np.moveaxis(np.atleast_1d(theirs), axis, -1).reshape(columns)
    unequal = _bits(left) != _bits(right)
    diff: Array
    if np.issubdtype(ours.dtype, np.inexact):
        with np.errstate(invalid="ignore"):
            diff = left.astype(np.float64) - right.astype(np.float64)
        diff = np.where(unequal, np.nan_to_num(diff, nan=np.inf), 0.0)
        histogram: dict[int, int] = {}
        rows = np.empty((0, 3), np.int64)
    else:
        diff = left.astype(np.int64) - right.astype(np.int64)
        values, counts = np.unique(diff, return_counts=True)
        histogram = dict(zip(values.tolist(), counts.tolist(), strict=True))
        where = np.nonzero(diff)
        pairs = np.stack([where[1], diff[where]], axis=1)
        pairs, counts = np.unique(pairs, axis=0, return_counts=True)
        rows = np.column_stack([pairs, counts])
    table = Channels(
        per_channel,
        unequal.sum(axis=0),
        (diff == 1).sum(axis=0),
        (diff == -1).sum(axis=0),
        np.abs(diff).max(axis=0),
        diff.mean(axis=0),
    )
    return Difference(
        ours.size,
        int(table.mismatches.sum()),
        int(table.plus_one.sum()),
        int(table.minus_one.sum()),
        table.max_abs.max().item(),
        float(diff.mean()),
        histogram,
        table,
        rows,
    )


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
