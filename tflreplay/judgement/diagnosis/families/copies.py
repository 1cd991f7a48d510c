"""Outputs that were never computed: one value, a copy of an input, of another tensor, of before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.judgement.diagnosis.evidence import in_lines
from tflreplay.judgement.diagnosis.place import Box
from tflreplay.judgement.diagnosis.said import Said
from tflreplay.model import Operator, Subgraph
from tflreplay.ops.seam import Tensors

_COMPUTED = "see that the op runs, and that it writes to this tensor's buffer"
_COVERED = "see that the loops run over the whole output, what is left after whole vectors too"
_BUFFERS = "see that this tensor's buffer is not that one's, and that the op runs before it is read"


@dataclass(frozen=True)
class Source:
    """A tensor of as many codes that may lie where an output should: ``what`` and its ``codes``."""

    name: str
    what: str
    fix: str
    codes: Array


def sources(
    graph: Subgraph, op: Operator, tensors: Tensors, produced: Array, before: Tensors
) -> Iterator[Source]:
    """``before`` are tensors of the inference before."""

    def alike(array: Array) -> bool:
        return array.size == produced.size and array.dtype == produced.dtype

    earlier = before.get(op.outputs[0])
    if earlier is not None and alike(earlier):
        name = "output of the inference before"
        yield Source(name, f"the {name}", _COMPUTED, earlier.reshape(produced.shape))
    for index, array in sorted(tensors.items()):
        if index in op.outputs or not alike(array):
            continue
        codes = array.reshape(produced.shape)
        if index in op.inputs:
            yield Source("input copied", "the codes of the input", _COMPUTED, codes)
        else:
            what = f"the codes of tensor {graph.tensors[index].label}"
            yield Source("another tensor", what, _BUFFERS, codes)


def copies(
    graph: Subgraph, op: Operator, produced: Array, others: Sequence[Source]
) -> Iterator[Said]:
    """What the whole output is, where it is no function of the op."""
    codes = produced.reshape(-1)
    if codes.size < 2:
        return
    if (codes == codes[0]).all():
        to = graph.tensors[op.outputs[0]]
        code = codes[0].item()
        named = " (the zero point)" if to.quantization and code == to.zero_point else ""
        yield Said("constant output", f"give the code {code}{named} everywhere", _COMPUTED)
        return
    for other in others:
        if np.array_equal(other.codes, produced):
            yield Said(other.name, f"give {other.what}", other.fix)


def copied_there(produced: Array, box: Box, others: Sequence[Source]) -> Iterator[Said]:
    """What one place of the output is, where it is no function of the op."""
    inside = produced[box.mask]
    if inside.size < 2:
        return
    code = inside[0]
    if (inside == code).all():
        you = f"give the code {code.item()} everywhere in {box.text}"
        kinds = tuple(f"constant in {kind}" for kind in box.kinds)
        yield Said(f"constant in {box.text}", you, _COVERED, kinds=kinds)
        return
    lines, where = in_lines(produced), in_lines(box.mask)
    channels = np.flatnonzero(where.any(axis=0))
    if all(np.ptp(lines[where[:, c], c]) == 0 for c in channels) and where.sum(axis=0).max() > 1:
        you = f"give one code of each channel everywhere in {box.text}, as of its bias alone"
        kinds = tuple(f"constant channels in {kind}" for kind in box.kinds)
        yield Said(f"constant channels in {box.text}", you, _COVERED, kinds=kinds)
    for other in others:
        if np.array_equal(other.codes[box.mask], inside):
            yield Said(
                f"{other.name} in {box.text}",
                f"leave {other.what} in {box.text}",
                _COVERED,
                kinds=tuple(f"{other.name} in {kind}" for kind in box.kinds),
            )
    if not box.is_box:
        return
    for axis, ((first, last), size) in enumerate(zip(box.ranges, box.shape, strict=True)):
        length = last - first + 1
        for start in {first - length, last + 1, 0}:
            if start == first or not 0 <= start <= size - length:
                continue
            moved = Box(box.shape, _moved(box, axis, start))
            if length < size and np.array_equal(produced[moved.mask], inside):
                named = moved.text
                way = "before" if start < first else "after"
                yield Said(
                    f"{box.text} copied from {named}",
                    f"give in {box.text} what is in {named}",
                    _COVERED,
                    kinds=tuple(f"{kind} copied from what is {way}" for kind in box.kinds),
                )


def _moved(box: Box, axis: int, start: int) -> tuple[tuple[int, int], ...]:
    ranges = list(box.ranges)
    ranges[axis] = start, start + ranges[axis][1] - ranges[axis][0]
    return tuple(ranges)
