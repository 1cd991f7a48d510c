"""EQUAL, NOT_EQUAL, LESS, LESS_EQUAL, GREATER and GREATER_EQUAL of quantized numbers."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.fixed_point import divide_by_any_pot
from tflreplay.ground.rounding import Array, Multiplier, high_mul
from tflreplay.kernels.call import Call, Kernel
from tflreplay.kernels.elementwise import operands
from tflreplay.kernels.lookup import centred_codes, look_up
from tflreplay.model import Tensor

_LEFT_SHIFT = 8  # of the inputs, before they are rescaled


def rescaled(compare: np.ufunc) -> Kernel:
    """The kernel that compares both inputs, each rescaled to 2**-8 by ``double((x - z) << 8, s)``.

    The inputs are int8, uint8 or int16, broadcast. What lies closer together than 2**-8 may count
    as equal, and scales above 1 compare nonsense. ``ComparisonWithScaling`` in
    ``tflite/kernels/internal/reference/comparisons.h``.
    """

    def kernel(call: Call, a: Array, b: Array) -> Array:
        ta, tb = operands(call)
        return np.asarray(compare(_real(ta, a), _real(tb, b)))

    return kernel


def _real(tensor: Tensor, codes: Array) -> Array:
    multiplier = Multiplier.of(tensor.scale)
    if multiplier.real == 1:
        raise NotReplayed("a comparison of numbers of the scale 1: the kernel aborts")
    product = high_mul(centred_codes(tensor) << _LEFT_SHIFT, multiplier.mantissa)
    # A scale above 1 shifts by a negative number of bits.
    return look_up(codes, divide_by_any_pot(product, -multiplier.shift))
