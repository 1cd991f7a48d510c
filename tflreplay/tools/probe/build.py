"""A model of independent int8 ops, put together record by record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.model import Model, Operator, Quantization, Subgraph, Tensor, parse
from tflreplay.model.writer import write


@dataclass(frozen=True)
class Scale:
    """Quantization of an int8 tensor: one scale, or one for each channel along ``axis``."""

    scale: Any
    zero_point: int = 0
    axis: int = 0

    @property
    def record(self) -> Quantization:
        scale = np.atleast_1d(np.asarray(self.scale, np.float32))
        return Quantization(scale, np.full(scale.shape, self.zero_point, np.int64), self.axis)


class Builder:
    """Collects ops and the codes that they are to be run on."""

    def __init__(self) -> None:
        self.inputs: dict[int, Array] = {}
        self._tensors: list[Tensor] = []
        self._operators: list[Operator] = []
        self._buffers = 0

    def codes(self, values: Array, scale: Scale) -> int:
        """An int8 activation, and its codes; the index of its tensor."""
        index = self._tensor(values.shape, "int8", scale)
        self.inputs[index] = values.astype(np.int8)
        return index

    def constant(self, values: Array, scale: Scale | None = None) -> int:
        """An int8 or int32 constant; the index of its tensor."""
        raw = memoryview(np.ascontiguousarray(values).tobytes())
        return self._tensor(values.shape, values.dtype.name, scale, raw)

    def op(
        self,
        name: str,
        inputs: Sequence[int],
        shape: Sequence[int],
        scale: Scale,
        options: Mapping[str, Any] | None = None,
        table: str = "",
        version: int = 2,
    ) -> None:
        """An operator with one int8 output."""
        output = self._tensor(shape, "int8", scale)
        self._operators.append(
            Operator(
                len(self._operators),
                name,
                version,
                tuple(inputs),
                (output,),
                options or {},
                options_table=table,
            )
        )

    def model(self) -> Model:
        outputs = tuple(index for op in self._operators for index in op.outputs)
        graph = Subgraph(
            0, "main", tuple(self._tensors), tuple(self.inputs), outputs, tuple(self._operators)
        )
        return parse(write([graph], "the probe of tflreplay"), Path("probe.tflite"))

    def _tensor(
        self,
        shape: Sequence[int],
        dtype: str,
        scale: Scale | None,
        raw: memoryview | None = None,
    ) -> int:
        index = len(self._tensors)
        shape = tuple(shape)
        self._tensors.append(
            Tensor(
                index=index,
                name=f"tensor_{index}",
                shape=shape,
                shape_signature=shape,
                dtype=dtype,
                # A buffer for each constant; 0 stands for no data.
                buffer=self._buffer() if raw is not None else 0,
                quantization=scale.record if scale is not None else None,
                raw=raw,
            )
        )
        return index

    def _buffer(self) -> int:
        self._buffers += 1
        return self._buffers
