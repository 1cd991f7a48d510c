"""LOGISTIC, TANH, ELU and LEAKY_RELU."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tflreplay.ground.rounding import Accumulation, Array, Multiplier, round_half_away
from tflreplay.kernels import functions
from tflreplay.kernels.call import Call, accumulation
from tflreplay.kernels.float_table import libm
from tflreplay.kernels.lookup import centred_codes, look_up

Function = Callable[[Array], Array]


def logistic(call: Call, x: Array) -> Array:
    """``clamp(round_half_even(f * (1 / so) + zo))``, ``f = float32(e / (1 + e))``.

    x: int8 or uint8 of any shape. ``e = exp(si * (x - zi))`` in float64, all else in float32.
    ``SigmoidOp`` in ``src/reference/unary-elementwise.cc``.
    """
    return _float_table(call, x, _sigmoid, np.rint)


def logistic_half_away(call: Call, x: Array) -> Array:
    """As :func:`logistic`, but rounded half away from zero."""
    return _float_table(call, x, _sigmoid, round_half_away)


def logistic_before_zero_point(call: Call, x: Array) -> Array:
    """``clamp(round_half_even(f * (1 / so)) + zo)``, all in float32.

    x: int8 or uint8 of any shape. With ``real = si * (x - zi)``, f is ``1 / (1 + exp(-real))``
    below zero and ``1 - 1 / (1 + exp(real))`` from zero on. ``src/operators/sigmoid-nc.c``.
    """
    return _float_table(call, x, _sigmoid_float32, np.rint, zero_point_inside=False)


def tanh(call: Call, x: Array) -> Array:
    """``clamp(round_half_even(f * (1 / so) + zo))``, ``f = tanh(si * (x - zi))``, in float32.

    x: int8 or uint8 of any shape. ``TanhOp`` in ``src/reference/unary-elementwise.cc``.
    """
    return _float_table(call, x, _tanh, np.rint)


def tanh_half_away(call: Call, x: Array) -> Array:
    """As :func:`tanh`, but rounded half away from zero."""
    return _float_table(call, x, _tanh, round_half_away)


def tanh_before_zero_point(call: Call, x: Array) -> Array:
    """As :func:`tanh`, but rounded before the zero point is added. ``src/operators/tanh-nc.c``."""
    return _float_table(call, x, _tanh, np.rint, zero_point_inside=False)


def elu(call: Call, x: Array) -> Array:
    """As :func:`tanh`, ``f = expm1(real)`` below zero and ``real`` from there on.

    x: int8 of any shape. ``ELUOp`` in ``src/reference/unary-elementwise.cc``.
    """
    return _float_table(call, x, functions.elu, np.rint)


def elu_half_away(call: Call, x: Array) -> Array:
    """As :func:`elu`, but rounded half away from zero."""
    return _float_table(call, x, functions.elu, round_half_away)


def leaky_relu(call: Call, x: Array) -> Accumulation:
    """``acc = (x - zi) * m``, requantized by 2**-8; m has 8 fractional bits.

    x: int8 or uint8 of any shape. ``m = round_half_even(256 * si / so)``, or
    ``round_half_even(256 * (si / so * alpha))`` below zero, in float32.
    ``xnn_init_qs8_lrelu_scalar_params`` in ``src/microparams-init.c``.
    """
    ti, to = call.input(0), call.output
    ratio = np.float32(ti.scale) / np.float32(to.scale)
    positive = int(np.rint(np.float32(256) * ratio))
    negative = int(np.rint(np.float32(256) * (ratio * np.float32(call.option("alpha")))))
    centred = x.astype(np.int32) - ti.zero_point
    values = np.where(centred < 0, centred * negative, centred * positive)
    return accumulation(call, values, Multiplier.of(2.0**-8))


def _sigmoid(real: Array) -> Array:
    # Beyond 100 the result is 0 or 1 in float32; exp would overflow.
    e = np.array([math.exp(value) for value in real.clip(-100, 100).tolist()])
    return np.asarray(e / (1 + e)).astype(np.float32)


def _sigmoid_float32(real: Array) -> Array:
    one = np.float32(1)
    part = one / (one + libm("expf", np.abs(real)))
    return np.where(real < 0, part, one - part)


def _tanh(real: Array) -> Array:
    return libm("tanhf", real)


def _float_table(
    call: Call, x: Array, function: Function, rounded: Function, zero_point_inside: bool = True
) -> Array:
    ti, to = call.input(0), call.output
    zero_point = np.float32(to.zero_point)
    real = centred_codes(ti).astype(np.float32) * np.float32(ti.scale)
    scaled = function(real) * (np.float32(1) / np.float32(to.scale))
    codes = rounded(scaled + zero_point) if zero_point_inside else rounded(scaled) + zero_point
    return look_up(x, codes.clip(*to.code_range).astype(to.numpy_dtype))
