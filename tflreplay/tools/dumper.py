"""What a device's firmware is to print: every activation of a model, one function a tensor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from tflreplay.ground.errors import NotReplayed
from tflreplay.model import Model, Operator, Tensor

_C_TYPES = {
    "float32": "float", "float64": "double",
    "float16": "uint16_t", "bool": "uint8_t",  # their bits
}  # fmt: skip
_KINDS = "biuf"  # of numpy's types, those that a line can hold


@dataclass(frozen=True)
class Dumped:
    """A tensor, and the op that writes it; None for an input of the model.

    ``dtype`` is numpy's name of its type, and ``c_type`` holds one of its values. Both are empty
    where there is no way to print it.
    """

    tensor: Tensor
    op: Operator | None
    dtype: str
    c_type: str

    @property
    def op_index(self) -> int:
        """-1 for an input."""
        return -1 if self.op is None else self.op.index

    @property
    def count(self) -> int:
        return prod(self.tensor.shape)

    @property
    def size(self) -> int:
        """Bytes of a value."""
        return self.tensor.numpy_dtype.itemsize


def dumped(model: Model) -> list[Dumped]:
    """The inputs and every op's outputs, in the order in which they are there."""
    return [_dumped(tensor, op) for tensor, op in _activations(model)]


def _activations(model: Model) -> Iterator[tuple[Tensor, Operator | None]]:
    graph = model.main
    for index in graph.inputs:
        yield graph.tensors[index], None
    for op in graph.operators:
        for index in op.outputs:
            yield graph.tensors[index], op


def _dumped(tensor: Tensor, op: Operator | None) -> Dumped:
    try:
        dtype = tensor.numpy_dtype
    except NotReplayed:
        return Dumped(tensor, op, "", "")
    if dtype.kind not in _KINDS:
        return Dumped(tensor, op, "", "")
    return Dumped(tensor, op, dtype.name, _C_TYPES.get(dtype.name, f"{dtype.name}_t"))
