"""LOGISTIC, 1 / (1 + exp(-x)), and TANH, which is 2 * logistic(2 * x) - 1."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tflreplay.ground import fixed_point, functions
from tflreplay.ground.libm import libm
from tflreplay.ground.machine import AARCH64
from tflreplay.ground.rounding import (
    Array,
    Multiplier,
    double,
    round_half_away,
    rounding_divide_by_pot,
    wrap32,
)
from tflreplay.ops.base import refusals
from tflreplay.ops.base.call import Call, same_type
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.float_table import (
    by_float_table,
    by_xnnpack_table,
    tabled,
    xnnpack_tabled,
)
from tflreplay.ops.base.lookup import centred_codes, look_up
from tflreplay.ops.base.plain import elementwise
from tflreplay.ops.base.plain_rows import xnnpack_approximated
from tflreplay.ops.base.ported import activations as ported
from tflreplay.ops.base.predicates import unary
from tflreplay.ops.base.rescaling import power_of_two
from tflreplay.ops.base.row import Row
from tflreplay.ops.base.sigmoid16 import interpolated_logistic, interpolated_tanh
from tflreplay.ops.base.step import AWAY, EVEN
from tflreplay.ops.base.types import EIGHT_BITS, FLOAT, INT8, INT16
from tflreplay.ops.base.words import (
    APPROXIMATED,
    EXACT,
    INTEGER_OPS,
    LIKE_LIBM,
    MICRO,
    OPTIMIZED_HEADER,
    TABLE,
    XNNPACK_HALF_AWAY,
    XNNPACK_HALF_EVEN,
    finished,
)

# Of the int16 kernels: how far a code may be shifted left to become Q3.12.
_LOGISTIC_SHIFT, _TANH_SHIFT = 0, 1
# Below, exp is subnormal.
_LOGISTIC_CUTOFF = np.float32(-87.33654)


# ---- reference kernels ------------------------------------------------------------------------


def logistic(call: Call, x: Array) -> Array:
    """``clamp(round_half_away(f * (1 / so)) + zo)`` with ``f = 1 / (1 + exp(-si * (x - zi)))``.

    x: int8 or uint8 of any shape. Every operation is rounded to float32. ``SigmoidPrepare`` in
    ``tflite/kernels/activations.cc`` and ``LUTPopulate`` in ``tflite/kernels/internal/common.h``.
    """
    return by_float_table(call, x, functions.logistic)


def tanh(call: Call, x: Array) -> Array:
    """``clamp(round_half_away(f * (1 / so)) + zo)`` with ``f = tanh(si * (x - zi))``.

    x: int8 or uint8 of any shape. Every operation is rounded to float32. ``TanhPrepare`` in
    ``tflite/kernels/activations.cc`` and ``LUTPopulate`` in ``tflite/kernels/internal/common.h``.
    """
    return by_float_table(call, x, functions.tanh)


def logistic_int16(call: Call, x: Array) -> Array:
    """``logistic(si * x)`` in Q0.15, interpolated.

    x: int16 of any shape; the output's scale is 2**-15. ``Logistic`` in
    ``tflite/kernels/internal/reference/integer_ops/logistic.h``.
    """
    same_type(call)
    return look_up(x, interpolated_logistic(_scaled(call, _LOGISTIC_SHIFT)))


def tanh_int16(call: Call, x: Array) -> Array:
    """``tanh(si * x) = 2 * logistic(2 * si * x) - 1`` in Q0.15, interpolated.

    x: int16 of any shape; the output's scale is 2**-15. ``Tanh`` in
    ``tflite/kernels/internal/reference/integer_ops/tanh.h``.
    """
    same_type(call)
    return look_up(x, interpolated_tanh(_scaled(call, _TANH_SHIFT)))


def _scaled(call: Call, most: int) -> Array:
    """Every code on the scale ``1 / (3 * 4096)``, where 24 steps of the table make 1."""
    centred = centred_codes(call.input(0))
    left = _left_shift(call, most)
    if left is not None:
        return centred * (3 << left)
    multiplier, shift = call.input(0).scale * 4096.0 * 3.0, 0
    while multiplier <= 32767.0 / 2.0 and shift <= 30:
        multiplier, shift = multiplier * 2, shift + 1
    return wrap32(centred * int(multiplier) + ((1 << shift) >> 1)) >> shift


def _left_shift(call: Call, most: int) -> int | None:
    """How far a code is shifted left to become Q3.12, where that is all it takes; else None."""
    exponent = power_of_two(call.input(0).scale)
    return exponent + 12 if exponent is not None and 0 <= exponent + 12 <= most else None


@elementwise
def logistic_float(x: Array) -> Array:
    """1 above 16.62, ``exp(x)`` below -9: ``Logistic`` in ``.../internal/reference/logistic.h``."""
    upper, lower = np.float32(16.619047164916992), np.float32(-9)
    middle = functions.logistic(x.clip(lower, upper))
    low = functions.exp(np.minimum(x, lower))
    return np.where(x > upper, np.float32(1), np.where(x < lower, low, middle))


tanh_float = elementwise(functions.tanh)


def _logistic(x: Array) -> Array:
    small = functions.exp(-np.abs(x))
    return np.asarray(np.where(x < 0, small, np.float32(1)) / (np.float32(1) + small))


@elementwise
def optimized_logistic_float(x: Array) -> Array:
    """``exp(x) / (1 + exp(x))`` below zero, ``1 / (1 + exp(-x))`` from there on.

    ``scalar_logistic_op`` of Eigen, which ``Logistic`` in
    ``tflite/kernels/internal/optimized/optimized_ops.h`` calls.
    """
    return _logistic(x)


# ---- optimized kernels: int16 in gemmlowp's fixed point ---------------------------------------

_WORD = 15  # bits beside the sign
_INTEGER_BITS = 3


def optimized_logistic_int16(call: Call, x: Array) -> Array:
    """``logistic(x)`` of x in Q3.12, in Q0.15.

    x: int16 of any shape, its scale 2**-12; any other goes through the reference kernel's table.
    ``Logistic`` in ``tflite/kernels/internal/optimized/optimized_ops.h``.
    """
    same_type(call)
    if _left_shift(call, _LOGISTIC_SHIFT) is None:
        return logistic_int16(call, x)
    result = fixed_point.logistic(centred_codes(call.input(0)), _INTEGER_BITS, _WORD)
    return look_up(x, result.astype(np.int16))


def optimized_tanh_int16(call: Call, x: Array) -> Array:
    """``tanh(x)`` of x in Q3.12, saturated, in Q0.15.

    x: int16 of any shape, its scale 2**-12 or 2**-11; any other goes through the reference
    kernel's table. ``Tanh`` in ``tflite/kernels/internal/optimized/optimized_ops.h``.
    """
    same_type(call)
    shift = _left_shift(call, _TANH_SHIFT)
    if shift is None:
        return tanh_int16(call, x)
    argument = (centred_codes(call.input(0)) << shift).clip(-(2**15), 2**15 - 1)
    return look_up(x, fixed_point.tanh(argument, _INTEGER_BITS, _WORD).astype(np.int16))


_FIXED_POINT16 = "fixed point where the scale allows, else a table"


# ---- XNNPACK ----------------------------------------------------------------------------------


def xnnpack_logistic(call: Call, x: Array) -> Array:
    """``clamp(round_half_even(f * (1 / so) + zo))``, ``f = float32(e / (1 + e))``.

    x: int8 or uint8 of any shape. ``e = exp(si * (x - zi))`` in float64, all else in float32.
    ``SigmoidOp`` in ``src/reference/unary-elementwise.cc``.
    """
    return by_xnnpack_table(call, x, _sigmoid, np.rint)


def xnnpack_logistic_half_away(call: Call, x: Array) -> Array:
    """As :func:`xnnpack_logistic`, but rounded half away from zero."""
    return by_xnnpack_table(call, x, _sigmoid, round_half_away)


def xnnpack_logistic_before_zero_point(call: Call, x: Array) -> Array:
    """``clamp(round_half_even(f * (1 / so)) + zo)``, all in float32.

    x: int8 or uint8 of any shape. With ``real = si * (x - zi)``, f is ``1 / (1 + exp(-real))``
    below zero and ``1 - 1 / (1 + exp(real))`` from zero on. ``src/operators/sigmoid-nc.c``.
    """
    return by_xnnpack_table(call, x, _sigmoid_float32, np.rint, zero_point_inside=False)


def _sigmoid(real: Array) -> Array:
    # Beyond 100 the result is 0 or 1 in float32; exp would overflow.
    e = np.array([math.exp(value) for value in real.clip(-100, 100).tolist()])
    return np.asarray(e / (1 + e)).astype(np.float32)


def _sigmoid_float32(real: Array) -> Array:
    one = np.float32(1)
    part = one / (one + libm("expf", np.abs(real)))
    return np.where(real < 0, part, one - part)


def xnnpack_tanh(call: Call, x: Array) -> Array:
    """``clamp(round_half_even(f * (1 / so) + zo))``, ``f = tanh(si * (x - zi))``, in float32.

    x: int8 or uint8 of any shape. ``TanhOp`` in ``src/reference/unary-elementwise.cc``.
    """
    return by_xnnpack_table(call, x, functions.tanh, np.rint)


def xnnpack_tanh_half_away(call: Call, x: Array) -> Array:
    """As :func:`xnnpack_tanh`, but rounded half away from zero."""
    return by_xnnpack_table(call, x, functions.tanh, round_half_away)


def xnnpack_tanh_before_zero_point(call: Call, x: Array) -> Array:
    """As :func:`xnnpack_tanh`, but rounded before the zero point is added.

    ``src/operators/tanh-nc.c``.
    """
    return by_xnnpack_table(call, x, functions.tanh, np.rint, zero_point_inside=False)


@elementwise
def xnnpack_logistic_float(x: Array) -> Array:
    """As :func:`optimized_logistic_float`, 0 where the result would be subnormal.

    ``src/f32-vsigmoid/``.
    """
    return np.where(x < _LOGISTIC_CUTOFF, np.float32(0), _logistic(x))


_XNNPACK_UNARY = "src/reference/unary-elementwise.cc"


# ---- TFLM: 8 bits in gemmlowp's fixed point ---------------------------------------------------

_MICRO_INPUT_BITS = 4  # the argument is Q4.27
_MICRO_FRACTION_BITS = 31 - _MICRO_INPUT_BITS


def tflm_logistic(call: Call, x: Array) -> Array:
    """``rounding_divide_by_pot(logistic(si * (x - zi)), 23) - 128`` in fixed point.

    x: int8 of any shape; the argument is Q4.27 and the result Q0.31. The output's scale is 1/256
    and its zero point -128. ``Logistic`` in
    ``tensorflow/lite/kernels/internal/reference/integer_ops/logistic.h``.
    """

    def function(a: Array) -> Array:
        return rounding_divide_by_pot(fixed_point.logistic(a, _MICRO_INPUT_BITS), 23) - 128

    return _by_fixed_point(call, x, function)


def tflm_tanh(call: Call, x: Array) -> Array:
    """``rounding_divide_by_pot(tanh(si * (x - zi)), 24)`` in fixed point.

    x: int8 of any shape; the argument is Q4.27 and the result Q0.31. The output's scale is 1/128
    and its zero point 0. ``Tanh`` in
    ``tensorflow/lite/kernels/internal/reference/integer_ops/tanh.h``.
    """

    def function(a: Array) -> Array:
        return rounding_divide_by_pot(fixed_point.tanh(a, _MICRO_INPUT_BITS), 24)

    return _by_fixed_point(call, x, function)


def _by_fixed_point(call: Call, x: Array, function: Callable[[Array], Array]) -> Array:
    """``function`` of the argument's raw value; the lowest and highest code far outside of 0."""
    same_type(call)
    centred = centred_codes(call.input(0))
    multiplier = Multiplier.of(np.float64(call.input(0).scale * 2.0**_MICRO_FRACTION_BITS))
    low, high = call.output.code_range
    radius = ((2**_MICRO_INPUT_BITS - 1) << _MICRO_FRACTION_BITS) >> int(multiplier.shift)
    inside = np.abs(centred) < radius
    codes = function(double(np.where(inside, centred, 0), multiplier)).clip(low, high)
    codes = np.where(inside, codes, np.where(centred < 0, low, high))
    return look_up(x, codes.astype(call.output.numpy_dtype))


