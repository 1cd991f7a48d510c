"""BATCH_MATMUL where an old XNNPACK loses a zero point."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Accumulation, Array
from tflreplay.kernels.batch_matmul import product
from tflreplay.kernels.call import Call


def ignoring_zero_point(call: Call, a: Array, b: Array) -> Accumulation:
    """``acc[..., i, j] = sum_k (a[..., i, k] - za) * b[..., k, j]``: b's zero point is lost.

    a and b: int8. Corrected by LiteRT 3d796311b.
    """
    return product(call, a, b.astype(np.int32))
