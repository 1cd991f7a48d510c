"""Compare two sources of tensors, layer by layer and channel by channel.

A difference is ours minus theirs: +1 means the replay gave one code more than the runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from tflreplay.ground import notebook
from tflreplay.ground.words import shape_text
from tflreplay.judgement.suspects import Seen, Suspects, ranges
from tflreplay.model import HANDLES, Model, Tensor
from tflreplay.replayer.loop import Replay
from tflreplay.runtimes.xnnpack import UNPACKED

Array = np.ndarray[Any, Any]
NOBODY = Suspects()


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
    ``tolerance`` of the largest magnitude, or where ``slack`` says how far each may be off, within
    that; they are no mismatches. Of ``signs`` of them only the sign of 0 or the bits of NaN differ;
    ``share`` is the largest part of its slack that one of the others takes. ``histogram`` counts
    elements by difference, 0 included; ``channel_histogram`` holds rows ``(channel, difference,
    count)`` for differences other than 0. Both are empty for floating-point tensors.
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
    signs: int = 0
    share: float = 0.0
    slack: Array | None = field(default=None, repr=False, compare=False)

    @property
    def rate(self) -> float:
        return self.mismatches / self.elements if self.elements else 0.0

    @property
    def exact(self) -> bool:
        """True where nothing counts as a mismatch."""
        return self.mismatches == 0


@dataclass(frozen=True)
class LayerDiff:
    """One op output. A difference is None where there was nothing to compare.

    ``isolated`` is there where every input of the op was seen, so that the difference was made in
    it. Else ``stretch`` is what the replay gives from the last tensors that were seen: made in one
    or more of the ``suspects``, of which it is the last.
    ``reason`` says why there is nothing to compare: the op was not replayed, or there is no tensor
    on the other side. ``absent`` says so of a device's dump: it is ``not dumped``, or ``not read``
    where an array was there that could not be taken for it. ``origin`` says how the runtime's
    tensor was obtained.
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
    stretch: Difference | None = None
    suspects: Suspects = NOBODY
    absent: str = ""

    @property
    def alone(self) -> bool:
        """True where what is made since the last tensors seen is made in this op."""
        return len(self.suspects.ops) <= 1

    @property
    def made(self) -> Difference | None:
        """What was made since the last tensors seen, in ``suspects``."""
        return self.isolated if self.isolated is not None else self.stretch

    @property
    def main(self) -> Difference | None:
        """The difference made since the last tensors seen, or else the chained one."""
        return self.made if self.made is not None else self.chained

    @property
    def status(self) -> str:
        """``exact``, ``within tolerance``, ``mismatch``, ``not dumped``, ``not read`` or
        ``not replayed``."""
        found = [d for d in (self.isolated, self.stretch, self.chained) if d is not None]
        if not found:
            return self.absent or "not replayed"
        if not all(diff.exact for diff in found):
            return "mismatch"
        return "within tolerance" if any(diff.close for diff in found) else "exact"

    @property
    def kind(self) -> str:
        """The status, and of a mismatch what is known of where it was made.

        ``own``: in this op; ``at or before``: in this op or in one of the suspects before it;
        ``inherited``: not since the last tensors seen; ``mismatch`` where nobody knows.
        """
        if self.status != "mismatch" or self.made is None:
            return self.status
        if self.made.exact:
            return "inherited"
        return "own" if self.alone else "at or before"


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
    def not_dumped(self) -> tuple[LayerDiff, ...]:
        return tuple(layer for layer in self.layers if layer.status == "not dumped")

    @cached_property
    def not_read(self) -> tuple[LayerDiff, ...]:
        return tuple(layer for layer in self.layers if layer.status == "not read")

    @cached_property
    def within_tolerance(self) -> tuple[LayerDiff, ...]:
        return tuple(layer for layer in self.layers if layer.status == "within tolerance")

    @property
    def first_divergence(self) -> LayerDiff | None:
        """The first layer, in execution order, that is not bit-identical."""
        return next(iter(self.mismatched), None)

    @property
    def exact(self) -> bool:
        """True where something was compared, nothing of it has a mismatch, and no more was there.

        What a dump does not hold is not there.
        """
        compared = len(self.layers) - len(self.not_dumped)
        return compared > 0 and not (self.mismatched or self.not_replayed or self.not_read)

    def __repr__(self) -> str:
        return (
            f"Comparison({len(self.layers)} layers: {len(self.mismatched)} with mismatches, "
            f"{len(self.not_replayed)} not replayed{self._undumped})"
        )

    @property
    def _undumped(self) -> str:
        parts = ("not dumped", self.not_dumped), ("not read", self.not_read)
        return "".join(f", {len(layers)} {name}" for name, layers in parts if layers)

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
    absent: Mapping[int, str] | None = None,
) -> Comparison:
    """Compare replays of the main subgraph with captured tensors, a layer for each op output.

    What only stands for a variable holds no data, and is no layer; nor is a constant that XNNPACK
    unpacked, which no run computed.

    Args:
        captured: the runtime's tensors by index.
        missing: why the runtime gave no tensor, by index.
        origin: how each of the runtime's tensors was obtained, by index.
        absent: of the tensors that a device's dump lacks, whether they are ``not dumped`` or
            ``not read``, by index.
    """
    missing, origin, absent = missing or {}, origin or {}, absent or {}
    replays = [run for run in (isolated, chained) if run is not None]
    seen = Seen(model, captured)
    layers = []
    for op in model.main.operators:
        behind = seen.suspects(op) if any(index in captured for index in op.outputs) else NOBODY
        for index in op.outputs:
            tensor = model.main.tensors[index]
            if tensor.dtype in HANDLES or origin.get(index) == UNPACKED:
                continue
            # A tensor that the other side lacks explains more than what that kept from being done.
            reasons = [missing.get(index, "") if index not in captured else ""]
            reasons += [run.not_replayed.get(op.index, "") for run in replays]
            rules = (run.rules.get(op.index, "") for run in replays)
            layer = LayerDiff(
                op.index,
                op.name,
                tensor,
                tensor.shape,
                channel_axis(tensor, len(tensor.shape)),
                next(filter(None, rules), ""),
                None,
                None,
                next(filter(None, reasons), ""),
                origin.get(index, ""),
                suspects=behind,
                absent=absent.get(index, ""),
            )
            if index in captured:
                ours = [_tensor(run, op.index, index) for run in (isolated, chained)]
                slacks = [run.slacks[op.index] for run in replays if op.index in run.slacks]
                slack = slacks[0] if slacks and len(behind.ops) == 1 else None
                tolerances = _tolerances(behind, replays)
                layer = _compared(layer, captured[index], ours, tolerances, slack)
            layers.append(layer)
    return Comparison(tuple(layers))


