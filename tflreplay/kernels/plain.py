"""Elementwise ops on numbers that are not quantized: float32, integers that wrap, and bool.

Every operation is rounded to float32. Inputs are broadcast.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Array
from tflreplay.kernels import functions
from tflreplay.kernels.call import Call, Kernel, clamp_real
from tflreplay.kernels.float_table import c_function


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
    return _finite(clamp_real(call, x))


add = with_activation(np.add)
sub = with_activation(np.subtract)
mul = with_activation(np.multiply)


def divide(a: Array, b: Array) -> Array:
    """The quotient; of integers it is truncated.

    Raises:
        NotReplayed: an integer divided by 0, for which the kernel stops the run.
    """
    if a.dtype.kind == "f":
        return np.asarray(a / b)
    check_divisor("DIV", b)
    sign = np.sign(a.astype(np.int64)) * np.sign(b)
    quotient = np.abs(a.astype(np.int64)) // np.abs(b.astype(np.int64)) * sign
    return np.asarray(quotient).astype(a.dtype)


div = with_activation(divide)


def floor_div(a: Array, b: Array) -> Array:
    """``floor(a / b)``, the quotient in float64; of raw codes too.

    ``FloorDiv`` in ``tflite/kernels/internal/reference/floor_div.h``.

    Raises:
        NotReplayed: a divisor of 0, for which the kernel stops the run.
    """
    check_divisor("FLOOR_DIV", b)
    quotient = np.floor(a.astype(np.float64) / b)
    return quotient.astype(a.dtype if a.dtype.kind == "f" else np.int64).astype(a.dtype)


def floor_mod(a: Array, b: Array) -> Array:
    """The remainder, of the divisor's sign; of raw codes too.

    ``FloorMod`` in ``tflite/kernels/internal/reference/floor_mod.h``.

    Raises:
        NotReplayed: an integer divided by 0, for which the kernel stops the run.
    """
    if a.dtype.kind != "f":
        check_divisor("FLOOR_MOD", b)
    remainder = np.fmod(a, b)
    return np.where((remainder != 0) & ((b < 0) != (remainder < 0)), remainder + b, remainder)


def check_divisor(op: str, b: Array) -> None:
    if not b.all():
        raise NotReplayed(f"{op} by 0: the kernel stops the run")


def squared_difference(a: Array, b: Array) -> Array:
    """``(a - b) ** 2``: ``tflite/kernels/squared_difference.cc``."""
    difference = a - b
    return np.asarray(difference * difference)


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
    return _to_int32(values) if a.dtype.kind == "i" else values.astype(a.dtype)


def _whole_power(a: Array, exponent: int) -> Array:
    if exponent == 1:
        return a
    half = _whole_power(a, exponent // 2)
    result = _finite(half * half)
    return _finite(a * result) if exponent % 2 else result


def _finite(x: Array) -> Array:
    if x.dtype.kind != "f":
        return np.asarray(x)
    limit = np.finfo(x.dtype).max
    return np.asarray(np.clip(x, -limit, limit))


def _to_int32(x: Array) -> Array:
    """As x86 converts: what does not fit becomes -2**31."""
    return np.where(np.abs(x) < 2.0**31, x, -(2.0**31)).astype(np.int32)


def leaky_relu(call: Call, x: Array) -> Array:
    """``x``, or ``x * alpha`` where x is not above 0."""
    alpha = np.float32(call.option("alpha"))
    with np.errstate(all="ignore"):
        return np.where(x > 0, x, x * alpha)


def between(low: float, high: float) -> Callable[[Array], Array]:
    """x cut to these bounds."""

    def function(x: Array) -> Array:
        x = np.where(x < low, x.dtype.type(low), x)
        return np.where(x > high, x.dtype.type(high), x)

    return function


def round_half_even(x: Array) -> Array:
    """Of halves the even neighbour, from the floor up: 0 is never negative, unless it was.

    ``RoundToNearest`` in ``tflite/kernels/internal/reference/round.h``.
    """
    floor = np.floor(x)
    return np.where(np.rint(x) == floor, floor, floor + np.float32(1))


def prelu(x: Array, alpha: Array) -> Array:
    """``x``, or ``x * alpha`` below 0."""
    return np.where(x >= 0, x, x * alpha)


def hard_swish(x: Array) -> Array:
    """``x * min(6, max(0, x + 3)) / 6``: ``.../internal/reference/hard_swish.h``."""
    three, six = np.float32(3), np.float32(6)
    return np.asarray(x * np.minimum(six, np.maximum(np.float32(0), x + three)) / six)


def gelu(call: Call, x: Array) -> Array:
    """As the int8 op's table is computed; the kernel approximates these functions."""
    with np.errstate(all="ignore"):
        return (functions.gelu_by_tanh if call.option("approximate") else functions.gelu)(x)


def rsqrt(x: Array) -> Array:
    return np.asarray(np.float32(1) / np.sqrt(x))


def logistic(x: Array) -> Array:
    """1 above 16.62, ``exp(x)`` below -9: ``Logistic`` in ``.../internal/reference/logistic.h``."""
    upper, lower = np.float32(16.619047164916992), np.float32(-9)
    middle = functions.logistic(x.clip(lower, upper))
    low = functions.exp(np.minimum(x, lower))
    return np.where(x > upper, np.float32(1), np.where(x < lower, low, middle))


def select(condition: Array, x: Array, y: Array) -> Array:
    """``x`` where the condition holds, else ``y``, all three broadcast."""
    return np.where(condition, x, y)


def select_rows(condition: Array, x: Array, y: Array) -> Array:
    """As :func:`select`; a condition of rank 1 is for the first dimension.

    ``RankOneSelect`` in ``tflite/kernels/internal/reference/select.h``.
    """
    if condition.ndim == 1 and condition.shape != x.shape:
        condition = condition.reshape(-1, *(1,) * (x.ndim - 1))
    return np.where(condition, x, y)
