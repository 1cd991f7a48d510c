"""Cut an op out of a model, as a model of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tflreplay.model import Model, Subgraph, Tensor, parse
from tflreplay.writer import write


def copies(model: Model, op_index: int, count: int) -> Model:
    """A model of ``count`` copies of one op of the main subgraph, which share its constants.

    Its inputs are the activations of the first copy, then those of the second and so on; its
    outputs come in the same order.
    """
    op = model.main.operators[op_index]
    tensors: list[Tensor] = []
    constants: dict[int, int] = {}
    inputs: list[int] = []
    outputs: list[int] = []
    operators = []

    def add(index: int) -> int:
        tensor = model.main.tensors[index]
        new = len(tensors)
        buffer = new + 1 if tensor.is_constant else 0
        tensors.append(replace(tensor, index=new, buffer=buffer, name=f"tensor_{new}"))
        return new

    for number in range(count):
        of_op = []
        for index in op.inputs:
            if index < 0:
                of_op.append(index)
            elif model.main.tensors[index].is_constant:
                if index not in constants:
                    constants[index] = add(index)
                of_op.append(constants[index])
            else:
                inputs.append(add(index))
                of_op.append(inputs[-1])
        made = tuple(add(index) for index in op.outputs)
        outputs.extend(made)
        operators.append(replace(op, index=number, inputs=tuple(of_op), outputs=made))
    graph = Subgraph(0, "main", tuple(tensors), tuple(inputs), tuple(outputs), tuple(operators))
    name = f"{model.path.stem}-op{op_index}.tflite"
    return parse(write([graph], f"op {op_index} of {model.path.name}"), Path(name))
