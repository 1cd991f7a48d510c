"""Unary activations: LOGISTIC, TANH, LEAKY_RELU and the RELU family."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable

import numpy as np

from tflreplay.errors import NotReplayed
from tflreplay.kernels.call import Call, accumulation
from tflreplay.kernels.lookup import centred_codes, look_up
from tflreplay.rounding import Accumulation, Array, Multiplier, round_half_away


def logistic(call: Call, x: Array) -> Array:
    """``clamp(round_half_away(f * (1 / so)) + zo)`` with ``f = 1 / (1 + exp(-si * (x - zi)))``.

    x: int8 or uint8 of any shape. Every operation is rounded to float32. ``SigmoidPrepare`` in
    ``tflite/kernels/activations.cc`` and ``LUTPopulate`` in ``tflite/kernels/internal/common.h``.
    """
    one = np.float32(1)
    return _float_table(call, x, lambda real: one / (one + libm("expf", -real)))


def tanh(call: Call, x: Array) -> Array:
    """``clamp(round_half_away(f * (1 / so)) + zo)`` with ``f = tanh(si * (x - zi))``.

    x: int8 or uint8 of any shape. Every operation is rounded to float32. ``TanhPrepare`` in
    ``tflite/kernels/activations.cc`` and ``LUTPopulate`` in ``tflite/kernels/internal/common.h``.
    """
    return _float_table(call, x, lambda real: libm("tanhf", real))


def leaky_relu(call: Call, x: Array) -> Array:
    """``clamp(rule(x - zi, m) + zo)``; m is ``si / so``, or ``si * alpha / so`` below zero.

    x: int8 or uint8 of any shape; multipliers in float32. A negative alpha rescales by its
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
    _same_type(call)
    ti, to = call.input(0), call.output
    centred = centred_codes(ti)
    positive = call.rule(centred, Multiplier.of(np.float32(ti.scale) / np.float32(to.scale)))
    scaled = np.where(centred < 0, negative, positive)
    table = np.clip(scaled + to.zero_point, *to.code_range).astype(to.numpy_dtype)
    return look_up(x, table)


def relu(call: Call, x: Array) -> Accumulation:
    """``clamp(requantize(x - zi), round(0 / so), type maximum)``, the multiplier ``si / so``.

    x: int8 or uint8 of any shape; the multiplier is a float32 quotient. ``QuantizedReluX`` in
    ``tflite/kernels/activations.cc``, ``ReluX`` in
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
    _same_type(call)
    ti = call.input(0)
    values = x.astype(np.int32) - ti.zero_point
    multiplier = Multiplier.of(np.float32(ti.scale) / np.float32(call.output.scale))
    return accumulation(call, values, multiplier, activation)


def _same_type(call: Call) -> None:
    source, target = call.input(0).dtype, call.output.dtype
    if source != target:
        raise NotReplayed(f"{call.op.name} from {source} to {target}")


def libm(name: str, x: Array) -> Array:
    """A float32 function of this machine's C library, element by element.

    The runtimes call it too, and its results are not always the correctly rounded ones.
    """
    function = ctypes.CDLL("ucrtbase" if os.name == "nt" else None)[name]
    function.restype, function.argtypes = ctypes.c_float, [ctypes.c_float]
    return np.array([function(value) for value in x.tolist()], np.float32)


def _float_table(call: Call, x: Array, function: Callable[[Array], Array]) -> Array:
    _same_type(call)
    ti, to = call.input(0), call.output
    real = np.float32(ti.scale) * centred_codes(ti).astype(np.float32)
    rescaled = round_half_away(function(real) * (np.float32(1) / np.float32(to.scale)))
    codes = np.clip(rescaled + np.float32(to.zero_point), *to.code_range)
    return look_up(x, codes.astype(to.numpy_dtype))
