"""ARG_MAX and ARG_MIN: where the highest and the lowest element is."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.types import EIGHT_BITS
from tflreplay.ops.base.words import REFERENCE_OPS, finished

_TYPES = (*EIGHT_BITS, "int32", "float32", "bool")


def arg_max(call: Call, x: Array, axis: Array) -> Array:
    """The first index of the highest raw code along ``axis``, which disappears.

    The output is int32 or int64. ``tflite/kernels/internal/reference/arg_min_max.h``.
    """
    return np.asarray(x.argmax(axis=axis.item()).astype(call.output.numpy_dtype))


def arg_min(call: Call, x: Array, axis: Array) -> Array:
    """As :func:`arg_max`, of the lowest."""
    return np.asarray(x.argmin(axis=axis.item()).astype(call.output.numpy_dtype))


CARDS = tuple(
    Card(
        op,
        {"reference": (finished(_TYPES, kernel, "first index", f"{REFERENCE_OPS}arg_min_max.h"),)},
    )
    for op, kernel in (("ARG_MAX", arg_max), ("ARG_MIN", arg_min))
)
