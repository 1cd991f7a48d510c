"""POW: a to the power of b; inputs are broadcast."""

from __future__ import annotations

import ctypes

import numpy as np

from tflreplay.ground.c import to_int32
from tflreplay.ground.libm import c_function
from tflreplay.ground.rounding import Array
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.plain import elementwise, finite
from tflreplay.ops.base.words import finished


@elementwise
def power(a: Array, b: Array) -> Array:
    """``a ** b`` by the C library; by repeated squaring where b is one whole number from 1 on.

    a, b: float32 or int32. ``BroadcastPow4D`` in
    ``tflite/kernels/internal/optimized/optimized_ops.h``; ``Pow`` in
    ``tflite/kernels/internal/reference/reference_ops.h`` where both have one shape.
    """
    if a.shape != b.shape and b.size == 1:
        exponent = b.reshape(()).item()
        if abs(exponent - round(exponent)) < 1e-5 and round(exponent) >= 1:
            return _whole_power(a, round(exponent)).reshape(np.broadcast_shapes(a.shape, b.shape))
    if a.dtype.kind == "f":
        pow_ = c_function("powf", ctypes.c_float, 2)
    else:
        pow_ = c_function("pow", ctypes.c_double, 2)
    pairs = np.broadcast(a, b)
    values = np.array([pow_(x, y) for x, y in pairs], np.float64).reshape(pairs.shape)
    return (to_int32(values) if a.dtype.kind == "i" else values).astype(a.dtype)


def _whole_power(a: Array, exponent: int) -> Array:
    if exponent == 1:
        return a
    half = _whole_power(a, exponent // 2)
    result = finite(half * half)
    return finite(a * result) if exponent % 2 else result


CARDS = (
    Card(
        "POW",
        {
            "reference": (
                finished(
                    ("float32", "int32"),
                    power,
                    "C library; repeated squaring for one whole exponent",
                    "pow.cc",
                ),
            ),
        },
    ),
)
