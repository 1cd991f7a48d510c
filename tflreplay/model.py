"""Read a .tflite flatbuffer into frozen records.

The only file that reads the flatbuffer (:mod:`tflreplay.writer` writes it). Everything read is
checked: an index that points nowhere, a constant of the wrong size or a file cut short is a
:class:`~tflreplay.errors.ModelError` that names the file and the place, never a later surprise.

Records are keyed by index within their subgraph; names are labels only, since real models have
duplicate and empty ones.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import tflite

from tflreplay.errors import ModelError, NotReplayed
from tflreplay.schema import BUILTIN_NAMES, ENUM_FIELDS, OPTION_TABLES, TYPE_NAMES, VERSION, fields

MAX_RANK = 32  # numpy 1's limit; no TFLite kernel goes beyond 8

# Types of tensors that stand for something else, and hold no data.
HANDLES = ("resource", "variant")
# Bits of the types that are packed, several elements to a byte; unpacked in a decoded array.
_PACKED_BITS = {"int2": 2, "int4": 4, "uint4": 4}
# Numpy dtype of a decoded array.
_NUMPY_TYPES: dict[str, type[Any]] = {
    "float16": np.float16,
    "float32": np.float32,
    "float64": np.float64,
    "complex64": np.complex64,
    "complex128": np.complex128,
    "int2": np.int8,
    "int4": np.int8,
    "int8": np.int8,
    "int16": np.int16,
    "int32": np.int32,
    "int64": np.int64,
    "uint4": np.uint8,
    "uint8": np.uint8,
    "uint16": np.uint16,
    "uint32": np.uint32,
    "uint64": np.uint64,
    "bool": np.bool_,
    "string": np.object_,
}


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
    """One tensor of a subgraph. ``shape_signature`` holds -1 where a dimension is dynamic."""

    index: int
    name: str
    shape: tuple[int, ...]
    shape_signature: tuple[int, ...]
    dtype: str
    buffer: int
    quantization: Quantization | None = None
    is_variable: bool = False
    is_sparse: bool = False
    raw: memoryview | None = field(default=None, repr=False, compare=False)

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        """dtype of arrays that hold this tensor's values.

        Raises:
            NotReplayed: numpy has no such type (resource, variant, bfloat16, ...).
        """
        if self.dtype not in _NUMPY_TYPES:
            raise NotReplayed(f"tensor {self.label}: numpy has no type for {self.dtype}")
        return np.dtype(_NUMPY_TYPES[self.dtype])

    @property
    def is_constant(self) -> bool:
        return self.raw is not None

    @property
    def label(self) -> str:
        """Index and name, for messages."""
        return f"{self.index} ({_short(self.name)})" if self.name else str(self.index)

    @property
    def code_range(self) -> tuple[int, int]:
        """Lowest and highest value of an integer type."""
        info = np.iinfo(self.numpy_dtype)
        bits = _PACKED_BITS.get(self.dtype, info.bits)
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
            NotReplayed: numpy has no such type, or the values are stored as a sparse matrix.
        """
        if self.raw is None:
            return None
        if self.is_sparse:
            raise NotReplayed(f"tensor {self.label} is sparse")
        dtype = self.numpy_dtype.newbyteorder("<")
        if self.dtype == "string":
            array = np.array(_unpack_strings(self.raw), dtype)
        elif self.dtype in _PACKED_BITS:
            array = _unpack_bits(self.raw, _PACKED_BITS[self.dtype], dtype)
        else:
            array = np.frombuffer(self.raw, dtype)
        array = array[: math.prod(self.shape)].reshape(self.shape)
        array.flags.writeable = False
        return array


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

    def __repr__(self) -> str:
        graphs = ", ".join(repr(graph) for graph in self.subgraphs)
        return f"Model({self.path.name!r}, {graphs})"


