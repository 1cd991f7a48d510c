"""CUMSUM: running sums along an axis."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.types import UNQUANTIZED
from tflreplay.ops.base.words import REFERENCE_OPS, finished


def cumsum(call: Call, x: Array, axis: Array) -> Array:
    """Sums along ``axis`` from the first element (``reverse``: the last) to each one.

    x: int32, int64 (both wrap) or float32. ``exclusive`` leaves the element itself out.
    ``tflite/kernels/internal/reference/cumsum.h``.
    """
    along = axis.item()
    if call.option("reverse"):
        x = np.flip(x, along)
    sums = x.cumsum(axis=along, dtype=x.dtype) + x.dtype.type(0)  # no -0
    if call.option("exclusive"):
        sums = np.roll(sums, 1, along)
        np.moveaxis(sums, along, 0)[:1] = 0
    return np.flip(sums, along) if call.option("reverse") else np.asarray(sums)


CARDS = (
    Card(
        "CUMSUM",
        {
            "reference": (
                finished(UNQUANTIZED, cumsum, "sums in order", f"{REFERENCE_OPS}cumsum.h"),
            ),
        },
    ),
)
