"""What SOFTMAX, LOG_SOFTMAX and L2_NORMALIZATION share: they go along the last axis."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Array, Multiplier, high_mul

ONE_Q26 = 2.0**26  # exp's argument is Q5.26


def sum_in_order(x: Array) -> Array:
    """The float32 sum from left to right, each partial sum rounded."""
    return x.cumsum(axis=-1, dtype=np.float32)[..., -1:]


def scaled_differences(real_multiplier: float, what: str) -> tuple[Array, Array]:
    """The differences 0 ... -255 times the multiplier, in Q5.26, and which of them that holds.

    ``what`` says of which op the multiplier is what.
    ``PreprocessSoftmaxScaling`` and ``CalculateInputRadius`` in
    ``tflite/kernels/internal/quantization_util.cc``.

    Raises:
        NotReplayed: a multiplier for which the kernel aborts the process.
    """
    if real_multiplier <= 1:
        raise NotReplayed(f"{what} of {real_multiplier / ONE_Q26:g}")
    multiplier = Multiplier.of(min(real_multiplier, 2.0**31 - 1))
    mantissa, shift = int(multiplier.mantissa), int(multiplier.shift)
    difference = -np.arange(256, dtype=np.int64)
    reachable = -difference <= (31 << 26) >> shift
    return high_mul(np.where(reachable, difference, 0) << shift, mantissa), reachable