def load(path: str | Path) -> Model:
    """Read and check a .tflite file.

    Raises:
        ModelError: the file cannot be read, is not a .tflite flatbuffer, is cut short, or is
            inconsistent with itself.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot read the model: {error.strerror}") from None
    return parse(content, path)


def parse(content: bytes, path: Path) -> Model:
    """The model held in ``content``; ``path`` names it in errors.

    Raises:
        ModelError: as :func:`load`.
    """
    if len(content) < 8 or content[4:8] != b"TFL3":
        raise ModelError(
            f"{path}: not a .tflite model: bytes 4-8 should be 'TFL3'; "
            "give the file that the TensorFlow Lite converter wrote"
        )
    try:
        return _Reader(path, content).model()
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    except (struct.error, ValueError, IndexError, TypeError, OverflowError, UnicodeError) as error:
        raise ModelError(
            f"{path}: the flatbuffer is damaged or cut short ({error}); copy or export it again"
        ) from None


def truncated(content: bytes, operators: int) -> bytes:
    """A copy of the model file ``content`` whose main subgraph ends after ``operators`` operators.

    Only the length in front of the subgraph's vector of operators is changed, so every index stays
    as it is. ``content`` is a model that :func:`parse` accepts.

    Raises:
        ValueError: the main subgraph has fewer operators than that.
    """
    graph = tflite.Model.GetRootAs(content, 0).Subgraphs(0)
    if not 0 <= operators <= graph.OperatorsLength():
        raise ValueError(f"{operators} operators of {graph.OperatorsLength()}")
    if operators == graph.OperatorsLength():
        return content
    # Slot 10 is the field "operators" of the schema's table SubGraph.
    length = graph._tab.Vector(graph._tab.Offset(10)) - 4
    return content[:length] + struct.pack("<I", operators) + content[length + 4 :]


def with_outputs(content: bytes, outputs: Sequence[int]) -> bytes:
    """A copy of the model file whose main subgraph has these tensors as its outputs.

    ``content`` is a model that :func:`parse` accepts, and that has outputs.
    """
    graph = tflite.Model.GetRootAs(content, 0).Subgraphs(0)
    # Slot 8 is the field "outputs" of the schema's table SubGraph: an offset from its own place.
    place = graph._tab.Pos + graph._tab.Offset(8)
    patched = bytearray(content + bytes(-len(content) % 4))
    struct.pack_into("<I", patched, place, len(patched) - place)
    return bytes(patched) + struct.pack(f"<I{len(outputs)}i", len(outputs), *outputs)


def with_valid_axes(content: bytes) -> tuple[bytes, list[str]]:
    """A copy of the model file in which every quantized axis exists, and the tensors changed.

    Old converters wrote a filter's axis on its bias, which has only one; no arithmetic reads it
    there, but runtimes of 2025 and later refuse the file. ``content`` is a model that
    :func:`parse` accepts.
    """
    patched = bytearray(content)
    changed = []
    model = tflite.Model.GetRootAs(_Bytes(content), 0)
    for graph in _tables(model, "Subgraphs"):
        for tensor in _tables(graph, "Tensors"):
            quantization = tensor.Quantization()
            if quantization is None or tensor.ShapeLength() != 1 or quantization.ScaleLength() < 2:
                continue
            if quantization.QuantizedDimension() != 0:
                # Slot 16 is the field "quantized_dimension" of the table QuantizationParameters.
                place = quantization._tab.Pos + quantization._tab.Offset(16)
                struct.pack_into("<i", patched, place, 0)
                changed.append(_text(tensor.Name()))
    return (bytes(patched), changed) if changed else (content, changed)


class _Bytes(bytes):
    """File content whose slices never come back short, as a plain bytes slice may.

    It also counts what is read: in a damaged file, many tables can share one huge vector.
    """

    def __init__(self, content: bytes):
        self.allowance = 8 * len(content)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            if not 0 <= key.start <= key.stop <= len(self):
                raise IndexError(f"bytes {key.start} to {key.stop} of a file of {len(self)}")
            self.spend(key.stop - key.start)
        return super().__getitem__(key)

    def spend(self, count: int) -> None:
        self.allowance -= count
        if self.allowance < 0:
            raise IndexError("its tables overlap")


class _Reader:
    """Turns the schema package's accessors into records, checking each reference."""

    def __init__(self, path: Path, content: bytes):
        self.path = path
        self.content = content
        self.table = tflite.Model.GetRootAs(_Bytes(content), 0)

    def model(self) -> Model:
        table = self.table
        if table.Version() != VERSION:
            raise ModelError(f"schema version {table.Version()}, expected {VERSION}")
        self.codes = [_operator_code(code) for code in _tables(table, "OperatorCodes")]
        self.buffers = [
            self._buffer(index, buffer) for index, buffer in enumerate(_tables(table, "Buffers"))
        ]
        subgraphs = tuple(
            self._subgraph(index, graph) for index, graph in enumerate(_tables(table, "Subgraphs"))
        )
        if not subgraphs:
            raise ModelError("the model has no subgraph")
        return Model(
            path=self.path,
            sha256=hashlib.sha256(self.content).hexdigest(),
            description=_text(table.Description()),
            subgraphs=subgraphs,
            content=self.content,
            signatures=tuple(
                self._signature(signature, subgraphs)
                for signature in _tables(table, "SignatureDefs")
            ),
            metadata={
                _text(entry.Name()): bytes(self._buffer_at(entry.Buffer(), "metadata") or b"")
                for entry in _tables(table, "Metadata")
            },
        )

    def _buffer(self, index: int, buffer: Any) -> memoryview | None:
        """A buffer's bytes: inline, or at an absolute offset in files above 2 GB."""
        if buffer.Offset() > 1:
            return self._stretch(buffer.Offset(), buffer.Size(), f"buffer {index}")
        if buffer.DataLength() == 0:
            return None
        # Slot 4 is the field "data" of the schema's table Buffer.
        start = buffer._tab.Vector(buffer._tab.Offset(4))
        return self._stretch(start, buffer.DataLength(), f"buffer {index}")

    def _stretch(self, offset: int, size: int, what: str) -> memoryview:
        if offset + size > len(self.content):
            raise ModelError(
                f"{what} ends at byte {offset + size} of a file of {len(self.content)}: "
                "it is cut short; copy or export it again"
            )
        return memoryview(self.content)[offset : offset + size]

    def _buffer_at(self, index: int, what: str) -> memoryview | None:
        return self.buffers[_index(index, len(self.buffers), f"{what}: buffer")]

    def _subgraph(self, index: int, graph: Any) -> Subgraph:
        where = f"subgraph {index}"
        tensors = tuple(
            self._tensor(number, tensor, where)
            for number, tensor in enumerate(_tables(graph, "Tensors"))
        )
        count = len(tensors)
        return Subgraph(
            index=index,
            name=_text(graph.Name()),
            tensors=tensors,
            inputs=_indices(graph, "Inputs", count, f"{where} inputs"),
            outputs=_indices(graph, "Outputs", count, f"{where} outputs"),
            operators=tuple(
                self._operator(number, operator, count, where)
                for number, operator in enumerate(_tables(graph, "Operators"))
            ),
        )

    def _tensor(self, index: int, tensor: Any, where: str) -> Tensor:
        name = _text(tensor.Name())
        where = f"{where}, tensor {index} ({_short(name)})"
        if name.encode() != (tensor.Name() or b""):
            raise ModelError(
                f"{where}: its name is not UTF-8, which LiteRT cannot read; "
                "convert the model again with another name for it"
            )
        shape = _numbers(tensor, "Shape")
        signature = _numbers(tensor, "ShapeSignature") or shape
        if len(shape) > MAX_RANK:
            raise ModelError(f"{where}: {len(shape)} dimensions are more than {MAX_RANK}")
        if any(size < 0 for size in shape):
            raise ModelError(f"{where}: shape {list(shape)} has a negative size")
        if len(signature) != len(shape) or any(size < -1 for size in signature):
            raise ModelError(
                f"{where}: shape signature {list(signature[:MAX_RANK])} does not fit {list(shape)}"
            )
        kind, buffer = tensor.Type(), tensor.Buffer()
        if kind not in TYPE_NAMES:
            raise ModelError(f"{where}: unknown tensor type number {kind}")
        data = self._buffer_at(buffer, where)
        record = Tensor(
            index=index,
            name=name,
            shape=shape,
            shape_signature=signature,
            dtype=TYPE_NAMES[kind],
            buffer=buffer,
            quantization=_quantization(tensor.Quantization(), shape, where),
            is_variable=bool(tensor.IsVariable()),
            is_sparse=tensor.Sparsity() is not None,
            raw=data if buffer else None,  # buffer 0 stands for "no data", whatever it holds
        )
        _check_constant(record, where)
        return record

    def _operator(self, index: int, operator: Any, tensors: int, where: str) -> Operator:
        code = _index(operator.OpcodeIndex(), len(self.codes), f"{where}, op {index}: opcode")
        name, version = self.codes[code]
        where = f"{where}, op {index} {name}"
        custom = b""
        if operator.LargeCustomOptionsOffset() > 1:
            offset, size = operator.LargeCustomOptionsOffset(), operator.LargeCustomOptionsSize()
            custom = bytes(self._stretch(offset, size, f"{where}: custom options"))
        elif operator.CustomOptionsLength():
            custom = operator.CustomOptionsAsNumpy().tobytes()
        table, options = _builtin_options(operator)
        return Operator(
            index=index,
            name=name,
            version=version,
            inputs=_indices(operator, "Inputs", tensors, f"{where} inputs", optional=True),
            outputs=_indices(operator, "Outputs", tensors, f"{where} outputs"),
            options=options,
            custom_options=custom,
            intermediates=_indices(
                operator, "Intermediates", tensors, f"{where} intermediates", optional=True
            ),
            options_table=table,
        )

    def _signature(self, signature: Any, subgraphs: tuple[Subgraph, ...]) -> Signature:
        key = _text(signature.SignatureKey())
        where = f"signature {key!r}"
        graph = _index(signature.SubgraphIndex(), len(subgraphs), f"{where}: subgraph")
        count = len(subgraphs[graph].tensors)

        def arguments(field_name: str) -> dict[str, int]:
            return {
                _text(entry.Name()): _index(entry.TensorIndex(), count, f"{where}: tensor")
                for entry in _tables(signature, field_name)
            }

        return Signature(key, graph, arguments("Inputs"), arguments("Outputs"))


