"""RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR of the optimized kernels."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.kernels import resize as reference
from tflreplay.kernels.call import Call
from tflreplay.kernels.resize import corners, real_taps, taps


def resize_bilinear(call: Call, x: Array, size: Array) -> Array:
    """float32 or uint8: each corner times its weight, which is rounded to float32 first.

    The sum runs row by row; uint8 adds 0.5 and is cut. float32 to twice the size, no option set:
    means of two corners, and of two such means. ``ResizeBilinearGeneric``, ``...SmallChannel`` and
    ``ResizeBilinearKernel2x2`` in ``tflite/kernels/internal/optimized/resize_bilinear.h``. Its code
    for uint8 to eight times the size gives the same, since all weights are exact there.
    """
    rows, columns = taps(call, x, size, real_taps)
    a, b, c, d = corners(x, rows, columns)
    dy, dx = rows.weight[:, None, None], columns.weight[:, None]
    if x.dtype == np.float32 and _plain(call) and tuple(size) == (2 * x.shape[1], 2 * x.shape[2]):
        half = np.float32(0.5)
        left, right = np.where(dy > 0, (a + c) * half, a), np.where(dy > 0, (b + d) * half, b)
        return np.where(dx > 0, (left + right) * half, left)
    near_y, near_x = 1 - dy, 1 - dx
    output = a * (near_y * near_x) + b * (near_y * dx) + c * (dy * near_x) + d * (dy * dx)
    return np.asarray(output if x.dtype == np.float32 else output + np.float32(0.5)).astype(x.dtype)


def resize_nearest_neighbor(call: Call, x: Array, size: Array) -> Array:
    """8-bit types, no option set: ``x[(i * ((inputs << 16) // outputs + 1)) >> 16]``.

    ``ResizeNearestNeighbor`` in ``tflite/kernels/internal/optimized/optimized_ops.h``.
    """
    if not _plain(call):
        return reference.resize_nearest_neighbor(call, x, size)
    rows, columns = (
        np.minimum(np.arange(outputs) * ((inputs << 16) // outputs + 1) >> 16, inputs - 1)
        for inputs, outputs in zip(x.shape[1:3], size.tolist(), strict=True)
    )
    return x[:, rows[:, None], columns]


def _plain(call: Call) -> bool:
    return not (call.option("align_corners") or call.option("half_pixel_centers"))
