"""CONCATENATION: arrays joined along an axis; of uint8 it may rescale them."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array, round_half_away
from tflreplay.model import Tensor
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.lookup import look_up
from tflreplay.ops.base.ported import others as ported
from tflreplay.ops.base.types import MANY, UINT8
from tflreplay.ops.base.words import REFERENCE_OPS, finished, moved

_SOURCE = f"{REFERENCE_OPS}concatenation.h"
_MOVED = tuple(name for name in (*MANY, "uint32", "int4") if name != "uint8")


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


CARDS = (
    Card(
        "CONCATENATION",
        {
            "reference": (
                finished(UINT8, concatenation, "copy or float32 rescale", _SOURCE),
                moved(_MOVED, concatenation, _SOURCE),
            ),
        },
        ported=ported.CONCATENATION,
    ),
)
