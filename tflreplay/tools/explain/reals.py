"""Ops that are a function of a real number and requantize by no rule."""

from __future__ import annotations

from collections.abc import Callable

from tflreplay.ground.rounding import Array
from tflreplay.model import Tensor
from tflreplay.ops.base.ledger import Factor
from tflreplay.tools.explain.parameters import of_tensor
from tflreplay.tools.explain.records import Real


def real_value(
    function: tuple[str, Callable[[float], float]],
    tensor: Tensor,
    array: Array,
    index: tuple[int, ...],
) -> Real:
    """What the input element stands for, and the function of it: in words, and in float64."""
    name, of = function
    quantization = of_tensor(tensor, index)
    if quantization.scale is None or quantization.zero_point is None:
        real = float(array[index])
        return Real(None, "x", real, name, of(real))
    factor = Factor("x", index, int(array[index]), quantization.zero_point)
    real = quantization.scale * factor.value
    return Real(factor, "si * (x - zi)", real, name, of(real))
