"""SOFTMAX of 8-bit codes."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array, round_half_away
from tflreplay.kernels.call import Call
from tflreplay.kernels.float_table import libm
from tflreplay.kernels.softmax import check_types


def softmax(call: Call, x: Array) -> Array:
    """``p = e * (1 / (sum(e) * so))`` over the last axis, ``e = exp(-si * beta * (max - x))``.

    x: int8 or uint8 of rank 1 or more. Every operation is rounded to float32, the sum from left to
    right. ``clamp(round_half_away(p) + zo)`` of int8 and int16; of uint8 ``clamp(trunc(p + 0.5))``,
    whatever the zero point. ``Softmax`` and ``PopulateSoftmaxLookupTable`` in
    ``tflite/kernels/internal/optimized/optimized_ops.h``.

    Raises:
        NotReplayed: a pair of types that has no kernel.
    """
    ti, to = call.input(0), call.output
    check_types(call)
    scale = -np.float32(ti.scale) * np.float32(call.option("beta"))
    table = libm("expf", scale * np.arange(256, dtype=np.float32))
    e = table[x.max(axis=-1, keepdims=True).astype(np.int64) - x]
    total = e.cumsum(axis=-1)[..., -1:]
    probability: Array = e * (np.float32(1) / (total * np.float32(to.scale)))
    if to.dtype == "uint8":
        codes = np.trunc(probability + np.float32(0.5))
    else:
        codes = round_half_away(probability) + to.zero_point
    return np.clip(codes, *to.code_range).astype(to.numpy_dtype)
