"""TOPK_V2: the largest elements along the last dimension."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.types import NUMBERS
from tflreplay.ops.base.words import moved


def topk_v2(call: Call, x: Array, k: Array) -> tuple[Array, Array]:
    """The k largest elements along the last dimension, in falling order, and their indices.

    Of equal elements the first comes first; NaN comes last. ``tflite/kernels/topk_v2.cc``.
    """
    falling = -x if x.dtype.kind == "f" else ~x
    order = np.argsort(falling, -1, kind="stable")[..., : max(k.item(), 0)]
    return np.take_along_axis(x, order, -1), order.astype(call.outputs[1].numpy_dtype)


CARDS = (Card("TOPK_V2", {"reference": (moved(NUMBERS, topk_v2, "topk_v2.cc"),)}),)
