"""Read a .tflite flatbuffer into frozen records.

Everything read is checked: an index that points nowhere, a constant of the wrong size or a file cut
short is a :class:`~tflreplay.ground.errors.ModelError` that names the file and the place, never a
later surprise.
"""

from __future__ import annotations

import hashlib
import math
import shlex
import struct
from pathlib import Path
from typing import Any

import numpy as np
import tflite

from tflreplay.ground import c_arrays
from tflreplay.ground.errors import ModelError
from tflreplay.model.buffers import NUMPY_TYPES, PACKED_BITS, unpack_strings
from tflreplay.model.flatbuffer import Bytes, numbers, tables, text, vector
from tflreplay.model.records import (
    Model,
    Operator,
    Quantization,
    Signature,
    Subgraph,
    Tensor,
    short_name,
)
from tflreplay.model.schema import (
    BUILTIN_NAMES,
    ENUM_FIELDS,
    OPTION_TABLES,
    TYPE_NAMES,
    VERSION,
    fields,
)
from tflreplay.model.sparsity import Dimension, Sparsity

MAX_RANK = 32  # numpy 1's limit; no TFLite kernel goes beyond 8


def load(path: str | Path) -> Model:
    """Read and check a .tflite file, or a C source with one in an array, as ``xxd -i`` writes it.

    Raises:
        ModelError: the file cannot be read, is not a .tflite flatbuffer, is cut short, or is
            inconsistent with itself; or the C source does not hold just one.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot read the model: {error.strerror}") from None
    if path.suffix.lower() in c_arrays.SUFFIXES and not _is_model(content):
        content = _in_c(content, path)
    return parse(content, path)


def _is_model(content: bytes) -> bool:
    return content[4:8] == b"TFL3"


def _in_c(source: bytes, path: Path) -> bytes:
    """The model in the one array of a C source that holds a model."""
    try:
        found = c_arrays.arrays(source.decode("utf-8", "replace"))
        of_bytes = [array for array in found if array.dtype in ("int8", "uint8")]
        held = {array.name: array.values().tobytes() for array in of_bytes}
    except c_arrays.CSyntax as error:
        raise ModelError(f"{path}: {error}; copy or export it again") from None
    models = {name: content for name, content in held.items() if _is_model(content)}
    if len(models) != 1:
        names = ", ".join(models or held) or "there are none"
        raise ModelError(
            f"{path}: a C source is a model where one of its arrays of bytes holds one, and "
            f"{len(models)} of these do: {names}; give a .tflite file"
        )
    return next(iter(models.values()))


def parse(content: bytes, path: Path) -> Model:
    """The model held in ``content``; ``path`` names it in errors.

    Raises:
        ModelError: as :func:`load`.
    """
    if not _is_model(content):
        raise ModelError(f"{path}: not a .tflite model: {_what_it_is(content, path)}")
    try:
        return _Reader(path, content).model()
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    except (struct.error, ValueError, IndexError, TypeError, OverflowError, UnicodeError) as error:
        raise ModelError(
            f"{path}: the flatbuffer is damaged or cut short ({error}); copy or export it again"
        ) from None


# What other files start with, from a byte on; what they are, and what to do with them.
_OTHERS = (
    (0, b"\x1f\x8b", "it is a gzip file: gunzip -c {path} > model.tflite"),
    (0, b"PK\x03\x04", "it is a zip archive; give the .tflite file in it: unzip {path}"),
    (4, b"CIR0", "it is a circle model, ONE's own; give the .tflite file that it was made of"),
)
_UNKNOWN = "bytes 4-8 should be 'TFL3'; give the file that the TensorFlow Lite converter wrote"


def _what_it_is(content: bytes, path: Path) -> str:
    name = shlex.quote(str(path))
    for start, magic, words in _OTHERS:
        if content.startswith(magic, start):
            return words.format(path=name)
    # ONNX's ModelProto: field 1, a small version, then a field of bytes, such as who wrote it.
    if len(content) > 2 and content[0] == 8 and content[1] < 32 and content[2] in b"\x12\x3a\x42":
        return f"it looks like an ONNX model; convert it: onnx2tf -i {name}"
    return _UNKNOWN


class _Reader:
    """Turns the schema package's accessors into records, checking each reference."""

    def __init__(self, path: Path, content: bytes):
        self.path = path
        self.content = content
        self.table = tflite.Model.GetRootAs(Bytes(content), 0)

    def model(self) -> Model:
        table = self.table
        if table.Version() != VERSION:
            raise ModelError(f"schema version {table.Version()}, expected {VERSION}")
        self.codes = [_operator_code(code) for code in tables(table, "OperatorCodes")]
        self.buffers = [
            self._buffer(index, buffer) for index, buffer in enumerate(tables(table, "Buffers"))
        ]
        subgraphs = tuple(
            self._subgraph(index, graph) for index, graph in enumerate(tables(table, "Subgraphs"))
        )
        if not subgraphs:
            raise ModelError("the model has no subgraph")
        return Model(
            path=self.path,
            sha256=hashlib.sha256(self.content).hexdigest(),
            description=text(table.Description()),
            subgraphs=subgraphs,
            content=self.content,
            signatures=tuple(
                self._signature(signature, subgraphs)
                for signature in tables(table, "SignatureDefs")
            ),
            metadata={
                text(entry.Name()): bytes(self._buffer_at(entry.Buffer(), "metadata") or b"")
                for entry in tables(table, "Metadata")
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
            for number, tensor in enumerate(tables(graph, "Tensors"))
        )
        count = len(tensors)
        return Subgraph(
            index=index,
            name=text(graph.Name()),
            tensors=tensors,
            inputs=_indices(graph, "Inputs", count, f"{where} inputs"),
            outputs=_indices(graph, "Outputs", count, f"{where} outputs"),
            operators=tuple(
                self._operator(number, operator, count, where)
                for number, operator in enumerate(tables(graph, "Operators"))
            ),
        )

    def _tensor(self, index: int, tensor: Any, where: str) -> Tensor:
        name = text(tensor.Name())
        where = f"{where}, tensor {index} ({short_name(name)})"
        if name.encode() != (tensor.Name() or b""):
            raise ModelError(
                f"{where}: its name is not UTF-8, which LiteRT cannot read; "
                "convert the model again with another name for it"
            )
        shape = numbers(tensor, "Shape")
        signature = numbers(tensor, "ShapeSignature") or shape
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
            sparsity=_sparsity(tensor.Sparsity()),
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
        key = text(signature.SignatureKey())
        where = f"signature {key!r}"
        graph = _index(signature.SubgraphIndex(), len(subgraphs), f"{where}: subgraph")
        count = len(subgraphs[graph].tensors)

        def arguments(field_name: str) -> dict[str, int]:
            return {
                text(entry.Name()): _index(entry.TensorIndex(), count, f"{where}: tensor")
                for entry in tables(signature, field_name)
            }

        return Signature(key, graph, arguments("Inputs"), arguments("Outputs"))


def _index(value: int, count: int, what: str) -> int:
    if not 0 <= value < count:
        raise ModelError(f"{what} {value} is out of range: there are {count}")
    return value


def _indices(
    table: Any, name: str, count: int, what: str, optional: bool = False
) -> tuple[int, ...]:
    return tuple(
        value if optional and value == -1 else _index(value, count, f"{what}: tensor")
        for value in numbers(table, name)
    )


def _operator_code(code: Any) -> tuple[str, int]:
    """Name and version. The number is the larger of the old 8-bit field and the new one."""
    # Read by hand: the package's BuiltinCode() gives the old field wherever the new one is small.
    table = code._tab
    position = table.Offset(10)
    newer = struct.unpack_from("<i", table.Bytes, table.Pos + position)[0] if position else 0
    number = max(newer, code.DeprecatedBuiltinCode())
    if number == tflite.BuiltinOperator.CUSTOM:
        return f"CUSTOM:{text(code.CustomCode())}", code.Version()
    return BUILTIN_NAMES.get(number, f"BUILTIN_{number}"), code.Version()


def _quantization(table: Any, shape: tuple[int, ...], where: str) -> Quantization | None:
    scale = None if table is None else vector(table, "Scale")
    if scale is None or scale.size == 0:
        return None
    scale = scale.astype(np.float32)
    zero_point = vector(table, "ZeroPoint")
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


def _sparsity(table: Any) -> Sparsity | None:
    if table is None:
        return None
    dimensions = tuple(_dimension(each) for each in tables(table, "DimMetadata"))
    return Sparsity(numbers(table, "TraversalOrder"), numbers(table, "BlockMap"), dimensions)


def _dimension(table: Any) -> Dimension:
    if table.Format() == tflite.DimensionType.DENSE:
        return Dimension(table.DenseSize())
    segments = _index_vector(table.ArraySegmentsType(), table.ArraySegments())
    indices = _index_vector(table.ArrayIndicesType(), table.ArrayIndices())
    return Dimension(table.DenseSize(), segments, indices)


def _index_vector(number: int, union: Any) -> tuple[int, ...]:
    """The values of a ``SparseIndexVector``, whatever their width."""
    vectors = {
        tflite.SparseIndexVector.Int32Vector: tflite.Int32Vector,
        tflite.SparseIndexVector.Uint16Vector: tflite.Uint16Vector,
        tflite.SparseIndexVector.Uint8Vector: tflite.Uint8Vector,
    }
    if union is None or number not in vectors:
        return ()
    table = vectors[number]()
    table.Init(union.Bytes, union.Pos)
    return numbers(table, "Values")


def _check_constant(tensor: Tensor, where: str) -> None:
    """A constant of fixed-size elements must hold exactly its shape's bytes."""
    if tensor.raw is None or tensor.is_sparse or tensor.dtype not in NUMPY_TYPES:
        return
    elements = math.prod(tensor.shape)
    if tensor.dtype == "string":
        count = len(unpack_strings(tensor.raw))
        if count != elements:
            raise ModelError(f"{where}: {count} strings for shape {list(tensor.shape)}")
        return
    bits = PACKED_BITS.get(tensor.dtype, 8 * tensor.numpy_dtype.itemsize)
    expected = (elements * bits + 7) // 8
    if len(tensor.raw) != expected:
        raise ModelError(
            f"{where}: {tensor.dtype}{list(tensor.shape)} needs {expected} bytes of data, "
            f"its buffer holds {len(tensor.raw)}"
        )


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
        array = vector(table, name)
        if array is None:
            return ()
        if array.itemsize == 8:
            names = {}
        return tuple(names.get(value, value) for value in array.tolist())
    if hasattr(cls, f"{name}Length"):
        return tuple(_plain(value) for value in tables(table, name))
    value = getattr(table, name)()
    return names.get(value, _plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return text(value)
    return _fields(value) if hasattr(value, "_tab") else value
