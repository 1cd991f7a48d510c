"""8-bit ops as tables: 256 outputs for a unary one, 65,536 for an elementwise binary one."""

from __future__ import annotations

from typing import Any

import numpy as np

from tflreplay.model import Tensor
from tflreplay.rounding import Array


def centred_codes(tensor: Tensor) -> Array:
    """``code - zero_point`` of each of the 256 codes, int64, in the order of the codes' bytes."""
    codes = np.arange(256, dtype=np.uint8).view(tensor.numpy_dtype)
    return codes.astype(np.int64) - tensor.zero_point


def look_up(codes: Array, table: Array) -> Array:
    """The table's entry for every code: shape of ``codes``, dtype of ``table`` (8-bit both).

    The table is indexed by the code's byte. The result is read-only.
    """
    # bytes.translate is 1.5 times as fast as np.take, which widens every index to 64 bits first.
    return np.ndarray(codes.shape, table.dtype, codes.tobytes().translate(table.tobytes()))


# Indices made at a time: they stay in the first-level cache.
_BLOCK = 16384


def pair_codes(a: np.dtype[Any], b: np.dtype[Any]) -> tuple[Array, Array]:
    """Every pair of 8-bit codes, in the order of their bytes: ``(256, 1)`` and ``(1, 256)``."""
    every = np.arange(256, dtype=np.uint8)
    return every.view(a)[:, None], every.view(b)[None, :]


def look_up_pairs(a: Array, b: Array, table: Array) -> Array:
    """The entry for every pair: a, b 8-bit codes of one shape, table ``(256, 256)`` by byte."""
    output = np.empty(a.shape, table.dtype)
    flat, left, right = output.reshape(-1), a.reshape(-1), b.reshape(-1)
    for start in range(0, flat.size, _BLOCK):
        part = slice(start, start + _BLOCK)
        index = left[part].view(np.uint8).astype(np.uint16)
        index <<= 8
        index |= right[part].view(np.uint8)
        table.take(index, out=flat[part], mode="clip")
    return output
