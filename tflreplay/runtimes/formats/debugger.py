"""The flatbuffer of TFLM's layer-by-layer debugger.

Its schema is ``tensorflow/lite/micro/tools/layer_by_layer_schema.fbs`` of tflite-micro, and
``layer_by_layer.cc`` writes it. It has no file identifier, and is known by the form of its root.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from math import prod
from pathlib import Path

import numpy as np
from flatbuffers import number_types
from flatbuffers.table import Table

from tflreplay.ground.errors import InputError
from tflreplay.runtimes.formats.found import Found

# enum TensorTypes; what numpy does not have is left out.
_TYPES = {
    0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 6: "bool", 7: "int16",
    8: "complex64", 9: "int8", 10: "float64", 11: "complex128", 12: "uint64", 15: "uint32",
    16: "uint16",
}  # fmt: skip
# Places of the fields in a vtable.
_INPUT_DATA, _SUBGRAPH_DATA = 4, 6
_OUTPUTS, _SUBGRAPH_INDEX = 4, 6
_TENSOR_INDEX, _SHAPE, _DTYPE, _DATA, _NUM_BYTES = 6, 8, 10, 12, 14


def is_one(content: bytes) -> bool:
    """Whether the root is a table of two references, as ``ModelTestData`` is."""
    if len(content) < 16:
        return False
    (root,) = struct.unpack_from("<I", content)
    if root + 12 > len(content):
        return False
    (back,) = struct.unpack_from("<i", content, root)
    vtable = root - back
    if not 4 <= vtable <= len(content) - 8:
        return False
    size, table, *fields = struct.unpack_from("<4H", content, vtable)
    return (size, table) == (8, 12) and sorted(fields) == [4, 8]


def read(path: Path, content: bytes) -> list[Found]:
    """The inputs, and the op outputs of the main subgraph.

    Raises:
        InputError: the file is damaged or cut short.
    """
    try:
        root = Table(bytearray(content), struct.unpack_from("<I", content)[0])
        tensors = [*_tables(root, _INPUT_DATA)]
        for subgraph in _tables(root, _SUBGRAPH_DATA):
            if _scalar(subgraph, _SUBGRAPH_INDEX, number_types.Uint32Flags) == 0:
                tensors += _tables(subgraph, _OUTPUTS)
        return [_found(path, tensor) for tensor in tensors]
    except (struct.error, ValueError, IndexError, TypeError, OverflowError) as error:
        raise InputError(
            f"{path}: a file of TFLM's layer-by-layer debugger, damaged or cut short ({error}); "
            "copy or write it again"
        ) from None


def _found(path: Path, tensor: Table) -> Found:
    index = _scalar(tensor, _TENSOR_INDEX, number_types.Uint32Flags)
    code = _scalar(tensor, _DTYPE, number_types.Int8Flags)
    name = f"tensor_{index}"
    if code not in _TYPES:
        raise ValueError(f"{name} is of type {code}, which holds no numbers here")
    dtype = np.dtype(_TYPES[code])
    shape = [
        number
        for (number,) in struct.iter_unpack("<i", _bytes(tensor, _SHAPE, 4))
    ]  # fmt: skip
    data = _bytes(tensor, _DATA, 1)
    told = _scalar(tensor, _NUM_BYTES, number_types.Uint32Flags)
    if min(shape, default=1) < 0 or not len(data) == told == prod(shape) * dtype.itemsize:
        raise ValueError(f"{name} {shape} of {told} bytes holds {len(data)}")
    values = np.frombuffer(data, dtype.newbyteorder("<")).reshape(shape)
    return Found(name, f"{path}[{name}]", values, shaped=True)


def _tables(table: Table, field: int) -> Iterator[Table]:
    offset = table.Offset(field)
    if offset:
        start = table.Vector(offset)
        for position in range(_length(table, offset, 4)):
            yield Table(table.Bytes, table.Indirect(start + 4 * position))


def _bytes(table: Table, field: int, width: int) -> bytes:
    """A vector's elements of ``width`` bytes each; empty where it is left out."""
    offset = table.Offset(field)
    if not offset:
        return b""
    start = table.Vector(offset)
    return bytes(table.Bytes[start : start + width * _length(table, offset, width)])


def _length(table: Table, offset: int, width: int) -> int:
    """A vector's length, which must lie in the file: nothing is made that it only claims."""
    length: int = table.VectorLen(offset)
    if table.Vector(offset) + width * length > len(table.Bytes):
        raise ValueError(f"a vector of {length} elements ends after the file")
    return length


def _scalar(table: Table, field: int, flags: type) -> int:
    offset = table.Offset(field)
    return int(table.Get(flags, offset + table.Pos)) if offset else 0
