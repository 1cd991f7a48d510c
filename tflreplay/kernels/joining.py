"""Ops that put tensors together; CONCATENATION of uint8 may rescale them."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array, round_half_away
from tflreplay.kernels.call import Call
from tflreplay.kernels.lookup import look_up
from tflreplay.model import Tensor


def pack(call: Call, *arrays: Array) -> Array:
    """Arrays of one shape stacked along the new dimension ``axis``."""
    return np.stack(arrays, call.option("axis"))


def concatenation(call: Call, *arrays: Array) -> Array:
    """Arrays joined along ``axis``.

    uint8 inputs quantized unlike the output are rescaled, each operation rounded to float32:
    ``clamp(round_half_away(x * r + -zi * r) + zo)`` with ``r = si * (1 / so)``. Nothing else is.
    ``ConcatenationWithScaling`` in ``tflite/kernels/internal/reference/concatenation.h``.
    """
    if call.output.dtype == "uint8":
        arrays = tuple(
            _rescaled(call.input(i), call.output, array) for i, array in enumerate(arrays)
        )
    return np.concatenate(arrays, call.option("axis"))


def _rescaled(source: Tensor, target: Tensor, x: Array) -> Array:
    if source.scale == target.scale and source.zero_point == target.zero_point:
        return x
    ratio = np.float32(source.scale) * (np.float32(1) / np.float32(target.scale))
    bias = np.float32(-source.zero_point) * ratio
    codes = np.arange(256, dtype=np.float32)
    rescaled = round_half_away(codes * ratio + bias).astype(np.int64) + target.zero_point
    return look_up(x, np.clip(rescaled, 0, 255).astype(np.uint8))
