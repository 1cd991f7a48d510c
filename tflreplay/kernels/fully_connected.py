"""FULLY_CONNECTED."""

from __future__ import annotations

import math

import numpy as np

from tflreplay.errors import NotReplayed
from tflreplay.kernels.call import Call, accumulation
from tflreplay.kernels.matmul import exact_matmul, weight_multiplier
from tflreplay.rounding import Accumulation, Array


def fully_connected(
    call: Call, x: Array, weights: Array, bias: Array | None = None
) -> Accumulation:
    """``out[b, o] = sum_i (x[b, i] - zx) * (w[o, i] - zw) + bias[o]``, int32 accumulator.

    x: int8 or uint8 of any shape that flattens to ``(batches, depth)``; weights of x's type
    ``(units, depth)``; bias int32 ``(units,)``. ``FullyConnected`` in
    ``tflite/kernels/internal/reference/integer_ops/fully_connected.h`` and
    ``.../reference/fully_connected.h``; a per-channel weight zero point is not looked at.
    """
    x_tensor, w_tensor = call.input(0), call.input(1)
    if call.option("weights_format") != "DEFAULT":
        raise NotReplayed(f"FULLY_CONNECTED with weights format {call.option('weights_format')}")
    if w_tensor.dtype != x_tensor.dtype or w_tensor.quantization is None:
        raise NotReplayed(f"FULLY_CONNECTED of {x_tensor.dtype} by {w_tensor.dtype} weights")
    weights = weights.astype(np.int16)
    if not w_tensor.quantization.per_axis:
        weights -= w_tensor.zero_point
    return product(call, x, weights, bias)


def product(call: Call, x: Array, weights: Array, bias: Array | None) -> Accumulation:
    """``sum_i (x[b, i] - zx) * w[o, i] + bias[o]``, the weights less their zero point."""
    units, depth = weights.shape
    values = exact_matmul(x.reshape(-1, depth), weights.T, call.input(0).zero_point, bias)
    batch_shape = x.shape[:-1] if call.option("keep_num_dims") else (values.shape[0],)
    assert math.prod(batch_shape) == values.shape[0]
    return accumulation(
        call,
        values.reshape(*batch_shape, units),
        weight_multiplier(call, call.input(1)),
        call.option("fused_activation_function"),
    )
