"""LOGISTIC and TANH of int16 codes whose scale is a power of two, in gemmlowp's fixed point."""

from __future__ import annotations

import numpy as np

from tflreplay.ground import fixed_point
from tflreplay.ground.rounding import Array
from tflreplay.kernels import sigmoid16
from tflreplay.kernels.call import Call, same_type
from tflreplay.kernels.lookup import centred_codes, look_up

_WORD = 15  # bits beside the sign
_INTEGER_BITS = 3


def logistic(call: Call, x: Array) -> Array:
    """``logistic(x)`` of x in Q3.12, in Q0.15.

    x: int16 of any shape, its scale 2**-12; any other goes through the reference kernel's table.
    ``Logistic`` in ``tflite/kernels/internal/optimized/optimized_ops.h``.
    """
    same_type(call)
    if sigmoid16.input_shift(call) is None:
        return sigmoid16.logistic(call, x)
    result = fixed_point.logistic(centred_codes(call.input(0)), _INTEGER_BITS, _WORD)
    return look_up(x, result.astype(np.int16))


def tanh(call: Call, x: Array) -> Array:
    """``tanh(x)`` of x in Q3.12, saturated, in Q0.15.

    x: int16 of any shape, its scale 2**-12 or 2**-11; any other goes through the reference
    kernel's table. ``Tanh`` in ``tflite/kernels/internal/optimized/optimized_ops.h``.
    """
    same_type(call)
    shift = sigmoid16.input_shift(call)
    if shift is None:
        return sigmoid16.tanh(call, x)
    argument = (centred_codes(call.input(0)) << shift).clip(-(2**15), 2**15 - 1)
    return look_up(x, fixed_point.tanh(argument, _INTEGER_BITS, _WORD).astype(np.int16))
