"""XNNPACK's RESIZE_BILINEAR.

Rounding by hand, one float32 operation at a time, as its x86 kernels do. Sources are files of
XNNPACK.
"""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.kernels.call import Call
from tflreplay.kernels.resize import Taps, corners, taps

_BITS = 11


def _taps(inputs: int, outputs: int, aligned: bool, half: bool) -> Taps:
    """Positions in float32, moved to the inputs; ``src/indirection.c``."""
    scale = np.float32(inputs - aligned) / np.float32(outputs - aligned)
    position = np.arange(outputs, dtype=np.float32) * scale
    if half:
        position += np.float32(0.5) * scale - np.float32(0.5)
    position = position.clip(0, inputs - 1)
    lower = position.astype(np.int32)
    return Taps(lower, np.minimum(lower + 1, inputs - 1), position)


def resize_bilinear(call: Call, x: Array, size: Array) -> Array:
    """float32: ``left + (right - left) * weight`` of two columns, then of the two rows.

    ``src/f32-ibilinear/sse.c.in``.
    """
    rows, columns = taps(call, x, size, _taps)
    a, b, c, d = corners(x, rows, columns)
    dx = columns.weight[:, None]
    top, bottom = a + (b - a) * dx, c + (d - c) * dx
    return np.asarray(top + (bottom - top) * rows.weight[:, None, None])


def resize_bilinear_fixed(call: Call, x: Array, size: Array) -> Array:
    """8-bit types: the same with weights of 11 bits, rounded half to even; ties of the sum go up.

    ``src/s8-ibilinear/scalar.c.in``.
    """
    rows, columns = taps(call, x, size, _taps)
    dy, dx = (np.rint(t.weight * 2**_BITS).astype(np.int32) for t in (rows, columns))
    a, b, c, d = (corner.astype(np.int32) for corner in corners(x, rows, columns))
    top, bottom = ((p << _BITS) + (q - p) * dx[:, None] for p, q in ((a, b), (c, d)))
    total = (top << _BITS) + (bottom - top) * dy[:, None, None]
    return np.asarray((total + (1 << (2 * _BITS - 1))) >> (2 * _BITS)).astype(x.dtype)