_TANH = finished(FLOAT, tanh_float, EXACT, "activations.cc")

CARDS = (
    Card(
        "LOGISTIC",
        {
            "xnnpack": (
                xnnpack_approximated(xnnpack_logistic_float),
                Row(
                    EIGHT_BITS,
                    xnnpack_logistic,
                    algorithm="float64 exp, float32 sum with the zero point, half even",
                    source=_XNNPACK_UNARY,
                    when=unary,
                    since=XNNPACK_HALF_EVEN,
                    ledger=xnnpack_tabled("logistic", _sigmoid, EVEN),
                ),
                Row(
                    EIGHT_BITS,
                    xnnpack_logistic_half_away,
                    algorithm="float64 exp, float32 sum with the zero point, half away",
                    source=_XNNPACK_UNARY,
                    when=unary,
                    since=XNNPACK_HALF_AWAY,
                    ledger=xnnpack_tabled("logistic", _sigmoid, AWAY),
                ),
                Row(
                    EIGHT_BITS,
                    xnnpack_logistic_before_zero_point,
                    algorithm="float32 exp and product, half even before the zero point",
                    source="src/operators/sigmoid-nc.c",
                    when=unary,
                    until=XNNPACK_HALF_AWAY,
                    ledger=xnnpack_tabled(
                        "logistic", _sigmoid_float32, EVEN, zero_point_inside=False
                    ),
                ),
            ),
            "optimized": (
                finished(
                    FLOAT, optimized_logistic_float, LIKE_LIBM, OPTIMIZED_HEADER, APPROXIMATED
                ),
                finished(INT16, optimized_logistic_int16, _FIXED_POINT16, OPTIMIZED_HEADER),
            ),
            "reference": (
                finished(FLOAT, logistic_float, EXACT, "activations.cc"),
                finished(INT16, logistic_int16, "interpolated table", f"{INTEGER_OPS}logistic.h"),
                Row(
                    EIGHT_BITS,
                    logistic,
                    algorithm=TABLE,
                    source="activations.cc",
                    ledger=tabled("logistic", lambda call: functions.logistic),
                ),
            ),
            "tflm": (finished(INT8, tflm_logistic, "fixed point", f"{MICRO}logistic.cc"),),
        },
        unary=True,
        function=("1 / (1 + exp(-real))", lambda real: 1 / (1 + math.exp(-max(real, -700)))),
        ported=ported.LOGISTIC,
        refusals=refusals.LOGISTIC,
    ),
    Card(
        "TANH",
        {
            "xnnpack": (
                xnnpack_approximated(tanh_float),
                Row(
                    EIGHT_BITS,
                    xnnpack_tanh,
                    algorithm="float32 tanh and sum with the zero point, half even",
                    source=_XNNPACK_UNARY,
                    when=unary,
                    since=XNNPACK_HALF_EVEN,
                    ledger=xnnpack_tabled("tanh", functions.tanh, EVEN),
                ),
                Row(
                    EIGHT_BITS,
                    xnnpack_tanh_half_away,
                    algorithm="float32 tanh and sum with the zero point, half away",
                    source=_XNNPACK_UNARY,
                    when=unary,
                    since=XNNPACK_HALF_AWAY,
                    ledger=xnnpack_tabled("tanh", functions.tanh, AWAY),
                ),
                Row(
                    EIGHT_BITS,
                    xnnpack_tanh_before_zero_point,
                    algorithm="float32 tanh and product, half even before the zero point",
                    source="src/operators/tanh-nc.c",
                    when=unary,
                    until=XNNPACK_HALF_AWAY,
                    ledger=xnnpack_tabled("tanh", functions.tanh, EVEN, zero_point_inside=False),
                ),
            ),
            "optimized": (
                finished(FLOAT, tanh_float, LIKE_LIBM, OPTIMIZED_HEADER, APPROXIMATED),
                finished(INT16, optimized_tanh_int16, _FIXED_POINT16, OPTIMIZED_HEADER),
            ),
            "reference": (
                replace(_TANH, algorithm=LIKE_LIBM, tolerance=APPROXIMATED, on=AARCH64),
                _TANH,
                finished(INT16, tanh_int16, "interpolated table", f"{INTEGER_OPS}tanh.h"),
                Row(
                    EIGHT_BITS,
                    tanh,
                    algorithm=TABLE,
                    source="activations.cc",
                    ledger=tabled("tanh", lambda call: functions.tanh),
                ),
            ),
            "tflm": (finished(INT8, tflm_tanh, "fixed point", f"{MICRO}tanh.cc"),),
        },
        # The zero point is 0, and 1 / so is a power of two.
        alike=(
            frozenset({tanh, xnnpack_tanh_half_away}),
            frozenset({xnnpack_tanh, xnnpack_tanh_before_zero_point}),
        ),
        unary=True,
        function=("tanh(real)", math.tanh),
        ported=ported.TANH,
        refusals=refusals.TANH,
    ),
)
