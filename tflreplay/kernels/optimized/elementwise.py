"""ADD and MUL, whose vector bodies leave the 32-bit register early."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tflreplay.ground.rounding import Accumulation, Array, Multiplier, Rule, high_mul, requantize
from tflreplay.kernels import elementwise
from tflreplay.kernels.call import Call
from tflreplay.kernels.optimized.loops import Loop, inner_loop, vector_body


def add(call: Call, a: Array, b: Array) -> Array:
    """As the reference ADD, but for the vector body: ``narrow(rescale(a - za) + rescale(b - zb))``.

    a, b: int8 or uint8, broadcast. The body rescales its inputs with one rounding: the right shift
    comes before the product in the int8 kernel, 16 elements wide, and is cut off after it in the
    uint8 and the scalar-broadcast kernels, 8 wide. See :func:`_narrowed` for the rest.
    ``AddElementwiseInt8`` and ``AddScalarBroadcast`` in
    ``tflite/kernels/internal/optimized/integer_ops/add.h``, ``AddElementwise`` and
    ``AddScalarBroadcast`` in ``.../optimized/optimized_ops.h``.
    """
    tail = requantize(elementwise.add(call, a, b), call.rule)
    loop = inner_loop(a.shape, b.shape)
    if loop is None:
        return tail
    wide = a.dtype == np.int8 and not loop.scalar
    rescale = _shift_then_multiply if wide else _multiply_then_shift
    body = _narrowed(elementwise.rescaled_sum(call, a, b, rescale), call.rule, saturate=False)
    return np.where(loop.body(tail.shape, 16 if wide else 8), body, tail)


def add_int16(call: Call, a: Array, b: Array) -> Array:
    """As the reference ADD, but for the vector body, which rescales its inputs with one rounding.

    a, b: int16; the body is 16 elements wide. The reference kernel takes what is broadcast.
    ``AddElementwiseInt16`` in ``tflite/kernels/internal/optimized/integer_ops/add.h``.
    """
    tail = requantize(elementwise.add(call, a, b), call.rule)
    if inner_loop(a.shape, b.shape) != Loop(a.size):
        return tail
    body = requantize(elementwise.rescaled_sum(call, a, b, _shift_then_multiply), call.rule)
    return np.where(vector_body(tail.shape, 16, tail.size), body, tail)


def mul(call: Call, a: Array, b: Array) -> Array:
    """As the reference MUL, but for the vector body, which adds the zero point in 16 bits.

    a, b: int8 or uint8, broadcast. The body is 16 int8 or 8 uint8 elements wide. See
    :func:`_narrowed`; the uint8 scalar-broadcast kernel does not saturate.
    ``MulElementwise`` and ``MulSimpleBroadcast`` in
    ``tflite/kernels/internal/optimized/integer_ops/mul.h`` and ``.../optimized/optimized_ops.h``.
    """
    accumulation = elementwise.mul(call, a, b)
    tail = requantize(accumulation, call.rule)
    loop = inner_loop(a.shape, b.shape)
    if loop is None:
        return tail
    signed = a.dtype == np.int8
    # Lanes of a vector that are shifted left by 32 or more are 0.
    kept = accumulation.values * (accumulation.multiplier.shift < 32)
    body = _narrowed(
        replace(accumulation, values=kept), call.rule, saturate=signed or not loop.scalar
    )
    return np.where(loop.body(tail.shape, 16 if signed else 8), body, tail)


def _shift_then_multiply(acc: Array, m: Multiplier) -> Array:
    return high_mul(acc >> -m.shift, m.mantissa)


def _multiply_then_shift(acc: Array, m: Multiplier) -> Array:
    return np.asarray(high_mul(acc, m.mantissa) >> -m.shift)


def _narrowed(a: Accumulation, rule: Rule, saturate: bool) -> Array:
    """``clamp(wrap16(rule(values) + zero_point))``: a large value may come out at the other end.

    ``saturate`` cuts the value to 16 bits before the sum; else it wraps, which the sum does anyway.
    """
    value = rule(a.values.astype(np.int64), a.multiplier)
    if saturate:
        value = value.clip(-(2**15), 2**15 - 1)
    code = (value + a.zero_point).astype(np.int16)
    return code.clip(a.low, a.high).astype(a.dtype)