def _tolerances(behind: Suspects, replays: Sequence[Replay]) -> dict[int, float]:
    """Those of the suspects that have one, by op index."""
    found = {
        op: max((run.tolerances.get(op, 0.0) for run in replays), default=0.0) for op in behind.ops
    }
    return {op: tolerance for op, tolerance in found.items() if tolerance}


def _tensor(run: Replay | None, op_index: int, index: int) -> Array | None:
    """The tensor as this replay computed it, not as it was taken over from the capture."""
    if run is None or op_index in run.not_replayed:
        return None
    return run.tensors.get(index)


def _compared(
    layer: LayerDiff,
    theirs: Array,
    ours: Sequence[Array | None],
    tolerances: Mapping[int, float],
    slack: Callable[[], Array] | None,
) -> LayerDiff:
    """The layer with what is different in ``ours``: the isolated replay and the chained one."""
    axis = channel_axis(layer.tensor, theirs.ndim)
    layer = replace(layer, shape=theirs.shape, channel_axis=axis)
    found: list[Difference | None] = []
    for array in ours:
        if array is None:
            found.append(None)
        elif array.shape != theirs.shape or array.dtype != theirs.dtype:
            found.append(None)
            reason = (
                f"replayed as {array.dtype}{list(array.shape)}, "
                f"captured as {theirs.dtype}{list(theirs.shape)}"
            )
            layer = replace(layer, reason=layer.reason or reason)
        elif array is ours[0] and found:
            found.append(found[0])
        else:
            found.append(difference(array, theirs, axis, sum(tolerances.values()), slack))
    near, chained = found
    sums = [op for op in tolerances if op != layer.op_index]
    if sums and theirs.dtype.kind in "biu" and not all(d is None or d.exact for d in found):
        # A code on the way may have been rounded to the other side.
        reason = (
            f"the floating-point sums of op {ranges(sums)} are formed in an order that is not "
            "modelled, and nothing between them and this layer was seen"
        )
        return replace(layer, reason=layer.reason or reason)
    if layer.alone:
        return replace(layer, isolated=near, chained=chained)
    return replace(layer, stretch=near, chained=chained)


def channel_axis(tensor: Tensor, rank: int) -> int:
    """The axis whose indices are called channels.

    The quantized axis where the tensor itself is quantized per axis, else the last one: that is
    also where every op with per-channel weights puts their quantized axis in its output.
    """
    if tensor.quantization is not None and tensor.quantization.per_axis:
        return tensor.quantization.axis
    return max(rank - 1, 0)


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


def _floating_difference(
    left: Array, right: Array, tolerance: float, slack: Array | None
) -> Difference:
    diff, wrong = _floating(left, right, tolerance, slack)
    table = Channels(
        len(diff),
        wrong.sum(axis=0),
        (wrong & (diff == 1)).sum(axis=0),
        (wrong & (diff == -1)).sum(axis=0),
        np.abs(diff).max(axis=0),
        diff.mean(axis=0),
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
        float(diff.mean()),
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
    table = Channels(per_channel, zeros, zeros, zeros, zeros, zeros)
    integers = not np.issubdtype(array.dtype, np.inexact) and array.size
    rows = np.empty((0, 3), np.int64)
    histogram = {0: array.size} if integers else {}
    return Difference(array.size, 0, 0, 0, 0, 0.0, histogram, table, rows)
