"""SHAPE, RANK and BROADCAST_ARGS: the dimensions themselves."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.row import ANY
from tflreplay.ops.base.types import INDICES
from tflreplay.ops.base.words import finished


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


CARDS = (
    Card("SHAPE", {"reference": (finished(ANY, shape, "shape", "shape.cc"),)}),
    Card("RANK", {"reference": (finished(ANY, rank, "shape", "rank.cc"),)}),
    Card(
        "BROADCAST_ARGS",
        {"reference": (finished(INDICES, broadcast_args, "shape", "broadcast_args.cc"),)},
    ),
)
