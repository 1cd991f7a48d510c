"""HARD_SWISH of float32."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.kernels.call import Call
from tflreplay.kernels.optimized.loops import vector_body


def hard_swish(call: Call, x: Array) -> Array:
    """``(x * (1/6)) * min(6, max(0, x + 3))``; the last ``size % 4`` multiply by 1/6 last.

    ``HardSwish`` in ``tflite/kernels/internal/optimized/optimized_ops.h``.
    """
    sixth, reluish = np.float32(1 / 6), np.clip(x + np.float32(3), np.float32(0), np.float32(6))
    body = vector_body(x.shape, 4, x.size)
    return np.where(body, (x * sixth) * reluish, (x * reluish) * sixth)
