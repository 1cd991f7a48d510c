"""Elementwise float32 ops, which XNNPACK runs with numbers below 2**-126 flushed to zero."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.kernels.call import Call, Kernel, clamp_real


def flushed(function: Callable[..., Array]) -> Kernel:
    """The kernel of an op that is ``function`` of the elements, then the fused activation if any.

    The inputs are broadcast. ``src/configs/binary-elementwise-config.c``.
    """

    def kernel(call: Call, *arrays: Array) -> Array:
        with np.errstate(all="ignore"):
            result = _flush(np.asarray(function(*(_flush(array) for array in arrays))))
        if "fused_activation_function" not in call.op.options:
            return result
        return clamp_real(call, result)

    return kernel


def neg(x: Array) -> Array:
    """``0 - x``, so that 0 stays 0: ``src/f32-vneg/``."""
    return np.asarray(np.float32(0) - x)


def leaky_relu(call: Call, x: Array) -> Array:
    """``x``, or ``x * alpha`` below 0: ``src/f32-vlrelu/``."""
    with np.errstate(all="ignore"):
        return np.where(x < 0, x * np.float32(call.option("alpha")), x)


def _flush(x: Array) -> Array:
    return np.where(np.abs(x) < np.finfo(np.float32).tiny, np.copysign(np.float32(0), x), x)
