"""SQRT and RSQRT."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from tflreplay.ground.c import to_int32
from tflreplay.ground.errors import UndefinedHere
from tflreplay.ground.fixed_point import inverse_square_root
from tflreplay.ground.rounding import INT32_MIN, Array, Multiplier, double
from tflreplay.ops.base.call import Call, same_type
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.float_table import Function, by_float_table, tabled
from tflreplay.ops.base.ledger import Staged, Stages
from tflreplay.ops.base.lookup import centred_codes, look_up
from tflreplay.ops.base.plain import elementwise
from tflreplay.ops.base.plain_rows import xnnpack_approximated
from tflreplay.ops.base.row import Row
from tflreplay.ops.base.step import (
    TRUNCATED,
    doubled,
    given,
    inverse_root,
    over,
    times,
    to_integer,
)
from tflreplay.ops.base.terms import Arrays, Index
from tflreplay.ops.base.types import FLOAT, INT8, INT16, SIGNED
from tflreplay.ops.base.words import (
    APPROXIMATED,
    APPROXIMATELY,
    EXACT,
    INTERPOLATED,
    MEASURED,
    NOT_TFLM,
    finished,
)

_SOURCE = "elementwise.cc"
_RSQRT_SHIFT = 20  # of the reciprocal root, to keep it an integer

sqrt_float = elementwise(np.sqrt)


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
    root = to_int32(np.sqrt(real) / np.float32(to.scale))
    return look_up(x, np.clip(root + to.zero_point, *to.code_range).astype(to.numpy_dtype))


def _sqrt_stages(call: Call, arrays: Arrays, index: Index, shape: Index) -> Staged:
    """Of :func:`sqrt`."""
    ti, to = call.input(0), call.output
    real = times("real", np.float32(ti.scale), np.float32(int(arrays[0][index]) - ti.zero_point))
    root = given("root", f"sqrt({real.result!r})", float(np.sqrt(np.float32(real.result))))
    scaled = over("", np.float32(root.result), np.float32(to.scale))
    last = to_integer("", np.float32(scaled.result), TRUNCATED)
    if last.result >= 2**31:
        last = replace(last, result=INT32_MIN, how="outside int32, which x86 converts so")
    return Staged((), (real, root, scaled, last), bits=None)


@elementwise
def rsqrt_float(x: Array) -> Array:
    return np.asarray(np.float32(1) / np.sqrt(x))


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


def _rsqrt_stages(call: Call, arrays: Arrays, index: Index, shape: Index) -> Staged:
    """Of :func:`rsqrt`."""
    ti, to = call.input(0), call.output
    centred = int(arrays[0][index]) - ti.zero_point
    if centred == 0:
        last = given("", "the highest code stands for 1 / sqrt(0)", to.code_range[1])
        return Staged((), (last,), zero_point=to.zero_point)
    inverse = inverse_square_root(np.asarray(centred))
    mantissa, shift = (int(each) for each in inverse)
    m = Multiplier.of(1 / np.float64(np.sqrt(np.float32(ti.scale)) * np.float32(to.scale)))
    root = list(doubled(f"root * 2**{_RSQRT_SHIFT}", 1, mantissa, shift + _RSQRT_SHIFT))
    down = int(m.shift) - _RSQRT_SHIFT
    code = doubled("out", root[-1].result, int(m.mantissa), down)
    steps = (inverse_root(centred, mantissa, shift), *root, *code)
    return Staged(((str(call.row.multiplier), m),), steps)


def rsqrt_int16(call: Call, x: Array) -> Array:
    """``1 / sqrt(si * x)`` interpolated in a table; 0 gives the highest number.

    x: int16 of any shape. ``GenericPrepare`` and ``RsqrtEvalQuantizedInt16`` in
    ``tflite/kernels/elementwise.cc``.

    Raises:
        NotReplayed: a negative number, for which the kernel stops the run.
    """
    _check_not_negative(call, x)
    return by_float_table(call, x, _inverse_root_or_highest(call))


def _inverse_root_or_highest(call: Call) -> Function:
    highest = np.float32(2**15 - 1) * np.float32(call.output.scale)

    def function(real: Array) -> Array:
        positive = np.where(real > 0, real, np.float32(1))
        return np.where(real > 0, np.float32(1) / np.sqrt(positive), highest)

    return function


def _check_not_negative(call: Call, x: Array) -> None:
    if (x < call.input(0).zero_point).any():
        raise UndefinedHere(f"{call.op.name} of a negative number: the kernel stops the run")


CARDS = (
    Card(
        "SQRT",
        {
            "xnnpack": (xnnpack_approximated(sqrt_float, APPROXIMATELY),),
            "reference": (
                Row(FLOAT, sqrt_float, algorithm=EXACT, source=_SOURCE, since=MEASURED),
                finished(FLOAT, sqrt_float, APPROXIMATELY, _SOURCE, APPROXIMATED),
                Row(
                    SIGNED,
                    sqrt,
                    algorithm="float32 root and quotient, truncated",
                    source=_SOURCE,
                    ledger=Stages(_sqrt_stages),
                ),
            ),
        },
        function=("sqrt(real)", lambda real: math.sqrt(max(real, 0))),
    ),
    Card(
        "RSQRT",
        {
            "xnnpack": (xnnpack_approximated(rsqrt_float, APPROXIMATELY),),
            "reference": (
                Row(
                    INT8,
                    rsqrt,
                    multiplier="float64 1/(float32 sqrt(si)*so)",
                    algorithm="double, fixed point",
                    source=_SOURCE,
                    ledger=Stages(_rsqrt_stages),
                ),
                Row(
                    INT16,
                    rsqrt_int16,
                    algorithm=INTERPOLATED,
                    source=_SOURCE,
                    since=NOT_TFLM,
                    ledger=tabled(
                        "1 / sqrt", _inverse_root_or_highest, "of 0 and below, the highest number"
                    ),
                ),
                finished(FLOAT, rsqrt_float, EXACT, _SOURCE),
            ),
        },
        function=("1 / sqrt(real)", lambda real: real**-0.5 if real > 0 else math.inf),
    ),
)
