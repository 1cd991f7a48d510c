"""Ops that are a function of a real number and requantize by no rule."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from tflreplay.ground.rounding import Array
from tflreplay.model import Tensor
from tflreplay.tools.explain.parameters import of_tensor
from tflreplay.tools.explain.records import Factor, Real

# What is written, and what is computed in float64.
FUNCTIONS: Mapping[str, tuple[str, Callable[[float], float]]] = {
    "LOGISTIC": ("1 / (1 + exp(-real))", lambda real: 1 / (1 + math.exp(-max(real, -700)))),
    "TANH": ("tanh(real)", math.tanh),
    "HARD_SWISH": ("real * relu6(real + 3) / 6", lambda real: real * min(max(real + 3, 0), 6) / 6),
    "QUANTIZE": ("real", float),
    "DEQUANTIZE": ("real", float),
}


def real_value(op: str, tensor: Tensor, array: Array, index: tuple[int, ...]) -> Real:
    """What the input element stands for, and ``op``'s function of it."""
    name, function = FUNCTIONS[op]
    quantization = of_tensor(tensor, index)
    if quantization.scale is None or quantization.zero_point is None:
        real = float(array[index])
        return Real(None, "x", real, name, function(real))
    factor = Factor("x", index, int(array[index]), quantization.zero_point)
    real = quantization.scale * factor.value
    return Real(factor, "si * (x - zi)", real, name, function(real))
