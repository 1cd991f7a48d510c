"""UNIQUE: the values of a vector, each once."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.errors import UndefinedHere
from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.types import NUMBERS
from tflreplay.ops.base.words import moved


def unique(call: Call, x: Array) -> tuple[Array, Array]:
    """The values of a vector, each once, as they first appear; and each element's place there.

    ``tflite/kernels/unique.cc``.

    Raises:
        NotReplayed: a value is NaN, which the engine's map cannot order.
    """
    if x.dtype.kind == "f" and np.isnan(x).any():
        raise UndefinedHere("UNIQUE of NaN")
    _, first, places = np.unique(x, return_index=True, return_inverse=True)
    order = np.argsort(first)
    index_type = call.outputs[1].numpy_dtype
    return x[first[order]], np.argsort(order)[places].astype(index_type)


CARDS = (Card("UNIQUE", {"reference": (moved(NUMBERS, unique, "unique.cc"),)}),)
