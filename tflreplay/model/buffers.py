"""How a tensor's values lie in its buffer."""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Any

import numpy as np

from tflreplay.ground.errors import ModelError

# Bits of the types that are packed, several elements to a byte; unpacked in a decoded array.
PACKED_BITS = {"int2": 2, "int4": 4, "uint4": 4}

# Numpy dtype of a decoded array.
NUMPY_TYPES: dict[str, type[Any]] = {
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


def unpack_bits(raw: memoryview, bits: int, dtype: np.dtype[Any]) -> np.ndarray:
    """Values of 2 or 4 bits, the first one in the lowest bits of a byte."""
    packed = np.frombuffer(raw, dtype)
    # Shifted to the top and back, so that the right shift extends a signed value's sign.
    return np.stack(
        [packed << shift >> (8 - bits) for shift in range(8 - bits, -1, -bits)], axis=-1
    ).reshape(-1)


def unpack_strings(raw: memoryview) -> list[bytes]:
    """TFLite's string buffer: count, count + 1 offsets (int32), then the bytes."""
    (count,) = struct.unpack_from("<i", raw)
    offsets = struct.unpack_from(f"<{count + 1}i", raw, 4)
    if list(offsets) != sorted(offsets) or offsets[0] < 0 or offsets[-1] > len(raw):
        raise ModelError("a string tensor's offsets do not fit its buffer")
    return [bytes(raw[start:stop]) for start, stop in pairwise(offsets)]
