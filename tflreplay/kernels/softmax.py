"""SOFTMAX of 8-bit codes."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.fixed_point import exp_on_negative_values, reciprocal
from tflreplay.ground.rounding import Array, Multiplier, high_mul, rounding_divide_by_pot
from tflreplay.kernels.call import Call

ONE_Q26 = 2.0**26  # exp's argument is Q5.26
_ONE_Q19 = 1 << 19  # the sum is Q12.19


def softmax(call: Call, x: Array) -> Array:
    """Softmax of the last axis in gemmlowp's fixed point.

    x: int8 or uint8 of rank 1 or more. With ``e = exp(beta * si * (x - max))`` in Q0.31, 0 below
    the smallest difference that Q5.26 holds, and ``sum`` the sum of e in Q12.19::

        out = min(rounding_divide_by_pot(high_mul(1 / sum, e), floor(log2 sum) + right) + low, high)

    ``right`` is 23 for an output of 8 bits, which has the scale 1/256, and 15 for one of 16. The
    output's zero point is taken to be the lowest code. ``Softmax`` in
    ``tflite/kernels/internal/reference/softmax.h``.

    Raises:
        NotReplayed: a pair of types that has no kernel, a multiplier or a sum for which the kernel
            aborts the process.
    """
    ti, to = call.input(0), call.output
    check_types(call)
    exponentials = exp_table(call.option("beta") * ti.scale * ONE_Q26)
    below_max = x.max(axis=-1, keepdims=True).astype(np.int64) - x
    e = exponentials[below_max]
    total = rounding_divide_by_pot(e, 12).sum(axis=-1, keepdims=True)
    most = 512 if to.numpy_dtype.itemsize == 1 else 4096
    if (total >= most * _ONE_Q19).any():
        raise NotReplayed(f"SOFTMAX with a sum of exponentials of {most} or more: the kernel fails")
    inverse, exponent = reciprocal(total)
    low, high = to.code_range
    right = exponent - 19 + 31 - 8 * to.numpy_dtype.itemsize
    code: Array = rounding_divide_by_pot(high_mul(inverse, e), right) + low
    return code.clip(max=high).astype(to.numpy_dtype)


def check_types(call: Call) -> None:
    """Check that the output has the input's type, or 16 bits.

    Raises:
        NotReplayed: it has another.
    """
    source, target = call.input(0).dtype, call.output.dtype
    if target not in (source, "int16"):
        raise NotReplayed(f"SOFTMAX from {source} to {target}")


def exp_table(real_multiplier: float) -> Array:
    """``exp`` in Q0.31 of every difference 0 ... 255 below the maximum.

    ``PreprocessSoftmaxScaling`` and ``CalculateInputRadius`` in
    ``tflite/kernels/internal/quantization_util.cc``.
    """
    scaled, reachable = scaled_differences(real_multiplier)
    return np.where(reachable, exp_on_negative_values(scaled), 0)


def scaled_differences(real_multiplier: float) -> tuple[Array, Array]:
    """The differences 0 ... -255 times the multiplier, in Q5.26, and which of them that holds.

    Raises:
        NotReplayed: a multiplier for which the kernel aborts the process.
    """
    if real_multiplier <= 1:
        raise NotReplayed(f"SOFTMAX with beta * scale of {real_multiplier / ONE_Q26:g}")
    multiplier = Multiplier.of(min(real_multiplier, 2.0**31 - 1))
    mantissa, shift = int(multiplier.mantissa), int(multiplier.shift)
    difference = -np.arange(256, dtype=np.int64)
    reachable = -difference <= (31 << 26) >> shift
    return high_mul(np.where(reachable, difference, 0) << shift, mantissa), reachable
