"""FULLY_CONNECTED."""

from __future__ import annotations

import math

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Accumulation, Array
from tflreplay.kernels.call import Call
from tflreplay.kernels.matmul import (
    accumulator_bits,
    check_types,
    check_version,
    exact_matmul,
    weighted_accumulation,
)


def fully_connected(
    call: Call, x: Array, weights: Array, bias: Array | None = None
) -> Accumulation:
    """``out[b, o] = sum_i (x[b, i] - zx) * (w[o, i] - zw) + bias[o]``.

    x: int8, uint8 or int16 of any shape that flattens to ``(batches, depth)``; weights ``(units,
    depth)``, uint8 for uint8, else int8 or int4; bias ``(units,)``, int32 or, for int16, int64. The
    accumulator is as wide as the bias. ``FullyConnected`` in
    ``tflite/kernels/internal/reference/integer_ops/fully_connected.h`` and
    ``.../reference/fully_connected.h``; a per-channel weight zero point is not looked at.
    """
    bits = accumulator_bits(call, call.input(0), bias)
    return product(call, x, centred_weights(call, weights), bias, bits)


def fully_connected_in_32_bits(
    call: Call, x: Array, weights: Array, bias: Array | None = None
) -> Accumulation:
    """As :func:`fully_connected` with an int32 accumulator, whatever the options declare.

    ``FullyConnected`` in ``tflite/kernels/internal/optimized/integer_ops/fully_connected.h``.
    """
    return product(call, x, centred_weights(call, weights), bias)


def centred_weights(call: Call, weights: Array) -> Array:
    """int16 weights, less a zero point that all share.

    Raises:
        NotReplayed: no kernel takes weights of this type or format.
    """
    x, w = call.input(0), call.input(1)
    if call.option("weights_format") != "DEFAULT":
        raise NotReplayed(f"FULLY_CONNECTED with weights format {call.option('weights_format')}")
    check_types(call, x, w)
    centred = weights.astype(np.int16)
    per_axis = w.quantization is not None and w.quantization.per_axis
    if per_axis and x.dtype == "int16":
        check_version(call, "of int16 by weights of several scales")
    return centred if per_axis else centred - np.int16(w.zero_point)


def product(
    call: Call, x: Array, weights: Array, bias: Array | None, bits: int = 32
) -> Accumulation:
    """``sum_i (x[b, i] - zx) * w[o, i] + bias[o]``, the weights less their zero point."""
    values = exact_matmul(rows(x, weights), weights.T, call.input(0).zero_point, bias, bits)
    return weighted_accumulation(call, call.input(0), with_batches(call, x, values))


def rows(x: Array, weights: Array) -> Array:
    """x as ``(batches, depth)``."""
    return x.reshape(-1, weights.shape[1])


def with_batches(call: Call, x: Array, values: Array) -> Array:
    """``(batches, units)`` in the output's shape: x's, less the last axis, if it is kept."""
    batches = x.shape[:-1] if call.option("keep_num_dims") else values.shape[:1]
    assert math.prod(batches) == values.shape[0]
    return values.reshape(*batches, values.shape[1])
