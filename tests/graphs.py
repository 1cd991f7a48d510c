"""Models of several subgraphs, put together from records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tflreplay.model import Model, Operator, Quantization, Subgraph, Tensor, parse
from tflreplay.model.writer import write

SCALE = np.float32(3 / 64)


class Graph:
    """Collects one subgraph; every method gives the index of a tensor."""

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.operators: list[Operator] = []

    def tensor(
        self,
        dtype: str = "int8",
        shape: tuple[int, ...] = (4, 5),
        data: Any = None,
        scale: np.float32 | None = SCALE,
    ) -> int:
        quantization = None
        if dtype == "int8" and scale is not None:
            quantization = Quantization(np.array([scale]), np.array([3], np.int64), 0)
        raw = None if data is None else memoryview(np.asarray(data).tobytes())
        index = len(self.tensors)
        record = Tensor(index, f"t{index}", shape, shape, dtype, 0, quantization, raw=raw)
        self.tensors.append(record)
        return index

    def op(
        self,
        name: str,
        inputs: tuple[int, ...],
        outputs: tuple[int, ...],
        table: str = "",
        /,
        **options: Any,
    ) -> tuple[int, ...]:
        index = len(self.operators)
        self.operators.append(
            Operator(index, name, 1, inputs, outputs, options, options_table=table)
        )
        return outputs

    def add(self, a: int, b: int) -> int:
        (output,) = self.op("ADD", (a, b), (self.tensor(),), "AddOptions")
        return output

    def variable(self, name: str) -> int:
        handle = self.tensor("resource", ())
        self.op("VAR_HANDLE", (), (handle,), "VarHandleOptions", shared_name=name)
        return handle


def model(*graphs: tuple[Graph, tuple[int, ...], tuple[int, ...]]) -> Model:
    """Of graphs with their inputs and outputs, the main one first."""
    buffers = 0
    records = []
    for number, (graph, inputs, outputs) in enumerate(graphs):
        tensors = []
        for tensor in graph.tensors:
            if tensor.raw is not None:
                buffers += 1
                tensor = Tensor(**{**vars(tensor), "buffer": buffers})
            tensors.append(tensor)
        records.append(
            Subgraph(number, f"g{number}", tuple(tensors), inputs, outputs, tuple(graph.operators))
        )
    return parse(write(records), Path("graphs.tflite"))
