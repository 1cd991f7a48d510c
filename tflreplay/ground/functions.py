"""Real functions as C computes them in float32, one operation after the other, with libm.

Arrays are float32 in and out, of any one shape.
"""

from __future__ import annotations

import math

import numpy as np

from tflreplay.ground.libm import libm
from tflreplay.ground.rounding import Array

_HALF, _ONE = np.float32(0.5), np.float32(1)
_ROOT_HALF = np.float32(math.sqrt(0.5))
_ROOT_TWO_OVER_PI = np.float32(math.sqrt(2 / math.pi))


def logistic(x: Array) -> Array:
    return np.asarray(_ONE / (_ONE + libm("expf", -x)))


def tanh(x: Array) -> Array:
    return libm("tanhf", x)


def exp(x: Array) -> Array:
    return libm("expf", x)


def log(x: Array) -> Array:
    return libm("logf", x)


def sin(x: Array) -> Array:
    return libm("sinf", x)


def cos(x: Array) -> Array:
    return libm("cosf", x)


def elu(x: Array) -> Array:
    return np.where(x < 0, libm("expm1f", np.minimum(x, 0)), x)


def gelu(x: Array) -> Array:
    """``x * erfc(-x / sqrt(2)) / 2``."""
    return np.asarray(_HALF * x * libm("erfcf", x * -_ROOT_HALF))


def gelu_by_tanh(x: Array) -> Array:
    """``x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))) / 2``."""
    inner = _ROOT_TWO_OVER_PI * (x + np.float32(0.044715) * x * x * x)
    return np.asarray(_HALF * x * (_ONE + tanh(inner)))


def fused_multiply_add(
    a: Array | np.float32, b: Array | np.float32, c: Array | np.float32
) -> Array:
    """float32 ``a * b + c``, rounded once.

    The product is exact in float64. Its sum with c is rounded to odd there, which no second
    rounding to float32 can tell from the exact sum.
    """
    product = a.astype(np.float64) * b.astype(np.float64)
    total = product + c
    # What the sum lost, exactly: Knuth's two-sum.
    part = total - product
    lost = (product - (total - part)) + (c - part)
    even = total.view(np.int64) & 1 == 0
    toward = np.nextafter(total, np.where(lost > 0, np.inf, -np.inf))
    return np.where((lost != 0) & even, toward, total).astype(np.float32)


def multiply_add(
    a: Array | np.float32, b: Array | np.float32, c: Array | np.float32, fused: bool
) -> Array:
    """float32 ``a * b + c``, both rounded, or once where ``fused``."""
    return fused_multiply_add(a, b, c) if fused else np.asarray(a * b + c)
