"""MEAN over height and width."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tflreplay.kernels.call import Call, accumulation
from tflreplay.rounding import Accumulation, Array, Multiplier

_MIN_CHANNELS_A_THREAD = 8


def spatial_mean(call: Call, x: Array, axes: Array) -> Accumulation:
    """``clamp(rule(sum(x), m) + zo - round_half_away(zx * si / so))``, ``m = si / (n * so)``.

    x: int8 or uint8 NHWC; axes: 1 and 2 in any order; n: elements in each sum. All real values are
    float32. The channels are shared out among the threads, and in each share the vector rule starts
    anew. ``Mean`` and ``MeanImpl`` in ``tflite/kernels/internal/optimized/integer_ops/mean.h`` and
    ``.../optimized/reduce.h``.
    """
    si, so = np.float32(call.input(0).scale), np.float32(call.output.scale)
    multiplier = Multiplier.of(si / (np.float32(x.shape[1] * x.shape[2]) * so))
    offset = np.float32(call.input(0).zero_point) * si / so
    rounded = int(offset + np.copysign(np.float32(0.5), offset))
    sums = x.sum(axis=(1, 2), dtype=np.int64, keepdims=True)
    result = accumulation(call, sums, multiplier)
    return replace(
        result,
        zero_point=result.zero_point - rounded,
        cuts=_cuts(x.shape[3], call.engine.threads),
    )


def _cuts(channels: int, threads: int) -> tuple[int, ...]:
    """The first channel of every thread's share but the first one's."""
    shares = min(max(channels // _MIN_CHANNELS_A_THREAD, 1), threads)
    cuts = [0]
    for left in range(shares, 1, -1):
        cuts.append(cuts[-1] + (channels - cuts[-1]) // left)
    return tuple(cuts[1:])
