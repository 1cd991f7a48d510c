"""How the activations of FULLY_CONNECTED become rows, and rows its output."""

from __future__ import annotations

import math

from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call


def rows(x: Array, weights: Array) -> Array:
    """x as ``(batches, depth)``."""
    return x.reshape(-1, weights.shape[1])


def with_batches(call: Call, x: Array, values: Array) -> Array:
    """``(batches, units)`` in the output's shape: x's, less the last axis, if it is kept."""
    batches = x.shape[:-1] if call.option("keep_num_dims") else values.shape[:1]
    assert math.prod(batches) == values.shape[0]
    return values.reshape(*batches, values.shape[1])