def _tables(table: Any, name: str) -> Iterator[Any]:
    get: Callable[[int], Any] = getattr(table, name)
    count = getattr(table, f"{name}Length")()
    table._tab.Bytes.spend(32 * count)  # four times what the smallest table takes
    return (get(i) for i in range(count))


def _vector(table: Any, name: str) -> np.ndarray | None:
    array: np.ndarray | int = getattr(table, f"{name}AsNumpy")()
    if isinstance(array, int):  # 0 stands for a field that is not there
        return None
    table._tab.Bytes.spend(array.nbytes)
    return array


def _numbers(table: Any, name: str) -> tuple[Any, ...]:
    array = _vector(table, name)
    return () if array is None else tuple(array.tolist())


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", errors="replace")


def _short(name: str) -> str:
    """A name in a message: no more than 80 characters, all of them printable."""
    if len(name) > 80:
        name = f"{name[:38]}...{name[-39:]}"
    if name.isprintable():
        return name
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def _index(value: int, count: int, what: str) -> int:
    if not 0 <= value < count:
        raise ModelError(f"{what} {value} is out of range: there are {count}")
    return value


def _indices(
    table: Any, name: str, count: int, what: str, optional: bool = False
) -> tuple[int, ...]:
    return tuple(
        value if optional and value == -1 else _index(value, count, f"{what}: tensor")
        for value in _numbers(table, name)
    )


