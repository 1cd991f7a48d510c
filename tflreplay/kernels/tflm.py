"""Kernels of TFLM that compute something else than LiteRT's reference kernels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tflreplay.ground import fixed_point
from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import (
    Accumulation,
    Array,
    Multiplier,
    double,
    rounding_divide_by_pot,
)
from tflreplay.kernels import activations, elementwise, unary
from tflreplay.kernels import transpose_conv as transposed
from tflreplay.kernels.call import Call, activation_range, same_type
from tflreplay.kernels.lookup import centred_codes, look_up

_INPUT_BITS = 4  # a function's argument is Q4.27
_FRACTION_BITS = 31 - _INPUT_BITS


def sub(call: Call, a: Array, b: Array) -> Accumulation:
    """As :func:`tflreplay.kernels.elementwise.sub`, every multiplier a float32 quotient.

    ``CalculateOpDataSub`` in ``tensorflow/lite/micro/kernels/sub_common.cc`` until October 2026.
    """

    def rescale(acc: Array, multiplier: Multiplier) -> Array:
        return call.rule.apply(acc, _narrowed(multiplier))

    narrowed = replace(call, rule=replace(call.rule, apply=rescale))
    difference = elementwise.sub(narrowed, a, b)
    return replace(difference, multiplier=_narrowed(difference.multiplier))


def _narrowed(multiplier: Multiplier) -> Multiplier:
    # A quotient of float32 values rounded to float64 and then to float32 is rounded correctly.
    return Multiplier.of(multiplier.real.astype(np.float32))


def mul(call: Call, a: Array, b: Array) -> Accumulation:
    """As :func:`tflreplay.kernels.elementwise.mul`, the multiplier ``s1 * s2 / so`` in float64.

    ``CalculateOpDataMul`` in ``tensorflow/lite/micro/kernels/mul_common.cc``.
    """
    real = call.input(0).scale * call.input(1).scale / call.output.scale
    return replace(elementwise.mul(call, a, b), multiplier=Multiplier.of(np.float64(real)))


def transpose_conv(
    call: Call, shape: Array, weights: Array, x: Array, bias: Array | None = None
) -> Accumulation:
    """As :func:`tflreplay.kernels.transpose_conv.transpose_conv`, in an int64 accumulator.

    x: int16; bias int64 or int16. ``tensorflow/lite/micro/kernels/transpose_conv.cc``.

    Raises:
        NotReplayed: an int32 bias, which TFLM reads as int64.
    """
    if bias is not None and bias.dtype == np.int32:
        raise NotReplayed(f"{call.op.name} on int16: TFLM reads the int32 bias as int64")
    wide = np.zeros(len(weights), np.int64) if bias is None else bias.astype(np.int64)
    return transposed.transpose_conv(call, shape, weights, x, wide)


def relu(call: Call, x: Array) -> Accumulation:
    """As :func:`tflreplay.kernels.activations.relu`, the multiplier ``si / so`` in float64.

    ``CalculateReluOpData`` in ``tensorflow/lite/micro/kernels/activations_common.cc``.
    """
    real = call.input(0).scale / call.output.scale
    return replace(activations.relu(call, x), multiplier=Multiplier.of(np.float64(real)))


def abs_(call: Call, x: Array) -> Accumulation:
    """As :func:`tflreplay.kernels.unary.abs_`, the multiplier ``si / so`` in float64.

    ``SetAbsOutputMultiplier`` in ``tensorflow/lite/micro/kernels/elementwise.cc``.
    """
    real = call.input(0).scale / call.output.scale
    return replace(unary.abs_(call, x), multiplier=Multiplier.of(np.float64(real)))


def prelu(call: Call, x: Array, alpha: Array) -> Array:
    """As :func:`tflreplay.kernels.activations.prelu`, the multipliers in float64.

    ``CalculatePreluParams`` in ``tensorflow/lite/micro/kernels/prelu_common.cc``.
    """
    return activations.prelu_by(call, x, alpha, np.float64)


def relu6(call: Call, x: Array) -> Array:
    """``clamp(x, zi, zi + round_half_away(6 / si))``: the output's scale is not looked at.

    x: int8 of any shape. ``Relu6Prepare`` in
    ``tensorflow/lite/micro/kernels/activations_common.cc``.
    """
    same_type(call)
    low, high = activation_range(replace(call, outputs=(call.input(0),)), "RELU6")
    return np.clip(x, low, high).astype(x.dtype)


def leaky_relu(call: Call, x: Array) -> Array:
    """As :func:`tflreplay.kernels.activations.leaky_relu`, the multipliers in float64.

    ``CalculateOpDataLeakyRelu`` in ``tensorflow/lite/micro/kernels/leaky_relu_common.cc``.
    """
    same_type(call)
    ti, to = call.input(0), call.output
    centred = centred_codes(ti)
    slope = np.float64(ti.scale) * np.float32(call.option("alpha")) / to.scale
    negative = call.rule(centred, Multiplier.of(abs(slope))) * np.int64(np.sign(slope))
    positive = call.rule(centred, Multiplier.of(np.float64(ti.scale / to.scale)))
    table = np.where(centred < 0, negative, positive) + to.zero_point
    return look_up(x, np.clip(table, *to.code_range).astype(to.numpy_dtype))


def logistic(call: Call, x: Array) -> Array:
    """``rounding_divide_by_pot(logistic(si * (x - zi)), 23) - 128`` in fixed point.

    x: int8 of any shape; the argument is Q4.27 and the result Q0.31. The output's scale is 1/256
    and its zero point -128. ``Logistic`` in
    ``tensorflow/lite/kernels/internal/reference/integer_ops/logistic.h``.
    """

    def function(a: Array) -> Array:
        return rounding_divide_by_pot(fixed_point.logistic(a, _INPUT_BITS), 23) - 128

    return _fixed_point(call, x, function)


def tanh(call: Call, x: Array) -> Array:
    """``rounding_divide_by_pot(tanh(si * (x - zi)), 24)`` in fixed point.

    x: int8 of any shape; the argument is Q4.27 and the result Q0.31. The output's scale is 1/128
    and its zero point 0. ``Tanh`` in
    ``tensorflow/lite/kernels/internal/reference/integer_ops/tanh.h``.
    """

    def function(a: Array) -> Array:
        return rounding_divide_by_pot(fixed_point.tanh(a, _INPUT_BITS), 24)

    return _fixed_point(call, x, function)


def dequantize(call: Call, x: Array) -> Array:
    """``float32(si * (x - zi))``, the product in float64, by the first scale of several.

    x: int8, uint8 or int16 of any shape. ``DequantizePrepare`` in
    ``tensorflow/lite/micro/kernels/dequantize_common.cc``.
    """
    quantization = call.input(0).quantization
    if quantization is None:
        raise NotReplayed(f"tensor {call.input(0).label} has no quantization parameters")
    real: Array = np.float64(quantization.scale[0]) * (x - quantization.zero_point[0])
    return real.astype(np.float32)


def _fixed_point(call: Call, x: Array, function: Callable[[Array], Array]) -> Array:
    """``function`` of the argument's raw value; the lowest and highest code far outside of 0."""
    same_type(call)
    centred = centred_codes(call.input(0))
    multiplier = Multiplier.of(np.float64(call.input(0).scale * 2.0**_FRACTION_BITS))
    low, high = call.output.code_range
    radius = ((2**_INPUT_BITS - 1) << _FRACTION_BITS) >> int(multiplier.shift)
    inside = np.abs(centred) < radius
    codes = function(double(np.where(inside, centred, 0), multiplier)).clip(low, high)
    codes = np.where(inside, codes, np.where(centred < 0, low, high))
    return look_up(x, codes.astype(call.output.numpy_dtype))
