"""Ops as tables: an output for each of 256 or 65,536 codes, or of 65,536 pairs of 8-bit codes."""

from __future__ import annotations

from typing import Any

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.model import Tensor


def every_code(dtype: np.dtype[Any]) -> Array:
    """Each code of an integer type of 8 or 16 bits, in the order of the codes' bytes."""
    return np.arange(1 << 8 * dtype.itemsize, dtype=_unsigned(dtype)).view(dtype)


def centred_codes(tensor: Tensor) -> Array:
    """``code - zero_point`` of each code, int64, in the order of the codes' bytes."""
    return every_code(tensor.numpy_dtype).astype(np.int64) - tensor.zero_point


def look_up(codes: Array, table: Array) -> Array:
    """The table's entry for every code: shape of ``codes``, dtype of ``table``.

    The table is indexed by the code's bytes, read as an unsigned number. The result may be
    read-only.
    """
    if (codes.itemsize, table.itemsize) != (1, 1):
        return np.asarray(table.take(codes.view(_unsigned(codes.dtype))))
    # bytes.translate is 1.5 times as fast as np.take, which widens every index to 64 bits first.
    return np.ndarray(codes.shape, table.dtype, codes.tobytes().translate(table.tobytes()))


def _unsigned(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(f"u{dtype.itemsize}")


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
