"""Ops that order or count values; they have two outputs."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Array
from tflreplay.kernels.call import Call


def topk_v2(call: Call, x: Array, k: Array) -> tuple[Array, Array]:
    """The k largest elements along the last dimension, in falling order, and their indices.

    Of equal elements the first comes first; NaN comes last. ``tflite/kernels/topk_v2.cc``.
    """
    falling = -x if x.dtype.kind == "f" else ~x
    order = np.argsort(falling, -1, kind="stable")[..., : max(k.item(), 0)]
    return np.take_along_axis(x, order, -1), order.astype(call.outputs[1].numpy_dtype)


def unique(call: Call, x: Array) -> tuple[Array, Array]:
    """The values of a vector, each once, as they first appear; and each element's place there.

    ``tflite/kernels/unique.cc``.

    Raises:
        NotReplayed: a value is NaN, which the engine's map cannot order.
    """
    if x.dtype.kind == "f" and np.isnan(x).any():
        raise NotReplayed("UNIQUE of NaN")
    _, first, places = np.unique(x, return_index=True, return_inverse=True)
    order = np.argsort(first)
    index_type = call.outputs[1].numpy_dtype
    return x[first[order]], np.argsort(order)[places].astype(index_type)
