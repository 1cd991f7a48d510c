"""MEAN."""

from __future__ import annotations

import math

import numpy as np

from tflreplay.kernels.call import Call, accumulation
from tflreplay.rounding import Accumulation, Array, Multiplier, quantize_multiplier


def mean(call: Call, x: Array, axes: Array) -> Accumulation:
    """``requantize(sum(x) - n * zx)`` with the multiplier ``si / so / n``, folded in integers.

    x: int8 or uint8; axes: int32, negative ones count from the end; n: elements in each sum.
    ``QuantizedMeanOrSum`` in ``tflite/kernels/internal/reference/reduce.h``: the Q31 mantissa of
    ``si / so`` is shifted left as far as it goes and divided by n, truncating, so it is no longer
    normalized.
    """
    axis = tuple(sorted({int(a) % x.ndim for a in np.ravel(axes)}))
    count = math.prod(x.shape[a] for a in axis)
    sums = x.sum(axis=axis, dtype=np.int64, keepdims=bool(call.option("keep_dims")))
    sums = np.asarray(sums - count * call.input(0).zero_point)
    return accumulation(call, sums, _mean_multiplier(call, count))


def _mean_multiplier(call: Call, count: int) -> Multiplier:
    mantissa, shift = quantize_multiplier(np.asarray(call.input(0).scale / call.output.scale))
    extra = min(count.bit_length() - 1, 32, 31 + int(shift))
    folded = np.asarray((int(mantissa) << extra) // count, np.int64)
    shift = np.asarray(shift - extra)
    return Multiplier(np.ldexp(folded.astype(np.float64), int(shift) - 31), folded, shift)
