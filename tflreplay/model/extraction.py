"""Cut an op out of a model, as a model of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from tflreplay.ground.errors import InputError
from tflreplay.ground.words import printable
from tflreplay.model import Model, Operator, Subgraph, Tensor, parse
from tflreplay.model.writer import write

AS_THEY_ARE: Mapping[int, Tensor] = MappingProxyType({})


def operator(model: Model, op_index: int) -> Operator:
    """The op of the main subgraph.

    Raises:
        InputError: there is no such op.
    """
    operators = model.main.operators
    if not 0 <= op_index < len(operators):
        has = f"layers 0 to {len(operators) - 1}" if operators else "no layers"
        raise InputError(f"{model.path}: there is no layer {op_index}; the model has {has}")
    return operators[op_index]


def copies(
    model: Model, op_index: int, count: int = 1, tensors: Mapping[int, Tensor] = AS_THEY_ARE
) -> Model:
    """A model of ``count`` copies of one op of the main subgraph, which share its constants.

    Its inputs are the activations of the first copy, each once, then those of the second and so on;
    its outputs come in the same order. ``tensors`` take the place of the op's, by index.

    Raises:
        ModelError: a constant cannot be written; see :func:`tflreplay.model.writer.write`.
    """
    op = model.main.operators[op_index]
    made: list[Tensor] = []
    inputs: list[int] = []
    outputs: list[int] = []
    operators = []

    def add(index: int) -> int:
        tensor = tensors.get(index, model.main.tensors[index])
        new = len(made)
        made.append(replace(tensor, index=new, buffer=new + 1 if tensor.is_constant else 0))
        return new

    read = dict.fromkeys(index for index in op.inputs if index >= 0)
    constants = {index: add(index) for index in read if model.main.tensors[index].is_constant}
    for number in range(count):
        activations = {index: add(index) for index in read if index not in constants}
        written = {index: add(index) for index in op.outputs}
        inner = {index: add(index) for index in op.intermediates if index >= 0}
        inputs.extend(activations.values())
        outputs.extend(written.values())
        # -1 stands for one left out.
        new = {-1: -1, **constants, **activations, **written, **inner}
        operators.append(
            replace(
                op,
                index=number,
                inputs=tuple(new[index] for index in op.inputs),
                outputs=tuple(new[index] for index in op.outputs),
                intermediates=tuple(new[index] for index in op.intermediates),
            )
        )
    graph = Subgraph(0, "main", tuple(made), tuple(inputs), tuple(outputs), tuple(operators))
    name = f"{model.path.stem}-op{op_index}.tflite"
    return parse(write([graph], f"op {op_index} of {printable(model.path.name)}"), Path(name))
