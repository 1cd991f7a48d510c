"""Kernels of TFLM that compute something else than LiteRT's reference kernels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tflreplay.errors import NotReplayed
from tflreplay.kernels import activations, elementwise
from tflreplay.kernels.call import Call, activation_range
from tflreplay.kernels.fixed_point import (
    exp_on_negative_values,
    one_minus_x_over_one_plus_x,
    one_over_one_plus_x,
)
from tflreplay.kernels.lookup import centred_codes, look_up
from tflreplay.rounding import (
    INT32_MAX,
    Accumulation,
    Array,
    Multiplier,
    double,
    rounding_divide_by_pot,
)

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


def relu(call: Call, x: Array) -> Accumulation:
    """As :func:`tflreplay.kernels.activations.relu`, the multiplier ``si / so`` in float64.

    ``CalculateReluOpData`` in ``tensorflow/lite/micro/kernels/activations_common.cc``.
    """
    real = call.input(0).scale / call.output.scale
    return replace(activations.relu(call, x), multiplier=Multiplier.of(np.float64(real)))


def relu6(call: Call, x: Array) -> Array:
    """``clamp(x, zi, zi + round_half_away(6 / si))``: the output's scale is not looked at.

    x: int8 of any shape. ``Relu6Prepare`` in
    ``tensorflow/lite/micro/kernels/activations_common.cc``.
    """
    _same_type(call)
    low, high = activation_range(replace(call, outputs=(call.input(0),)), "RELU6")
    return np.clip(x, low, high).astype(x.dtype)


def leaky_relu(call: Call, x: Array) -> Array:
    """As :func:`tflreplay.kernels.activations.leaky_relu`, the multipliers in float64.

    ``CalculateOpDataLeakyRelu`` in ``tensorflow/lite/micro/kernels/leaky_relu_common.cc``.
    """
    _same_type(call)
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
        positive = one_over_one_plus_x(exp_on_negative_values(-np.abs(a), _INPUT_BITS))
        result = np.where(a < 0, INT32_MAX - positive, positive)
        return np.where(a == 0, 1 << 30, result)

    return _fixed_point(call, x, lambda a: rounding_divide_by_pot(function(a), 23) - 128)


def tanh(call: Call, x: Array) -> Array:
    """``rounding_divide_by_pot(tanh(si * (x - zi)), 24)`` in fixed point.

    x: int8 of any shape; the argument is Q4.27 and the result Q0.31. The output's scale is 1/128
    and its zero point 0. ``Tanh`` in
    ``tensorflow/lite/kernels/internal/reference/integer_ops/tanh.h``.
    """

    def function(a: Array) -> Array:
        # Twice a number in Q4.27 has the same raw value in Q5.26.
        positive = one_minus_x_over_one_plus_x(exp_on_negative_values(-np.abs(a)))
        return np.where(a == 0, 0, np.sign(a) * positive)

    return _fixed_point(call, x, lambda a: rounding_divide_by_pot(function(a), 24))


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
    _same_type(call)
    centred = centred_codes(call.input(0))
    multiplier = Multiplier.of(np.float64(call.input(0).scale * 2.0**_FRACTION_BITS))
    low, high = call.output.code_range
    radius = ((2**_INPUT_BITS - 1) << _FRACTION_BITS) >> int(multiplier.shift)
    inside = np.abs(centred) < radius
    codes = function(double(np.where(inside, centred, 0), multiplier)).clip(low, high)
    codes = np.where(inside, codes, np.where(centred < 0, low, high))
    return look_up(x, codes.astype(call.output.numpy_dtype))


def _same_type(call: Call) -> None:
    source, target = call.input(0).dtype, call.output.dtype
    if source != target:
        raise NotReplayed(f"{call.op.name} from {source} to {target}")
