"""SOFTMAX."""

from __future__ import annotations

import numpy as np

from tflreplay.errors import NotReplayed
from tflreplay.kernels.call import Call
from tflreplay.kernels.fixed_point import exp_on_negative_values, one_over_one_plus_x
from tflreplay.rounding import Array, Multiplier, high_mul, rounding_divide_by_pot

_ONE_Q26 = 2.0**26  # exp's argument is Q5.26
_ONE_Q19 = 1 << 19  # the sum is Q12.19


def softmax(call: Call, x: Array) -> Array:
    """Softmax of the last axis in gemmlowp's fixed point.

    x: int8 or uint8 of rank 1 or more. With ``e = exp(beta * si * (x - max))`` in Q0.31, 0 below
    the smallest difference that Q5.26 holds, and ``sum`` the sum of e in Q12.19::

        out = min(rounding_divide_by_pot(high_mul(1 / sum, e), floor(log2 sum) + 23) + low, high)

    The output's scale is 1/256 and its zero point the lowest code. ``Softmax`` in
    ``tflite/kernels/internal/reference/softmax.h``.

    Raises:
        NotReplayed: input and output of different types, a multiplier or a sum for which the
            kernel aborts the process.
    """
    ti, to = call.input(0), call.output
    if ti.dtype != to.dtype:
        raise NotReplayed(f"SOFTMAX from {ti.dtype} to {to.dtype}")
    exponentials = _exp_table(call.option("beta") * ti.scale * _ONE_Q26)
    below_max = x.max(axis=-1, keepdims=True).astype(np.int64) - x
    e = exponentials[below_max]
    total = rounding_divide_by_pot(e, 12).sum(axis=-1, keepdims=True)
    if (total >= 512 * _ONE_Q19).any():
        raise NotReplayed("SOFTMAX with a sum of exponentials of 512 or more: the kernel aborts")
    bits = np.frexp(total.astype(np.float64))[1].astype(np.int64)
    fraction = (total << (32 - bits)) - 2**31  # total = (1 + fraction) * 2**(bits - 20)
    probability = high_mul(one_over_one_plus_x(fraction), e)
    low, high = to.code_range
    code: Array = rounding_divide_by_pot(probability, bits - 20 + 23) + low
    return code.clip(max=high).astype(to.numpy_dtype)


def _exp_table(real_multiplier: float) -> Array:
    """``exp`` in Q0.31 of every difference 0 ... 255 below the maximum.

    ``PreprocessSoftmaxScaling`` and ``CalculateInputRadius`` in
    ``tflite/kernels/internal/quantization_util.cc``.
    """
    if real_multiplier <= 1:
        raise NotReplayed(f"SOFTMAX with beta * scale of {real_multiplier / _ONE_Q26:g}")
    multiplier = Multiplier.of(min(real_multiplier, 2.0**31 - 1))
    mantissa, shift = int(multiplier.mantissa), int(multiplier.shift)
    difference = -np.arange(256, dtype=np.int64)
    reachable = -difference <= (31 << 26) >> shift
    scaled = high_mul(np.where(reachable, difference, 0) << shift, mantissa)
    return np.where(reachable, exp_on_negative_values(scaled), 0)
