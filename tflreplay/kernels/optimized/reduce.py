"""MEAN over height and width, SUM and REDUCE_PROD."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import (
    INT32_MIN,
    Accumulation,
    Array,
    Multiplier,
    round_half_away,
    wrap32,
)
from tflreplay.kernels import reduce
from tflreplay.kernels.call import Call, accumulation
from tflreplay.kernels.reduce import rows_to_reduce

# LiteRT 7e3668027. A product of one element left the output unwritten before.
_COPIES = {"litert": "2.2.0", "tensorflow": "2.22.0"}
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


def sum_(call: Call, x: Array, axes: Array) -> Array:
    """``clamp(round_half_away(sum(x) * (si / so) + -zi * (si / so) * n) + zo)`` in float32.

    x: int8, uint8 or int16, summed as raw codes; n: elements in each sum. What does not fit int32
    becomes -2**31 before zo is added. ``QuantizedMeanOrSum`` in
    ``tflite/kernels/internal/optimized/reduce.h``.
    """
    ti, to = call.input(0), call.output
    rows, shape = rows_to_reduce(call, x, axes)
    scale = np.float32(ti.scale) / np.float32(to.scale)
    bias = np.float32(-ti.zero_point) * scale * np.float32(rows.shape[-1])
    sums = wrap32(rows.sum(axis=-1, dtype=np.int64)).astype(np.float32) * scale + bias
    fits = np.abs(sums) < 2.0**31
    rounded = np.where(fits, round_half_away(sums), INT32_MIN).astype(np.int64)
    codes = wrap32(rounded + to.zero_point).clip(*to.code_range)
    return codes.astype(to.numpy_dtype).reshape(shape)


def reduce_prod(call: Call, x: Array, axes: Array) -> Array:
    """As the reference kernel, but a product of one element is that element's raw code.

    ``QuantizedReduceProd`` in ``tflite/kernels/internal/optimized/reduce.h``.
    """
    rows, shape = rows_to_reduce(call, x, axes)
    if rows.shape[-1] > 1:
        return reduce.reduce_prod(call, x, axes)
    if not call.engine.at_least(_COPIES):
        raise NotReplayed("REDUCE_PROD of one element")
    return rows.reshape(shape)


def _cuts(channels: int, threads: int) -> tuple[int, ...]:
    """The first channel of every thread's share but the first one's."""
    shares = min(max(channels // _MIN_CHANNELS_A_THREAD, 1), threads)
    cuts = [0]
    for left in range(shares, 1, -1):
        cuts.append(cuts[-1] + (channels - cuts[-1]) // left)
    return tuple(cuts[1:])
