"""ARG_MAX, ARG_MIN and CUMSUM."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.kernels.call import Call


def arg_max(call: Call, x: Array, axis: Array) -> Array:
    """The first index of the highest raw code along ``axis``, which disappears.

    The output is int32 or int64. ``tflite/kernels/internal/reference/arg_min_max.h``.
    """
    return np.asarray(x.argmax(axis=axis.item()).astype(call.output.numpy_dtype))


def arg_min(call: Call, x: Array, axis: Array) -> Array:
    """As :func:`arg_max`, of the lowest."""
    return np.asarray(x.argmin(axis=axis.item()).astype(call.output.numpy_dtype))


def cumsum(call: Call, x: Array, axis: Array) -> Array:
    """Sums along ``axis`` from the first element (``reverse``: the last) to each one.

    x: int32, int64 (both wrap) or float32. ``exclusive`` leaves the element itself out.
    ``tflite/kernels/internal/reference/cumsum.h``.
    """
    along = axis.item()
    if call.option("reverse"):
        x = np.flip(x, along)
    sums = x.cumsum(axis=along, dtype=x.dtype) + x.dtype.type(0)  # no -0
    if call.option("exclusive"):
        sums = np.roll(sums, 1, along)
        np.moveaxis(sums, along, 0)[:1] = 0
    return np.flip(sums, along) if call.option("reverse") else np.asarray(sums)
