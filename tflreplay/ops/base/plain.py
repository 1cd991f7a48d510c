"""Kernels of ops that are a function of each element: float32, integers that wrap, and bool.

Every operation is rounded to float32. Inputs are broadcast.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call, clamp_real
from tflreplay.ops.base.row import Kernel


def elementwise(function: Callable[..., Array]) -> Kernel:
    """The kernel of an op that is ``function`` of the elements."""

    def kernel(call: Call, *arrays: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(function(*arrays))

    return kernel


def with_activation(function: Callable[..., Array]) -> Kernel:
    """The kernel of an op that is ``function`` of the elements, then the fused activation."""

    def kernel(call: Call, *arrays: Array) -> Array:
        with np.errstate(all="ignore"):
            return activated(call, np.asarray(function(*arrays)))

    return kernel


def in_float64(kernel: Callable[..., Array]) -> Kernel:
    """A float32 kernel computed in float64 and rounded once: the order of its sums is not known."""

    def wide(call: Call, x: Array, *others: Array) -> Array:
        return kernel(call, x.astype(np.float64), *others).astype(np.float32)

    return wide


def activated(call: Call, x: Array) -> Array:
    """x cut to the bounds of the op's fused activation, and to the finite numbers without one.

    ``CalculateActivationRange`` in ``tflite/kernels/kernel_util.h``.
    """
    return finite(clamp_real(call, x))


def finite(x: Array) -> Array:
    """x cut to the finite numbers of its type."""
    if x.dtype.kind != "f":
        return np.asarray(x)
    limit = np.finfo(x.dtype).max
    return np.asarray(np.clip(x, -limit, limit))


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


def _flush(x: Array) -> Array:
    return np.where(np.abs(x) < np.finfo(np.float32).tiny, np.copysign(np.float32(0), x), x)
