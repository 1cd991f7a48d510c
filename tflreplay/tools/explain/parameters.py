"""The scale and zero point of every tensor that takes part in one output element."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tflreplay.model import Operator, Tensor
from tflreplay.ops import card
from tflreplay.tools.explain.records import Parameters


def parameters(
    op: Operator, tensors: Sequence[Tensor], index: tuple[int, ...]
) -> Iterator[Parameters]:
    """Of ``op``'s inputs and output; ``tensors`` are its subgraph's."""
    known = card(op.name)
    roles = known.roles
    if known.weighted:
        names = [("input", "1"), ("weights", "2"), ("bias", "")]
        positions = [roles.activation, roles.weights, roles.bias]
    else:
        names, positions = list(known.operands), list(range(len(known.operands)))
    for (role, number), position in zip(names, positions, strict=True):
        if position is not None and position < len(op.inputs) and op.inputs[position] >= 0:
            yield of_tensor(tensors[op.inputs[position]], index, role, number)
    yield of_tensor(tensors[op.outputs[0]], index, "output", "o")


def of_tensor(
    tensor: Tensor, index: tuple[int, ...], role: str = "", number: str = ""
) -> Parameters:
    """``index`` is the element's; weights have their channels along the output's last axis."""
    found = tensor.quantization
    scale = zero_point = channel = None
    # A bias has a scale that nothing reads.
    if found is not None and found.scale.size and role != "bias":
        if found.per_axis:
            channel = index[-1] if role == "weights" else index[found.axis]
        scale = float(found.scale[channel or 0])
        zero_point = int(found.zero_point[channel or 0])
    return Parameters(
        role, number, tensor.index, tensor.name, tensor.dtype, scale, zero_point, channel
    )
