"""Write frozen records as a .tflite flatbuffer: the inverse of :func:`tflreplay.model.parse`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import flatbuffers
import numpy as np
import tflite

from tflreplay.ground.errors import ModelError
from tflreplay.model import Operator, Quantization, Subgraph, Tensor
from tflreplay.model.schema import (
    BUILTIN_NAMES,
    ENUM_FIELDS,
    OPTION_TABLES,
    TYPE_NAMES,
    VERSION,
    fields,
)

_IDENTIFIER = b"TFL3"
_ALIGNMENT = 16  # of a buffer's data, as the schema demands
_OLD_CODES = 127  # an operator's number in the older, 8-bit field, where it does not fit

_TYPES = {name: number for number, name in TYPE_NAMES.items()}
_BUILTINS = {name: number for number, name in BUILTIN_NAMES.items()}
# Where an option table belongs, by its name: the operator's fields, and the number in their union.
_UNIONS = {
    name: (field, number)
    for field, names in zip(("BuiltinOptions", "BuiltinOptions2"), OPTION_TABLES, strict=True)
    for number, name in names.items()
}


def write(subgraphs: Sequence[Subgraph], description: str = "") -> bytes:
    """A .tflite file of these subgraphs, the first one its main one.

    ``parse(write(model.subgraphs), path).subgraphs == model.subgraphs``. A field left out of an
    operator's ``options`` gets the schema's default. Not in the records, so not in the file:
    signatures, metadata, the recorded minimum and maximum of a tensor.

    Raises:
        ModelError: a record cannot be written: an unknown type, operator, option or option table, a
            sparse tensor, or more than 2 GB.
    """
    try:
        return _Writer().file(subgraphs, description)
    except flatbuffers.builder.BuilderSizeError:
        raise ModelError("the model is larger than the 2 GB that one flatbuffer can hold") from None


class _Writer:
    """A flatbuffer is written from its leaves: what a table refers to comes before the table."""

    def __init__(self) -> None:
        self.builder = flatbuffers.Builder(1024)
        self.codes: dict[tuple[str, int], int] = {}

    def file(self, subgraphs: Sequence[Subgraph], description: str) -> bytes:
        buffers = self._offsets(self._buffer(raw) for raw in _buffers(subgraphs))
        graphs = self._offsets(self._subgraph(graph) for graph in subgraphs)
        codes = self._offsets(self._code(name, version) for name, version in self.codes)
        model = self._table(
            "Model",
            Version=VERSION,
            OperatorCodes=codes,
            Subgraphs=graphs,
            Description=self._text(description),
            Buffers=buffers,
        )
        self.builder.Finish(model, _IDENTIFIER)
        return bytes(self.builder.Output())

    def _buffer(self, raw: memoryview | None) -> int:
        data = None
        if raw is not None:
            self.builder.StartVector(1, len(raw), _ALIGNMENT)
            # As the library's CreateByteVector does it, which cannot align.
            self.builder.head -= len(raw)
            self.builder.Bytes[self.builder.head : self.builder.head + len(raw)] = raw
            data = self.builder.EndVector()
        return self._table("Buffer", Data=data)

    def _code(self, name: str, version: int) -> int:
        builtin, _, custom = name.partition(":")
        number = _BUILTINS.get(builtin)
        if number is None:
            unknown = builtin.removeprefix("BUILTIN_")
            if not unknown.isdecimal():
                raise ModelError(f"operator {name!r} is not in the schema")
            number = int(unknown)
        return self._table(
            "OperatorCode",
            DeprecatedBuiltinCode=min(number, _OLD_CODES),
            CustomCode=self._text(custom),
            Version=version,
            BuiltinCode=number,
        )

    def _subgraph(self, graph: Subgraph) -> int:
        return self._table(
            "SubGraph",
            Tensors=self._offsets(self._tensor(tensor) for tensor in graph.tensors),
            Inputs=self._indices(graph.inputs),
            Outputs=self._indices(graph.outputs),
            Operators=self._offsets(self._operator(op) for op in graph.operators),
            Name=self._text(graph.name),
        )

    def _tensor(self, tensor: Tensor) -> int:
        if tensor.dtype not in _TYPES:
            raise ModelError(f"tensor {tensor.label}: type {tensor.dtype!r} is not in the schema")
        if tensor.is_sparse:
            raise ModelError(f"tensor {tensor.label} is sparse: its layout was not kept")
        dynamic = tensor.shape_signature != tensor.shape
        return self._table(
            "Tensor",
            Shape=self._indices(tensor.shape),
            Type=_TYPES[tensor.dtype],
            Buffer=tensor.buffer,
            Name=self._text(tensor.name),
            Quantization=self._quantization(tensor.quantization),
            IsVariable=tensor.is_variable,
            ShapeSignature=self._indices(tensor.shape_signature) if dynamic else None,
            HasRank=True,
        )

    def _quantization(self, quantization: Quantization | None) -> int | None:
        if quantization is None:
            return None
        return self._table(
            "QuantizationParameters",
            Scale=self._vector(quantization.scale, np.float32),
            ZeroPoint=self._vector(quantization.zero_point, np.int64),
            QuantizedDimension=quantization.axis,
        )

    def _operator(self, op: Operator) -> int:
        options = {}
        if op.options_table:
            options = self._options(op)
        elif op.options:
            raise ModelError(f"op {op.index} {op.name} has options, but names no table for them")
        custom = np.frombuffer(op.custom_options, np.uint8)
        return self._table(
            "Operator",
            OpcodeIndex=self.codes.setdefault((op.name, op.version), len(self.codes)),
            Inputs=self._indices(op.inputs),
            Outputs=self._indices(op.outputs),
            CustomOptions=self._vector(custom, np.uint8) if custom.size else None,
            Intermediates=self._indices(op.intermediates) if op.intermediates else None,
            **options,
        )

    def _options(self, op: Operator) -> dict[str, Any]:
        name = op.options_table
        if name not in _UNIONS:
            raise ModelError(f"op {op.index} {op.name}: the schema has no option table {name!r}")
        names = fields(getattr(tflite, name))
        values = {}
        for key, value in op.options.items():
            if key not in names:
                raise ModelError(f"op {op.index} {op.name}: {name} has no field {key!r}")
            values[names[key]] = self._option(name, names[key], _numbers(key, value))
        union, number = _UNIONS[name]
        return {f"{union}Type": number, union: self._table(name, **values)}

    def _option(self, table: str, field: str, value: Any) -> Any:
        """A number as it is; where what is larger was put."""
        if isinstance(value, str):
            return self.builder.CreateString(value)
        if isinstance(value, tuple):
            return self._vector(value, _element_type(table, field)) if value else None
        return value

    def _table(self, name: str, **values: Any) -> int:
        """A table of the schema; a value is a number or an offset, None leaves the field out."""
        _schema(name, "Start")(self.builder)
        for field, value in values.items():
            if value is not None:
                _schema(name, f"Add{field}")(self.builder, value)
        return int(_schema(name, "End")(self.builder))

    def _text(self, text: str) -> int | None:
        return int(self.builder.CreateString(text)) if text else None

    def _indices(self, values: Sequence[int]) -> int:
        return self._vector(values, np.int32)

    def _vector(self, values: Any, dtype: Any) -> int:
        return int(self.builder.CreateNumpyVector(np.asarray(values, dtype)))

    def _offsets(self, tables: Iterable[int]) -> int:
        offsets = list(tables)
        self.builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self.builder.PrependUOffsetTRelative(offset)
        return int(self.builder.EndVector())


def _buffers(subgraphs: Sequence[Subgraph]) -> list[memoryview | None]:
    """The data of every buffer that a tensor names, at its index."""
    found: dict[int, memoryview | None] = {0: None}
    for tensor in (tensor for graph in subgraphs for tensor in graph.tensors):
        if found.setdefault(tensor.buffer, tensor.raw) != tensor.raw:
            raise ModelError(f"tensor {tensor.label}: another one has other data in its buffer")
    return [found.get(index) for index in range(max(found) + 1)]


def _numbers(key: str, value: Any) -> Any:
    """An option with the names of enums turned into their numbers."""
    names: Mapping[str, int] = {name: number for number, name in ENUM_FIELDS.get(key, {}).items()}
    if isinstance(value, tuple):
        return tuple(names.get(item, item) for item in value)
    return names.get(value, value)


def _element_type(table: str, field: str) -> np.dtype[Any]:
    """The type of a field that is a vector: that of an empty one, read back."""
    builder = flatbuffers.Builder(64)
    builder.StartVector(1, 0, 1)
    vector = builder.EndVector()
    _schema(table, "Start")(builder)
    _schema(table, f"Add{field}")(builder, vector)
    builder.Finish(_schema(table, "End")(builder))
    read = getattr(tflite, table).GetRootAs(builder.Output(), 0)
    array: np.ndarray = getattr(read, f"{field}AsNumpy")()
    return array.dtype


def _schema(table: str, function: str) -> Callable[..., Any]:
    """One of the functions that the schema package has for writing a table."""
    found: Callable[..., Any] = getattr(tflite, f"{table}{function}")
    return found
