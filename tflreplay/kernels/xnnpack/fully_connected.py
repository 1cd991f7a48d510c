"""FULLY_CONNECTED where XNNPACK's accumulator is another one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tflreplay.ground.rounding import Accumulation, Array
from tflreplay.kernels.call import Call
from tflreplay.kernels.fully_connected import product


def ignoring_zero_point(
    call: Call, x: Array, weights: Array, bias: Array | None = None
) -> Accumulation:
    """``out[b, o] = sum_i (x[b, i] - zx) * w[o, i] + bias[o]``: the weights' zero point is lost.

    x: int8; weights int8 ``(units, depth)``. Corrected by LiteRT 45dd41fd2.
    """
    return product(call, x, weights.astype(np.int16), bias)


def four_bit(call: Call, x: Array, weights: Array, bias: Array | None = None) -> Accumulation:
    """As the reference kernel, with an accumulator of 28 bits: it holds 16 times the sum in 32.

    x: int8; weights int4 ``(units, depth)``, of even depth. ``src/qs8-qc4w-gemm``.
    """
    sums = product(call, x, weights.astype(np.int16), bias)
    values = sums.values.astype(np.int64)
    return replace(sums, values=(values + 2**27) % 2**28 - 2**27)
