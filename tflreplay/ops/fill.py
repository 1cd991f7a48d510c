"""FILL, ZEROS_LIKE, RANGE and ONE_HOT: tensors made of repeated or counted values."""

from __future__ import annotations

import math

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.roles import Roles
from tflreplay.ops.base.types import ANY_SIZE, BY_EIGHT_BITS, FLOAT, INDICES
from tflreplay.ops.base.words import finished, moved


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


CARDS = (
    Card(
        "FILL",
        {"reference": (moved(ANY_SIZE, fill, "fill.cc"),)},
        Roles(activation=1, shape=0),
    ),
    Card(
        "ZEROS_LIKE",
        {"reference": (finished((*INDICES, *FLOAT), zeros_like, "zeros", "zeros_like.cc"),)},
    ),
    Card(
        "RANGE",
        {"reference": (finished((*INDICES, *FLOAT), range_, "running sum", "range.cc"),)},
    ),
    Card(
        "ONE_HOT",
        {"reference": (moved((*BY_EIGHT_BITS, "bool"), one_hot, "one_hot.cc"),)},
        Roles(activation=2),
    ),
)
