"""Outputs that were never computed: one value, a copy of an input or of another tensor."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.judgement.diagnosis.said import Said
from tflreplay.model import Operator, Subgraph
from tflreplay.ops.seam import Tensors

_COMPUTED = "see that the op runs, and that it writes to this tensor's buffer"
_BUFFERS = "see that this tensor's buffer is not that one's, and that the op runs before it is read"


def copies(graph: Subgraph, op: Operator, tensors: Tensors, produced: Array) -> Iterator[Said]:
    """What the whole output is, where it is no function of the op."""
    codes = produced.reshape(-1)
    if codes.size < 2:
        return
    if (codes == codes[0]).all():
        code, zero = int(codes[0]), graph.tensors[op.outputs[0]].zero_point
        named = " (the zero point)" if code == zero else ""
        yield Said("constant output", f"give the code {code}{named} everywhere", _COMPUTED)
        return
    for index, array in sorted(tensors.items()):
        same = array.size == codes.size and array.dtype == codes.dtype
        if index in op.outputs or not same or not np.array_equal(array.reshape(-1), codes):
            continue
        if index in op.inputs:
            yield Said("input copied", "give the codes of the input", _COMPUTED)
        else:
            label = graph.tensors[index].label
            yield Said("another tensor", f"give the codes of tensor {label}", _BUFFERS)
