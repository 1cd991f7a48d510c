"""AVERAGE_POOL_2D and MAX_POOL_2D."""

from __future__ import annotations

import numpy as np

from tflreplay.kernels.call import Call, activation_range
from tflreplay.kernels.window import Window, window
from tflreplay.rounding import Array


def average_pool_2d(call: Call, x: Array) -> Array:
    """``clamp(round_half_away(mean of the raw codes))``, padding left out of the mean.

    x: int8 or uint8 ``(batch, height, width, channels)``. The integer mean is
    ``sign(sum) * ((|sum| + count // 2) // count)``; nothing is requantized. ``AveragePool`` in
    ``tflite/kernels/internal/reference/integer_ops/pooling.h`` and ``.../reference/pooling.h``.
    """
    rows, columns = _windows(call, x)
    total = _slide(_slide(x.astype(np.int32), 1, rows, np.add, 0), 2, columns, np.add, 0)
    count = np.outer(_counts(rows, x.shape[1]), _counts(columns, x.shape[2]))[:, :, None]
    mean = np.sign(total) * ((np.abs(total) + count // 2) // count)
    return _clamped(call, mean)


def max_pool_2d(call: Call, x: Array) -> Array:
    """``clamp(max of the raw codes)``.

    x: int8 or uint8 ``(batch, height, width, channels)``. ``MaxPool`` in
    ``tflite/kernels/internal/reference/integer_ops/pooling.h`` and ``.../reference/pooling.h``.
    """
    rows, columns = _windows(call, x)
    lowest = np.iinfo(x.dtype).min
    highest = _slide(_slide(x, 1, rows, np.maximum, lowest), 2, columns, np.maximum, lowest)
    return _clamped(call, highest)


def _clamped(call: Call, codes: Array) -> Array:
    low, high = activation_range(call, call.option("fused_activation_function"))
    # Bounds of an activation may lie outside an 8-bit type on the far side.
    return np.clip(codes.astype(np.int32), low, high).astype(call.output.numpy_dtype)


def _windows(call: Call, x: Array) -> tuple[Window, Window]:
    padding = call.option("padding")
    height, width = call.option("filter_height"), call.option("filter_width")
    return (
        window(x.shape[1], height, call.option("stride_h"), 1, padding),
        window(x.shape[2], width, call.option("stride_w"), 1, padding),
    )


def _slide(x: Array, axis: int, w: Window, reduce: np.ufunc, fill: int) -> Array:
    """``reduce`` over the window along one axis, the padding holding ``fill``.

    A 2-D window is one such pass over rows and one over columns.
    """
    x = np.moveaxis(x, axis, 0)
    size = (w.outputs - 1) * w.stride + w.size
    padded = np.full((max(size, w.before + x.shape[0]), *x.shape[1:]), fill, x.dtype)
    padded[w.before : w.before + x.shape[0]] = x
    span = size - w.size + 1
    result = padded[: span : w.stride].copy()
    for offset in range(1, w.size):
        reduce(result, padded[offset : offset + span : w.stride], out=result)
    return np.moveaxis(result, 0, axis)


def _counts(w: Window, size: int) -> Array:
    """How many elements of the input, not of the padding, each window holds."""
    start = np.arange(w.outputs) * w.stride - w.before
    return np.minimum(start + w.size, size) - np.maximum(start, 0)
