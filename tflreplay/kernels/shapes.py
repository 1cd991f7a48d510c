"""Ops on shapes: other dimensions for the same elements, or the dimensions themselves.

Shapes are those of the arrays, not of the tensors, so that one known only at run time goes through;
that holds for all ops that move data. Results may be views of the inputs.
"""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.kernels.call import Call


def reshape(call: Call, x: Array, shape: Array | None = None) -> Array:
    """x in the shape of input 1 if that is an int32 vector, else of the options; -1 is the rest.

    ``tflite/kernels/reshape.cc``.
    """
    if shape is not None and shape.ndim == 1:
        return x.reshape(shape.tolist())
    target = call.option("new_shape")
    return x.reshape(() if target == (0,) else target)  # (0,) is an old model's scalar


def squeeze(call: Call, x: Array) -> Array:
    """x without the dimensions ``squeeze_dims`` of size 1, or without all of them."""
    return x.squeeze(call.option("squeeze_dims") or None)


def expand_dims(call: Call, x: Array, axis: Array) -> Array:
    """x with a new dimension at ``axis``, one int32 or int64."""
    return np.expand_dims(x, axis.item())


def shape(call: Call, x: Array) -> Array:
    """The shape of x, int32 or int64 of shape ``(rank,)``."""
    return np.array(x.shape, call.output.numpy_dtype)


def rank(call: Call, x: Array) -> Array:
    """How many dimensions x has, an int32 scalar. ``tflite/kernels/rank.cc``."""
    return np.array(x.ndim, np.int32)


def broadcast_args(call: Call, a: Array, b: Array) -> Array:
    """The shape to which the shapes a and b broadcast.

    ``tflite/kernels/internal/reference/broadcast_args.h``.
    """
    return np.array(np.broadcast_shapes(tuple(a), tuple(b)), a.dtype)
