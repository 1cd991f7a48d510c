"""Compare two sources of tensors, layer by layer and channel by channel.

A difference is ours minus theirs: +1 means the replay gave one code more than the runtime.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from operator import add
from typing import Any

from tflreplay.ground import notebook
from tflreplay.ground.words import shape_text
from tflreplay.judgement.difference import Array, Difference, difference
from tflreplay.judgement.suspects import Seen, Suspects, ranges
from tflreplay.model import HANDLES, Model, Tensor
from tflreplay.replayer.loop import Replay
from tflreplay.runtimes.xnnpack import UNPACKED

NOBODY = Suspects()


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

    The layers of several ``inputs`` add up; of those that are ``lacking``, nothing was compared.
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
    inputs: int = 1
    lacking: int = 0

    def __add__(self, other: LayerDiff) -> LayerDiff:
        """Both, of the same op output.

        The shape has -1 where they differ. Where the inputs of the op were seen on one side only,
        what is made is made in the suspects of the other.
        """
        near = [one.isolated for one in (self, other)]
        far = [one.stretch for one in (self, other)]
        if any(far):
            near, far = [], [*near, *far]
        same = self.isolated is self.chained and other.isolated is other.chained
        isolated = _sum(near)
        first = self if self.reason else other
        return replace(
            self,
            shape=_common(self.shape, other.shape),
            rule=self.rule or other.rule,
            isolated=isolated,
            chained=isolated if same and near else _sum([self.chained, other.chained]),
            reason=first.reason,
            origin=self.origin or other.origin,
            stretch=_sum(far),
            suspects=self.suspects | other.suspects,
            absent=self.absent or other.absent,
            inputs=self.inputs + other.inputs,
            lacking=self._lacking + other._lacking,
        )

    @property
    def _lacking(self) -> int:
        return self.lacking if self.inputs > 1 else int(self.main is None)

    @property
    def key(self) -> tuple[int, int]:
        """The op's index and the tensor's."""
        return self.op_index, self.tensor.index

    @property
    def elements(self) -> int:
        """The elements compared; where none were, those of the tensor."""
        return self.main.elements if self.main is not None else math.prod(self.shape)

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
        if not all(diff.exact for diff in found):
            return "mismatch"
        if not found or self.lacking:
            return self.absent or "not replayed"
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


def _sum(found: Sequence[Difference | None]) -> Difference | None:
    """None where there is nothing to add."""
    there = [diff for diff in found if diff is not None]
    return reduce(add, there) if there else None


def _common(left: tuple[int, ...], right: tuple[int, ...]) -> tuple[int, ...]:
    if len(left) != len(right):
        return left
    return tuple(a if a == b else -1 for a, b in zip(left, right, strict=True))


@dataclass(frozen=True)
class Comparison:
    """Every layer of one run, or of several inputs added up."""

    layers: tuple[LayerDiff, ...] = field(repr=False)

    def __add__(self, other: Comparison) -> Comparison:
        """Both, of one model: each layer that is in either."""
        found = {layer.key: layer for layer in self.layers}
        for layer in other.layers:
            found[layer.key] = found[layer.key] + layer if layer.key in found else layer
        # In the order of the ops, and of an op's outputs.
        return Comparison(tuple(sorted(found.values(), key=lambda layer: layer.op_index)))

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