def _operator_code(code: Any) -> tuple[str, int]:
    """Name and version. The number is the larger of the old 8-bit field and the new one."""
    # Read by hand: the package's BuiltinCode() gives the old field wherever the new one is small.
    table = code._tab
    position = table.Offset(10)
    newer = struct.unpack_from("<i", table.Bytes, table.Pos + position)[0] if position else 0
    number = max(newer, code.DeprecatedBuiltinCode())
    if number == tflite.BuiltinOperator.CUSTOM:
        return f"CUSTOM:{_text(code.CustomCode())}", code.Version()
    return BUILTIN_NAMES.get(number, f"BUILTIN_{number}"), code.Version()


def _quantization(table: Any, shape: tuple[int, ...], where: str) -> Quantization | None:
    scale = None if table is None else _vector(table, "Scale")
    if scale is None or scale.size == 0:
        return None
    scale = scale.astype(np.float32)
    zero_point = _vector(table, "ZeroPoint")
    if zero_point is None:
        zero_point = np.zeros(1, np.int64)
    zero_point = zero_point.astype(np.int64)
    axis = table.QuantizedDimension()
    if zero_point.size == 1 < scale.size:
        zero_point = np.repeat(zero_point, scale.size)
    if zero_point.size != scale.size:
        raise ModelError(f"{where}: {scale.size} scales but {zero_point.size} zero points")
    if not np.isfinite(scale).all():
        raise ModelError(f"{where}: a quantization scale is not finite")
    if shape == (scale.size,):
        axis = 0  # old converters wrote the filter's axis on the bias
    if scale.size > 1 and not (0 <= axis < len(shape) and shape[axis] == scale.size):
        raise ModelError(f"{where}: {scale.size} scales along axis {axis} of shape {list(shape)}")
    scale.flags.writeable = zero_point.flags.writeable = False
    return Quantization(scale, zero_point, axis)


