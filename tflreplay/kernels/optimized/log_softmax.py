"""LOG_SOFTMAX of 8-bit codes."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.kernels.call import Call, same_type
from tflreplay.kernels.float_table import libm


def log_softmax(call: Call, x: Array) -> Array:
    """``clamp(round_half_even(x * (si / so) - (si * max + log(sum(e))) / so) + zo)``.

    x: int8 or uint8 of rank 1 or more, raw codes; ``e = exp(-si * (max - x))``, the sum from left
    to right. Every operation is rounded to float32. ``LogSoftmax`` in
    ``tflite/kernels/internal/optimized/optimized_ops.h``.
    """
    same_type(call)
    to = call.output
    si, so = np.float32(call.input(0).scale), np.float32(to.scale)
    table = libm("expf", -si * np.arange(256, dtype=np.float32))
    highest = x.max(axis=-1, keepdims=True)
    total = table[highest.astype(np.int64) - x].cumsum(axis=-1)[..., -1:]
    offset = (si * highest.astype(np.float32) + libm("logf", total)) / so
    codes: Array = np.rint((si / so) * x.astype(np.float32) - offset) + to.zero_point
    return codes.clip(*to.code_range).astype(to.numpy_dtype)
