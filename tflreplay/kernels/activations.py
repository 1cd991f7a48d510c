"""Activations of quantized numbers: LOGISTIC, TANH, ELU, GELU and the RELU family."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Accumulation, Array, Multiplier
from tflreplay.kernels import functions
from tflreplay.kernels.call import Call, accumulation, same_type
from tflreplay.kernels.float_table import by_float_table
from tflreplay.kernels.lookup import centred_codes, look_up


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


def elu(call: Call, x: Array) -> Array:
    """As :func:`tanh`, with ``f = expm1(real)`` below zero and ``f = real`` from there on.

    x: int8 of any shape. ``EluPrepare`` in ``tflite/kernels/activations.cc``.
    """
    return by_float_table(call, x, functions.elu)


def gelu(call: Call, x: Array) -> Array:
    """As :func:`tanh`, with ``f = x * erfc(-x / sqrt(2)) / 2``, or its approximation by tanh.

    x: int8, uint8 or int16 (interpolated) of any shape. ``GeluPrepare`` in
    ``tflite/kernels/activations.cc``, ``GeluTransform`` in
    ``tflite/kernels/internal/reference/gelu.h``.
    """
    approximate = call.option("approximate")
    return by_float_table(call, x, functions.gelu_by_tanh if approximate else functions.gelu)


def leaky_relu(call: Call, x: Array) -> Array:
    """``clamp(rule(x - zi, m) + zo)``; m is ``si / so``, or ``si * alpha / so`` below zero.

    x: int8, uint8 or int16 of any shape; multipliers in float32. A negative alpha rescales by its
    magnitude and negates. ``QuantizeLeakyRelu`` in
    ``tflite/kernels/internal/reference/leaky_relu.h``.
    """
    slope = _slope(call)
    negative = call.rule(centred_codes(call.input(0)), Multiplier.of(abs(slope)))
    return _leaky_relu(call, x, negative * np.int64(np.sign(slope)))


def leaky_relu_signed(call: Call, x: Array) -> Array:
    """As :func:`leaky_relu`, a negative alpha making a negative multiplier."""
    return _leaky_relu(
        call, x, call.rule(centred_codes(call.input(0)), Multiplier.of(_slope(call)))
    )


def _slope(call: Call) -> np.float32:
    si, so = np.float32(call.input(0).scale), np.float32(call.output.scale)
    return np.float32(si * np.float32(call.option("alpha")) / so)


def _leaky_relu(call: Call, x: Array, negative: Array) -> Array:
    """The table whose entries for x below zero are ``negative``."""
    same_type(call)
    ti, to = call.input(0), call.output
    centred = centred_codes(ti)
    positive = call.rule(centred, Multiplier.of(np.float32(ti.scale) / np.float32(to.scale)))
    scaled = np.where(centred < 0, negative, positive)
    table = np.clip(scaled + to.zero_point, *to.code_range).astype(to.numpy_dtype)
    return look_up(x, table)


def prelu(call: Call, x: Array, alpha: Array) -> Array:
    """``clamp(rule(d, si / so) + zo)``, or ``rule(d * (alpha - za), si * sa / so)`` below zero.

    x: int8, uint8 or int16, ``d = x - zi``; alpha broadcast to it, of its type or int8 beside
    int16; multipliers in float32. ``Prelu`` in ``tflite/kernels/internal/reference/prelu.h``.

    Raises:
        NotReplayed: an alpha of another type, which the kernel reads as one of these.
    """
    same_type(call)
    if alpha.dtype != (np.int8 if x.dtype == np.int16 else x.dtype):
        raise NotReplayed(f"PRELU on {x.dtype} with an alpha of {alpha.dtype}")
    return prelu_by(call, x, alpha, np.float32)


def prelu_by(call: Call, x: Array, alpha: Array, number: type[np.float32 | np.float64]) -> Array:
    """As :func:`prelu`, the multipliers computed in this type."""
    ti, ta, to = call.input(0), call.input(1), call.output
    si, so = number(ti.scale), number(to.scale)
    centred = x.astype(np.int64) - ti.zero_point
    products = centred * (alpha.astype(np.int64) - ta.zero_point)
    positive = call.rule(centred, Multiplier.of(si / so))
    negative = call.rule(products, Multiplier.of(si * number(ta.scale) / so))
    codes = np.where(centred < 0, negative, positive) + to.zero_point
    return codes.clip(*to.code_range).astype(to.numpy_dtype)


def relu(call: Call, x: Array) -> Accumulation:
    """``clamp(requantize(x - zi), round(0 / so), type maximum)``, the multiplier ``si / so``.

    x: int8, uint8 or int16 of any shape; the multiplier is a float32 quotient. ``QuantizedReluX``
    in ``tflite/kernels/activations.cc``, ``ReluX`` in
    ``tflite/kernels/internal/reference/reference_ops.h``.
    """
    return _relu(call, x, "RELU")


def relu6(call: Call, x: Array) -> Accumulation:
    """As :func:`relu`, between the codes of 0 and 6."""
    return _relu(call, x, "RELU6")


def relu_n1_to_1(call: Call, x: Array) -> Accumulation:
    """As :func:`relu`, between the codes of -1 and 1."""
    return _relu(call, x, "RELU_N1_TO_1")


def relu_0_to_1(call: Call, x: Array) -> Accumulation:
    """As :func:`relu`, between the codes of 0 and 1."""
    return _relu(call, x, "RELU_0_TO_1")


def _relu(call: Call, x: Array, activation: str) -> Accumulation:
    same_type(call)
    ti = call.input(0)
    values = x.astype(np.int32) - ti.zero_point
    multiplier = Multiplier.of(np.float32(ti.scale) / np.float32(call.output.scale))
    return accumulation(call, values, multiplier, activation)
