"""RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR of the reference kernels.

Inputs are NHWC, and ``size`` is (height, width). Where a pixel of the output stands in the input,
``position``, depends on ``half_pixel_centers`` and ``align_corners``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Array, round_half_away
from tflreplay.kernels.call import Call


@dataclass(frozen=True)
class Taps:
    """Along one dimension, for each output: the two inputs it lies between, and where.

    ``position`` is that of the output in units of the kernel, of which ``one`` is an input's width.
    """

    lower: Array
    upper: Array
    position: Array
    one: int = 1

    @property
    def weight(self) -> Array:
        """Of the upper input; the lower one has the rest."""
        return np.asarray(self.position - self.lower.astype(self.position.dtype) * self.one)


def corners(x: Array, rows: Taps, columns: Taps) -> tuple[Array, Array, Array, Array]:
    """The four inputs around each output: upper left, upper right, lower left, lower right."""
    upper, lower = x[:, rows.lower], x[:, rows.upper]
    return (
        upper[:, :, columns.lower],
        upper[:, :, columns.upper],
        lower[:, :, columns.lower],
        lower[:, :, columns.upper],
    )


def taps(call: Call, x: Array, size: Array, along: Callable[..., Taps]) -> tuple[Taps, Taps]:
    """The taps of the rows and of the columns.

    Raises:
        NotReplayed: ``align_corners`` together with ``half_pixel_centers``.
    """
    aligned, half = call.option("align_corners"), call.option("half_pixel_centers")
    if aligned and half:
        raise NotReplayed(f"{call.op.name} with both align_corners and half_pixel_centers")
    rows, columns = (
        along(inputs, outputs, aligned and outputs > 1, half)
        for inputs, outputs in zip(x.shape[1:3], size.tolist(), strict=True)
    )
    return rows, columns


def real_taps(inputs: int, outputs: int, aligned: bool, half: bool) -> Taps:
    """``scale = inputs / outputs`` and ``position = i * scale``, in float32.

    ``ComputeInterpolationValues`` in ``tflite/kernels/internal/reference/resize_bilinear.h``.
    """
    scale = np.float32(inputs - aligned) / np.float32(outputs - aligned)
    i = np.arange(outputs, dtype=np.float32)
    position = (i + np.float32(0.5)) * scale - np.float32(0.5) if half else i * scale
    lower = np.maximum(np.floor(position).astype(np.int32), 0)
    upper = np.minimum(np.ceil(position).astype(np.int32), inputs - 1)
    return Taps(lower, upper, position)


def fixed_taps(inputs: int, outputs: int, aligned: bool, half: bool) -> Taps:
    """As :func:`real_taps`, with 10 fractional bits; ``scale`` is rounded half up.

    ``ComputeInterpolationValuesInteger``, same file.
    """
    steps = outputs - aligned
    scale = (1024 * (inputs - aligned) + steps // 2) // steps
    position = np.arange(outputs, dtype=np.int64) * scale
    if half:
        position += scale // 2 - 512
    # A position before the first input is cut toward it, as C divides.
    lower = np.maximum(position, 0) // 1024
    upper = np.minimum(np.maximum(position + 1023, 0) // 1024, inputs - 1)
    return Taps(lower, upper, position, 1024)


def resize_bilinear(call: Call, x: Array, size: Array) -> Array:
    """float32 or uint8: each corner times its row's weight, then its column's, in float32.

    The sum runs down the left column, then down the right one. uint8 adds 0.5 and is cut.
    ``ResizeBilinear`` in ``tflite/kernels/internal/reference/resize_bilinear.h``.
    """
    rows, columns = taps(call, x, size, real_taps)
    dy, dx = rows.weight[:, None, None], columns.weight[:, None]
    near_y, near_x = 1 - dy, 1 - dx
    a, b, c, d = corners(x, rows, columns)
    output = a * near_y * near_x + c * dy * near_x + b * near_y * dx + d * dy * dx
    return np.asarray(output if x.dtype == np.float32 else output + np.float32(0.5)).astype(x.dtype)


def resize_bilinear_fixed(call: Call, x: Array, size: Array) -> Array:
    """int8 or int16: exact sum of corners times weights of 10 bits, over 2**20, half away.

    ``ResizeBilinearInteger``, same file.
    """
    rows, columns = taps(call, x, size, fixed_taps)
    dy, dx = rows.weight[:, None, None], columns.weight[:, None]
    near_y, near_x = 1024 - dy, 1024 - dx
    a, b, c, d = corners(x, rows, columns)
    total = (a * near_x + b * dx) * near_y + (c * near_x + d * dx) * dy
    magnitude = (np.abs(total) + (1 << 19)) >> 20
    return np.asarray(np.sign(total) * magnitude).astype(x.dtype)


def resize_nearest_neighbor(call: Call, x: Array, size: Array) -> Array:
    """``x[floor(position)]``, or the nearest, half away, where corners are aligned; in float32.

    ``tflite/kernels/internal/reference/resize_nearest_neighbor.h``.
    """
    aligned, half = call.option("align_corners"), call.option("half_pixel_centers")
    rows, columns = (
        _nearest(inputs, outputs, aligned, half)
        for inputs, outputs in zip(x.shape[1:3], size.tolist(), strict=True)
    )
    return x[:, rows[:, None], columns]


def _nearest(inputs: int, outputs: int, aligned: bool, half: bool) -> Array:
    fixed = aligned and outputs > 1
    scale = np.float32(inputs - fixed) / np.float32(outputs - fixed)
    position = (np.arange(outputs, dtype=np.float32) + np.float32(half / 2)) * scale
    index = (round_half_away if aligned else np.floor)(position).astype(np.int32)
    return np.minimum(index, inputs - 1)