def _check_constant(tensor: Tensor, where: str) -> None:
    """A constant of fixed-size elements must hold exactly its shape's bytes."""
    if tensor.raw is None or tensor.is_sparse or tensor.dtype not in _NUMPY_TYPES:
        return
    elements = math.prod(tensor.shape)
    if tensor.dtype == "string":
        count = len(_unpack_strings(tensor.raw))
        if count != elements:
            raise ModelError(f"{where}: {count} strings for shape {list(tensor.shape)}")
        return
    bits = _PACKED_BITS.get(tensor.dtype, 8 * tensor.numpy_dtype.itemsize)
    expected = (elements * bits + 7) // 8
    if len(tensor.raw) != expected:
        raise ModelError(
            f"{where}: {tensor.dtype}{list(tensor.shape)} needs {expected} bytes of data, "
            f"its buffer holds {len(tensor.raw)}"
        )


def _unpack_bits(raw: memoryview, bits: int, dtype: np.dtype[Any]) -> np.ndarray:
    """Values of 2 or 4 bits, the first one in the lowest bits of a byte."""
    packed = np.frombuffer(raw, dtype)
    # Shifted to the top and back, so that the right shift extends a signed value's sign.
    return np.stack(
        [packed << shift >> (8 - bits) for shift in range(8 - bits, -1, -bits)], axis=-1
    ).reshape(-1)


def _unpack_strings(raw: memoryview) -> list[bytes]:
    """TFLite's string buffer: count, count + 1 offsets (int32), then the bytes."""
    (count,) = struct.unpack_from("<i", raw)
    offsets = struct.unpack_from(f"<{count + 1}i", raw, 4)
    if list(offsets) != sorted(offsets) or offsets[0] < 0 or offsets[-1] > len(raw):
        raise ModelError("a string tensor's offsets do not fit its buffer")
    return [bytes(raw[start:stop]) for start, stop in pairwise(offsets)]


def _builtin_options(operator: Any) -> tuple[str, dict[str, Any]]:
    """The name of the operator's option table, and its fields."""
    unions = [
        (operator.BuiltinOptionsType(), operator.BuiltinOptions()),
        (operator.BuiltinOptions2Type(), operator.BuiltinOptions2()),
    ]
    for names, (number, union) in zip(OPTION_TABLES, unions, strict=True):
        if number != 0 and union is not None and number in names:
            table = getattr(tflite, names[number])()
            table.Init(union.Bytes, union.Pos)
            return names[number], _fields(table)
    return "", {}


def _fields(table: Any) -> dict[str, Any]:
    """Every field of a flatbuffer table."""
    cls = type(table)
    return {key: _field(table, cls, key, name) for key, name in fields(cls).items()}


def _field(table: Any, cls: type, key: str, name: str) -> Any:
    names = ENUM_FIELDS.get(key, {})
    if hasattr(cls, f"{name}AsNumpy"):
        array = _vector(table, name)
        if array is None:
            return ()
        if array.itemsize == 8:
            names = {}
        return tuple(names.get(value, value) for value in array.tolist())
    if hasattr(cls, f"{name}Length"):
        return tuple(_plain(value) for value in _tables(table, name))
    value = getattr(table, name)()
    return names.get(value, _plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return _text(value)
    return _fields(value) if hasattr(value, "_tab") else value
