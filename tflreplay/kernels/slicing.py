"""Ops that cut a tensor, or set a part of it."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.kernels.call import Call


def slice_(call: Call, x: Array, begin: Array, size: Array) -> Array:
    """``x[begin : begin + size]`` in each dimension; a size of -1 reaches to the end."""
    return x[
        tuple(
            slice(start, None if length < 0 else start + length)
            for start, length in zip(begin.tolist(), size.tolist(), strict=True)
        )
    ]


def split(call: Call, axis: Array, x: Array) -> tuple[Array, ...]:
    """x cut along ``axis`` into equal parts, one for each output."""
    return tuple(np.split(x, len(call.outputs), axis.item()))


def split_v(call: Call, x: Array, sizes: Array, axis: Array) -> tuple[Array, ...]:
    """x cut along ``axis`` into parts of the given sizes; a size of -1 is the rest."""
    rest = x.shape[axis.item()] - sizes[sizes >= 0].sum()
    ends = np.cumsum(np.where(sizes < 0, rest, sizes))
    return tuple(np.split(x, ends[:-1].tolist(), axis.item()))


def unpack(call: Call, x: Array) -> tuple[Array, ...]:
    """The slices of x along ``axis``, which disappears."""
    return tuple(np.asarray(part) for part in np.moveaxis(x, call.option("axis"), 0))


def dynamic_update_slice(call: Call, x: Array, update: Array, begin: Array) -> Array:
    """x with ``update`` in the place of its elements from ``begin`` on.

    A begin that would leave x is moved inside. ``tflite/kernels/dynamic_update_slice.cc``.
    """
    output = x.copy()
    starts = np.clip(begin, 0, np.subtract(x.shape, update.shape)).tolist()
    places = zip(starts, update.shape, strict=True)
    output[tuple(slice(start, start + size) for start, size in places)] = update
    return output
