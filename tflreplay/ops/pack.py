"""PACK and UNPACK: arrays stacked along a new dimension, and taken apart again."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.types import MANY, NUMBERS
from tflreplay.ops.base.words import moved


def pack(call: Call, *arrays: Array) -> Array:
    """Arrays of one shape stacked along the new dimension ``axis``."""
    return np.stack(arrays, call.option("axis"))


def unpack(call: Call, x: Array) -> tuple[Array, ...]:
    """The slices of x along ``axis``, which disappears."""
    return tuple(np.asarray(part) for part in np.moveaxis(x, call.option("axis"), 0))


CARDS = (
    Card("PACK", {"reference": (moved((*NUMBERS, "uint32"), pack, "pack.cc"),)}),
    Card(
        "UNPACK",
        {
            "reference": (
                moved(tuple(name for name in MANY if name != "int64"), unpack, "unpack.cc"),
            ),
        },
    ),
)
