"""RESHAPE, SQUEEZE and EXPAND_DIMS: other dimensions for the same elements.

Shapes are those of the arrays, not of the tensors, so that one known only at run time goes through;
that holds for all ops that move data. Results may be views of the inputs.
"""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.roles import Roles
from tflreplay.ops.base.types import EVEN_PACKED
from tflreplay.ops.base.words import moved


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


CARDS = (
    Card("RESHAPE", {"reference": (moved(EVEN_PACKED, reshape, "reshape.cc"),)}, Roles(shape=1)),
    Card("SQUEEZE", {"reference": (moved(EVEN_PACKED, squeeze, "squeeze.cc"),)}),
    Card("EXPAND_DIMS", {"reference": (moved(EVEN_PACKED, expand_dims, "expand_dims.cc"),)}),
)
