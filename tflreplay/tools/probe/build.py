"""A model of independent ops on codes, put together record by record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.model import Model, Operator, Quantization, Subgraph, Tensor, parse
from tflreplay.model.writer import write
from tflreplay.ops import card


@dataclass(frozen=True)
class Scale:
    """Quantization of an int8 tensor: one scale, or one for each channel along ``axis``."""

    scale: Any
    zero_point: int = 0
    axis: int = 0

    def on(self, dtype: str) -> Scale:
        """Of another type for the same real numbers; int16 has no zero point but 0."""
        if dtype == "uint8":
            return Scale(self.scale, self.zero_point + 128, self.axis)
        if dtype == "int16":
            return Scale(self.scale / np.float32(256), 0, self.axis)
        return self

    @property
    def record(self) -> Quantization:
        scale = np.atleast_1d(np.asarray(self.scale, np.float32))
        return Quantization(scale, np.full(scale.shape, self.zero_point, np.int64), self.axis)


def on_type(kind: str, dtype: str) -> str:
    """A kind of op on activations of a type, which goes without saying where it is int8."""
    return kind if dtype == "int8" else f"{kind} on {dtype}"


@dataclass(frozen=True)
class Builder:
    """Collects ops whose activations are of one type, and the codes that they are to be run on.

    All codes and scales are told as of int8, codes of int16 from -32768 to 32767, and stored as
    ``dtype`` has them.
    """

    dtype: str = "int8"
    inputs: dict[int, Array] = field(default_factory=dict)
    tensors: list[Tensor] = field(default_factory=list)
    operators: list[Operator] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def half(self) -> int:
        """Half as many codes as the type has."""
        return 128 * self.step

    @property
    def step(self) -> int:
        """Codes of the type for each of int8."""
        return 256 if self.dtype == "int16" else 1

    def codes(self, values: Array, scale: Scale) -> int:
        """An activation, and its codes; the index of its tensor. int16 may cut off the last few."""
        stored = scale.on(self.dtype)
        limits = np.iinfo(self.dtype)
        values = (values - scale.zero_point + stored.zero_point).clip(limits.min, limits.max)
        index = self._tensor(values.shape, self.dtype, stored)
        self.inputs[index] = values.astype(self.dtype)
        return index

    def weights(self, values: Array, scale: Scale) -> int:
        """Weights of 8 bits, as int8 has them or around 127 of uint8; the index of their tensor."""
        if self.dtype != "uint8":
            return self.constant(values.astype(np.int8), scale)
        return self.constant((values + 127).astype(np.uint8), replace(scale, zero_point=127))

    def bias(self, values: Array, x: Scale, weights: Scale) -> int:
        """What is added to the sums of activations times weights; the index of its tensor."""
        dtype = np.int64 if self.dtype == "int16" else np.int32
        scale = Scale(weights.scale * np.float32(x.on(self.dtype).scale))
        return self.constant(values.astype(dtype), scale)

    def constant(self, values: Array, scale: Scale | None = None) -> int:
        """A constant as it is; the index of its tensor."""
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
        """An operator with one output; left out where no engine computes it on the type."""
        if not any(row.takes(self.dtype) for row in card(name).rows()):
            self.left_out.append(on_type(name, self.dtype))
            for index in inputs:
                self.inputs.pop(index, None)
            return
        output = self._tensor(shape, self.dtype, scale.on(self.dtype))
        self.operators.append(
            Operator(
                len(self.operators),
                name,
                version,
                tuple(inputs),
                (output,),
                options or {},
                options_table=table,
            )
        )

    def model(self) -> Model:
        outputs = tuple(index for op in self.operators for index in op.outputs)
        graph = Subgraph(
            0, "main", tuple(self.tensors), tuple(self.inputs), outputs, tuple(self.operators)
        )
        return parse(write([graph], "the probe of tflreplay"), Path("probe.tflite"))

    def _tensor(
        self,
        shape: Sequence[int],
        dtype: str,
        scale: Scale | None,
        raw: memoryview | None = None,
    ) -> int:
        index = len(self.tensors)
        shape = tuple(shape)
        self.tensors.append(
            Tensor(
                index=index,
                name=f"tensor_{index}",
                shape=shape,
                shape_signature=shape,
                dtype=dtype,
                # 0 stands for no data.
                buffer=index + 1 if raw is not None else 0,
                quantization=scale.record if scale is not None else None,
                raw=raw,
            )
        )
        return index
