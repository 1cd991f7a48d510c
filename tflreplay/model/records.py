"""What a .tflite file says, as frozen records.

They are keyed by index within their subgraph; names are labels only, since real models have
duplicate and empty ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.model.buffers import NUMPY_TYPES, PACKED_BITS, unpack_bits, unpack_strings
from tflreplay.model.sparsity import Sparsity

# Types of tensors that stand for something else, and hold no data.
HANDLES = ("resource", "variant")


@dataclass(frozen=True, eq=False)
class Quantization:
    """Affine quantization: real = scale * (code - zero_point).

    ``scale`` is float32 of shape ``(1,)`` or ``(shape[axis],)``; ``zero_point`` is int64 of the
    same shape. ``axis`` is the quantized dimension, which has a meaning only per axis.
    """

    scale: np.ndarray
    zero_point: np.ndarray
    axis: int

    @property
    def per_axis(self) -> bool:
        return self.scale.size > 1

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantization) and (
            self.axis == other.axis
            and np.array_equal(self.scale, other.scale)
            and np.array_equal(self.zero_point, other.zero_point)
        )

    def __repr__(self) -> str:
        if self.per_axis:
            return f"Quantization({self.scale.size} scales along axis {self.axis})"
        return f"Quantization(scale={float(self.scale[0])!r}, zero_point={int(self.zero_point[0])})"


@dataclass(frozen=True)
class Tensor:
    """One tensor of a subgraph. ``shape_signature`` holds -1 where a dimension is dynamic.

    ``file_shape`` is None, or the file's where ``shape`` is the one that the tensor had in a run.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    shape_signature: tuple[int, ...]
    dtype: str
    buffer: int
    quantization: Quantization | None = None
    is_variable: bool = False
    sparsity: Sparsity | None = None
    raw: memoryview | None = field(default=None, repr=False, compare=False)
    file_shape: tuple[int, ...] | None = field(default=None, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        """To be pickled: ``raw`` is copied, and what was made of it is made anew."""
        state = {one.name: getattr(self, one.name) for one in fields(self)}
        return state | {"raw": None if self.raw is None else bytes(self.raw)}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        raw = state["raw"]
        vars(self).update(state, raw=None if raw is None else memoryview(raw))

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        """dtype of arrays that hold this tensor's values.

        Raises:
            NotReplayed: numpy has no such type (resource, variant, bfloat16, ...).
        """
        if self.dtype not in NUMPY_TYPES:
            raise NotReplayed(f"tensor {self.label}: numpy has no type for {self.dtype}")
        return np.dtype(NUMPY_TYPES[self.dtype])

    @property
    def is_sparse(self) -> bool:
        return self.sparsity is not None

    @property
    def is_constant(self) -> bool:
        return self.raw is not None

    @property
    def label(self) -> str:
        """Index and name, for messages."""
        return f"{self.index} ({short_name(self.name)})" if self.name else str(self.index)

    @property
    def code_range(self) -> tuple[int, int]:
        """Lowest and highest value of an integer type."""
        info = np.iinfo(self.numpy_dtype)
        bits = PACKED_BITS.get(self.dtype, info.bits)
        return int(info.min) >> (info.bits - bits), int(info.max) >> (info.bits - bits)

    @property
    def scale(self) -> float:
        """The per-tensor scale: a float32 value, held in a Python float.

        Raises:
            NotReplayed: the tensor has no quantization parameters, or one scale for each channel.
        """
        return float(self._per_tensor.scale[0])

    @property
    def zero_point(self) -> int:
        return int(self._per_tensor.zero_point[0])

    @property
    def _per_tensor(self) -> Quantization:
        if self.quantization is None:
            raise NotReplayed(f"tensor {self.label} has no quantization parameters")
        if self.quantization.per_axis:
            raise NotReplayed(f"tensor {self.label} is quantized per axis, not per tensor")
        return self.quantization

    @cached_property
    def data(self) -> np.ndarray | None:
        """The constant value, read-only, of shape ``shape``; None for an activation.

        Raises:
            NotReplayed: numpy has no such type, a sparse tensor's values do not fit its tree, or
                there are none, of a shape that is too large for numpy.
        """
        if self.raw is None:
            return None
        dtype = self.numpy_dtype.newbyteorder("<")
        if self.dtype == "string":
            array = np.array(unpack_strings(self.raw), dtype)
        elif self.dtype in PACKED_BITS:
            array = unpack_bits(self.raw, PACKED_BITS[self.dtype], dtype)
        else:
            array = np.frombuffer(self.raw, dtype)
        if self.sparsity is not None:
            array = self._dense(array, self.sparsity)
        try:
            array = array[: math.prod(self.shape)].reshape(self.shape)
        except ValueError as error:
            raise NotReplayed(f"tensor {self.label} of shape {list(self.shape)}: {error}") from None
        array.flags.writeable = False
        return array

    def _dense(self, values: np.ndarray, sparsity: Sparsity) -> np.ndarray:
        """The sparse values in their places, and 0 elsewhere."""
        try:
            dense = np.zeros(self.shape, values.dtype)
            places = sparsity.places(self.shape)
            dense[tuple(places.T)] = values[: len(places)]
        except (IndexError, ValueError) as error:
            raise NotReplayed(f"sparse tensor {self.label}: {error}") from None
        return dense.reshape(-1)


def short_name(name: str) -> str:
    """A name in a message: no more than 80 characters, all of them printable."""
    if len(name) > 80:
        name = f"{name[:38]}...{name[-39:]}"
    if name.isprintable():
        return name
    return "".join(letter if letter.isprintable() else "?" for letter in name)


@dataclass(frozen=True)
class Operator:
    """One operator. ``name`` is the builtin operator's name, or ``CUSTOM:code``.

    ``options`` holds every field of the operator's option table, in snake case; enums are their
    names. ``options_table`` is that table's name in the schema, empty where there is none. -1 in
    ``inputs`` is an optional input left out.
    """

    index: int
    name: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    custom_options: bytes = field(default=b"", repr=False)
    intermediates: tuple[int, ...] = ()
    options_table: str = ""


@dataclass(frozen=True)
class Subgraph:
    index: int
    name: str
    tensors: tuple[Tensor, ...] = field(repr=False)
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    operators: tuple[Operator, ...] = field(repr=False)

    def __repr__(self) -> str:
        return (
            f"Subgraph({self.index} {self.name!r}: {len(self.operators)} operators, "
            f"{len(self.tensors)} tensors, inputs {self.inputs}, outputs {self.outputs})"
        )


def as_run(graph: Subgraph, tensors: Mapping[int, np.ndarray]) -> Subgraph:
    """The graph with the shapes that its activations had in a run.

    A file may hold other ones: ``()`` is also what stands for an unknown rank.
    """
    found = {
        i: array.shape
        for i, array in tensors.items()
        if array.shape != graph.tensors[i].shape and not graph.tensors[i].is_constant
    }
    if not found:
        return graph
    seen = list(graph.tensors)
    for index, shape in found.items():
        was = seen[index]
        file_shape = was.shape if was.file_shape is None else was.file_shape
        seen[index] = replace(was, shape=shape, file_shape=file_shape)
    return replace(graph, tensors=tuple(seen))


@dataclass(frozen=True)
class Signature:
    """A named entry point: argument names to tensor indices of one subgraph."""

    key: str
    subgraph: int
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]


@dataclass(frozen=True)
class Model:
    """A whole .tflite file. ``content`` is its bytes, which a runtime is given to run."""

    path: Path
    sha256: str
    description: str
    subgraphs: tuple[Subgraph, ...]
    content: bytes = field(repr=False, compare=False)
    signatures: tuple[Signature, ...] = ()
    metadata: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def main(self) -> Subgraph:
        """The subgraph that an interpreter's ``invoke()`` runs."""
        return self.subgraphs[0]

    def as_run(self, tensors: Mapping[int, np.ndarray]) -> Model:
        """The model with the shapes that the main subgraph's activations had in a run."""
        return replace(self, subgraphs=(as_run(self.main, tensors), *self.subgraphs[1:]))

    def __repr__(self) -> str:
        graphs = ", ".join(repr(graph) for graph in self.subgraphs)
        return f"Model({self.path.name!r}, {graphs})"
