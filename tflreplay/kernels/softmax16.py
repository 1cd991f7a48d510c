"""SOFTMAX of int16 codes, by two interpolated tables."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np

from tflreplay.ground.fixed_point import bit_length
from tflreplay.ground.rounding import Array, Multiplier, double
from tflreplay.kernels.call import Call, same_type
from tflreplay.kernels.float_table import interpolate, interpolation_table

_RANGE = np.float64(65535)
_LOW, _HIGH = -(2**15), 2**15 - 1


def softmax(call: Call, x: Array) -> Array:
    """``e * r``, ``e = exp(d)`` and ``r = 1 / sum(e)`` from tables in Q0.15.

    x: int16 of rank 1 or more; the output's scale is 2**-15. ``d = double(x - max, beta * si /
    (10 / 65535))``, so that -65535 stands for -10; the scale's product with beta is rounded to
    float32. ``SoftmaxInt16`` in ``tflite/kernels/internal/reference/softmax.h``.
    """
    same_type(call)
    scale = np.float64(np.float32(call.input(0).scale) * np.float32(call.option("beta")))
    difference = x.astype(np.int64) - x.max(axis=-1, keepdims=True)
    difference = double(difference, Multiplier.of(scale / (10.0 / 65535.0)))
    e = interpolate((difference + _HIGH).clip(_LOW, _HIGH).astype(np.int16), _exp_table())
    e = e.astype(np.int64)
    total = e.sum(axis=-1, keepdims=True)
    bits = bit_length(total)
    # (1 + y) * 2**16 with y from 0 to 1, then y moved to the middle of int16.
    mantissa = ((total << (31 - bits)) + (1 << 13)) >> 14
    argument = (mantissa - (1 << 15) - (1 << 16)).clip(_LOW, _HIGH).astype(np.int16)
    inverse = interpolate(argument, _reciprocal_table()).astype(np.int64)
    right = bits - 1
    result: Array = (e * inverse + ((1 << right) >> 1)) >> right
    return result.clip(0, _HIGH).astype(np.int16)


@functools.cache
def _exp_table() -> Array:
    """``exp`` from -10 to 0."""
    return _table(math.exp, 10.0, _HIGH)


@functools.cache
def _reciprocal_table() -> Array:
    """``1 / (1 + y)`` from 0 to 1."""
    return _table(lambda y: 1.0 / (1.0 + y), 1.0, _LOW)


def _table(function: Callable[[float], float], width: float, zero_point: int) -> Array:
    def values(x: Array) -> Array:
        return np.array([function(value) for value in x.tolist()])

    scale = np.float64(width) / _RANGE
    return interpolation_table(values, scale, zero_point, np.float64(2.0) / _RANGE, 0)
