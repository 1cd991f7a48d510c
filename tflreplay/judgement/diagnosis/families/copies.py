"""Outputs that were never computed: one value, a copy of an input, of another tensor, of before."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.judgement.diagnosis.place import Box
from tflreplay.judgement.diagnosis.said import Said
from tflreplay.model import Operator, Subgraph
from tflreplay.ops.seam import Tensors

_COMPUTED = "see that the op runs, and that it writes to this tensor's buffer"
_COVERED = "see that the loops run over the whole output, what is left after whole vectors too"
_BUFFERS = "see that this tensor's buffer is not that one's, and that the op runs before it is read"


def copies(
    graph: Subgraph, op: Operator, tensors: Tensors, produced: Array, before: Tensors
) -> Iterator[Said]:
    """What the whole output is, where it is no function of the op.

    ``before`` are tensors of the inference before.
    """
    codes = produced.reshape(-1)
    if codes.size < 2:
        return
    if (codes == codes[0]).all():
        to = graph.tensors[op.outputs[0]]
        code = codes[0].item()
        named = " (the zero point)" if to.quantization and code == to.zero_point else ""
        yield Said("constant output", f"give the code {code}{named} everywhere", _COMPUTED)
        return
    earlier = before.get(op.outputs[0])
    if earlier is not None and np.array_equal(earlier, produced):
        you = "give the output of the inference before"
        yield Said("output of the inference before", you, _COMPUTED)
    for index, array in sorted(tensors.items()):
        same = array.size == codes.size and array.dtype == codes.dtype
        if index in op.outputs or not same or not np.array_equal(array.reshape(-1), codes):
            continue
        if index in op.inputs:
            yield Said("input copied", "give the codes of the input", _COMPUTED)
        else:
            label = graph.tensors[index].label
            yield Said("another tensor", f"give the codes of tensor {label}", _BUFFERS)


def copied_there(produced: Array, box: Box) -> Iterator[Said]:
    """What one place of the output is, where it is no function of the op."""
    inside = produced[box.slices]
    if inside.size < 2:
        return
    code = inside.reshape(-1)[0]
    if (inside == code).all():
        you = f"give the code {code.item()} everywhere in {box.text}"
        yield Said(f"constant in {box.text}", you, _COVERED)
        return
    for axis, ((first, last), size) in enumerate(zip(box.ranges, box.shape, strict=True)):
        length = last - first + 1
        for start in {first - length, last + 1, 0}:
            if start == first or not 0 <= start <= size - length or length == size:
                continue
            other = list(box.slices)
            other[axis] = slice(start, start + length)
            if np.array_equal(produced[tuple(other)], inside):
                named = Box(box.shape, _moved(box, axis, start)).text
                you = f"give in {box.text} what is in {named}"
                yield Said(f"{box.text} copied from {named}", you, _COVERED)


def _moved(box: Box, axis: int, start: int) -> tuple[tuple[int, int], ...]:
    ranges = list(box.ranges)
    ranges[axis] = start, start + ranges[axis][1] - ranges[axis][0]
    return tuple(ranges)
