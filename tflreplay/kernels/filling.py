"""Ops that fill a tensor with repeated or counted values."""

from __future__ import annotations

import math

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.kernels.call import Call


def tile(call: Call, x: Array, multiples: Array) -> Array:
    """x repeated ``multiples[i]`` times along dimension i."""
    return np.tile(x, multiples.tolist())


def broadcast_to(call: Call, x: Array, shape: Array) -> Array:
    """x repeated along its dimensions of size 1, and along new ones in front."""
    return np.broadcast_to(x, shape.tolist())


def fill(call: Call, dims: Array, value: Array) -> Array:
    """The one element ``value`` in the shape ``dims``."""
    return np.full(dims.tolist(), value.reshape(()), value.dtype)


def zeros_like(call: Call, x: Array) -> Array:
    """Zeros, not zero points, in the shape and type of x."""
    return np.zeros_like(x)


def range_(call: Call, start: Array, limit: Array, delta: Array) -> Array:
    """``start, start + delta, ...`` up to ``limit``, which is left out.

    ``delta`` is added again and again, so float32 sums carry their rounding along.
    ``CalculateRange`` in ``tflite/kernels/range.cc``.
    """
    if start.dtype.kind == "f":
        steps = math.ceil(abs((limit - start) / delta))
    else:
        steps = -(-abs(limit.item() - start.item()) // abs(delta.item()))
    terms = np.full(steps, delta, start.dtype)
    terms[:1] = start
    return np.add.accumulate(terms, dtype=start.dtype)


def one_hot(call: Call, indices: Array, depth: Array, on: Array, off: Array) -> Array:
    """``on`` where the index along the new dimension ``axis`` of size ``depth`` is the element's.

    Everything else, all of an index out of range too, is ``off``. ``tflite/kernels/one_hot.cc``.
    """
    axis = call.option("axis")
    axis = indices.ndim if axis == -1 else axis
    places = np.arange(depth.item()).reshape(-1, *[1] * (indices.ndim - axis))
    return np.where(np.expand_dims(indices, axis) == places, on.reshape(()), off.reshape(()))
