"""ABS, NEG, SQRT, RSQRT, EXP and LOG of quantized numbers."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.fixed_point import inverse_square_root
from tflreplay.ground.rounding import INT32_MIN, Accumulation, Array, Multiplier, double
from tflreplay.kernels import functions
from tflreplay.kernels.call import Call, accumulation, same_type
from tflreplay.kernels.float_table import by_float_table
from tflreplay.kernels.lookup import centred_codes, look_up

_RSQRT_SHIFT = 20  # of the reciprocal root, to keep it an integer


def abs_(call: Call, x: Array) -> Accumulation:
    """``requantize(|x - zi|)`` with the multiplier ``float32 si / so``.

    x: int8 or int16 of any shape. ``AbsEvalQuantized`` in ``tflite/kernels/elementwise.cc``.
    """
    same_type(call)
    ti = call.input(0)
    values = np.abs(x.astype(np.int64) - ti.zero_point)
    return accumulation(
        call, values, Multiplier.of(np.float32(ti.scale) / np.float32(call.output.scale))
    )


def neg(call: Call, x: Array) -> Array:
    """``-x``, the raw code, whatever the quantization; the lowest stays as it is.

    ``Negate`` in ``tflite/kernels/internal/reference/neg.h``.
    """
    return np.asarray(np.negative(x))


def sqrt(call: Call, x: Array) -> Array:
    """``clamp(trunc(sqrt(si * (x - zi)) / so) + zo)``, every operation rounded to float32.

    x: int8 or int16 of any shape. ``SqrtEvalQuantized`` in ``tflite/kernels/elementwise.cc``.

    Raises:
        NotReplayed: a negative number, for which the kernel stops the run.
    """
    same_type(call)
    _check_not_negative(call, x)
    ti, to = call.input(0), call.output
    real = np.float32(ti.scale) * centred_codes(ti).clip(min=0).astype(np.float32)
    quotient = np.sqrt(real) / np.float32(to.scale)
    root = np.where(quotient < 2.0**31, np.trunc(quotient), INT32_MIN).astype(np.int64)
    return look_up(x, np.clip(root + to.zero_point, *to.code_range).astype(to.numpy_dtype))


def rsqrt(call: Call, x: Array) -> Array:
    """``clamp(double(double(2**20 * r), m * 2**-20) + zo)``, ``m = 1 / (sqrt(si) * so)``.

    x: int8 of any shape; ``r = 1 / sqrt(x - zi)`` in fixed point, the scales in float32 and their
    reciprocal in float64. ``x = zi`` gives the highest code. ``RsqrtEvalQuantizedInt8`` in
    ``tflite/kernels/elementwise.cc``.

    Raises:
        NotReplayed: a negative number, for which the kernel stops the run.
    """
    same_type(call)
    _check_not_negative(call, x)
    ti, to = call.input(0), call.output
    centred = centred_codes(ti)
    mantissa, shift = inverse_square_root(centred.clip(min=0))
    shift = shift + _RSQRT_SHIFT
    one = np.ones_like(centred)
    root = double(one, Multiplier(np.ldexp(mantissa, shift - 31), mantissa, shift))
    m = Multiplier.of(1 / np.float64(np.sqrt(np.float32(ti.scale)) * np.float32(to.scale)))
    down = m.shift - _RSQRT_SHIFT
    codes = double(root, Multiplier(m.real * 2.0**-_RSQRT_SHIFT, m.mantissa, down))
    low, high = to.code_range
    table = np.where(centred == 0, high, np.clip(codes + to.zero_point, low, high))
    return look_up(x, table.astype(to.numpy_dtype))


def rsqrt16(call: Call, x: Array) -> Array:
    """``1 / sqrt(si * x)`` interpolated in a table; 0 gives the highest number.

    x: int16 of any shape. ``GenericPrepare`` and ``RsqrtEvalQuantizedInt16`` in
    ``tflite/kernels/elementwise.cc``.

    Raises:
        NotReplayed: a negative number, for which the kernel stops the run.
    """
    _check_not_negative(call, x)
    highest = np.float32(2**15 - 1) * np.float32(call.output.scale)

    def function(real: Array) -> Array:
        positive = np.where(real > 0, real, np.float32(1))
        return np.where(real > 0, np.float32(1) / np.sqrt(positive), highest)

    return by_float_table(call, x, function)


def exp(call: Call, x: Array) -> Array:
    """``exp(si * (x - zi))`` by :func:`~tflreplay.kernels.float_table.by_float_table`.

    x: int8 or int16 of any shape. ``ExpPrepare`` in ``tflite/kernels/exp.cc``.
    """
    return by_float_table(call, x, functions.exp)


def log(call: Call, x: Array) -> Array:
    """``log(si * (x - zi))`` by :func:`~tflreplay.kernels.float_table.by_float_table`.

    x: int8 or int16 of any shape. Of 0 and below, the number of the lowest code.
    ``LogLUTPrepare`` in ``tflite/kernels/elementwise.cc``.
    """
    to = call.output
    lowest = np.float32(to.code_range[0] - to.zero_point) * np.float32(to.scale)

    def function(real: Array) -> Array:
        positive = np.where(real > 0, real, np.float32(1))
        return np.where(real > 0, functions.log(positive), lowest)

    return by_float_table(call, x, function)


def _check_not_negative(call: Call, x: Array) -> None:
    if (x < call.input(0).zero_point).any():
        raise NotReplayed(f"{call.op.name} of a negative number: the kernel stops the run")
