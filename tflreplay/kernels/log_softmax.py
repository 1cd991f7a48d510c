"""LOG_SOFTMAX of 8-bit codes."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.fixed_point import exp_on_negative_values, log_q12_to_q5
from tflreplay.ground.rounding import INT32_MIN, Array, Multiplier, double, rounding_divide_by_pot
from tflreplay.kernels.call import Call, same_type
from tflreplay.kernels.softmax import ONE_Q26, scaled_differences


def log_softmax(call: Call, x: Array) -> Array:
    """``rounding_divide_by_pot(d - log(sum(exp(d))), 22) + high`` in gemmlowp's fixed point.

    x: int8 or uint8 of rank 1 or more; d is ``si * (x - max)`` in Q5.26 and the sum in Q12.19. The
    output's scale is 1/16 and its zero point the highest code. ``LogSoftmax`` in
    ``tflite/kernels/internal/reference/integer_ops/log_softmax.h`` and ``.../log_softmax.h``.

    Raises:
        NotReplayed: a scale or a sum for which the kernel aborts the process.
    """
    same_type(call)
    scale = call.input(0).scale
    scaled, reachable = scaled_differences(scale * ONE_Q26)
    exponentials = np.where(reachable, exp_on_negative_values(scaled), 0)
    below_max = x.max(axis=-1, keepdims=True).astype(np.int64) - x
    total = rounding_divide_by_pot(exponentials[below_max], 12).sum(axis=-1, keepdims=True)
    if (total >= 2**31).any():
        raise NotReplayed("LOG_SOFTMAX with a sum of exponentials of 4096 or more")
    logarithm = log_q12_to_q5(total)

    low, high = call.output.code_range
    codes = rounding_divide_by_pot(scaled[below_max] - logarithm, 22) + high
    # The smallest difference from which the logarithm can be subtracted.
    multiplier = Multiplier.of(min(scale * ONE_Q26, 2.0**31 - 1))
    divisor = float(1 << (31 - int(multiplier.shift))) / float(multiplier.mantissa)
    lowest = double(logarithm + INT32_MIN, Multiplier.of(divisor))
    kept = -below_max > np.maximum(-int(reachable.sum()), lowest)
    return np.where(kept, codes.clip(low, high), low).astype(call.output.numpy_dtype)
