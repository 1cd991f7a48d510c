"""SOFTMAX, LOG_SOFTMAX and L2_NORMALIZATION of float32, along the last axis.

Every operation is rounded to float32; sums are taken from left to right.
"""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.kernels import functions
from tflreplay.kernels.call import Call

_EPSILON = np.float32(1e-6)


def softmax(call: Call, x: Array) -> Array:
    """``e / sum(e)``, ``e = exp((x - max) * beta)``: ``.../internal/reference/softmax.h``."""
    e = functions.exp((x - x.max(axis=-1, keepdims=True)) * np.float32(call.option("beta")))
    return np.asarray(e / _sum(e))


def log_softmax(call: Call, x: Array) -> Array:
    """``x - max - log(sum(exp(x - max)))``: ``.../internal/reference/log_softmax.h``."""
    below_max = x - x.max(axis=-1, keepdims=True)
    return np.asarray(below_max - functions.log(_sum(functions.exp(below_max))))


def l2_normalization(call: Call, x: Array) -> Array:
    """``x / max(sqrt(sum(x ** 2)), 1e-6)``: ``.../internal/reference/l2normalization.h``."""
    return np.asarray(x / np.maximum(np.sqrt(_sum(x * x)), _EPSILON))


def _sum(x: Array) -> Array:
    return x.cumsum(axis=-1, dtype=np.float32)[..., -1:]
