"""SIGN: 1, 0 or -1."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call, same_type
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.row import Row
from tflreplay.ops.base.words import finished

_REAL = ("float32", "float64")
_SOURCE = "sign.cc"


def sign(call: Call, x: Array) -> Array:
    """``1`` where ``x > 0``, ``-1`` where ``x < 0``, x itself where it is NaN, else ``0``.

    x: float32, float64 or int32 of any shape. ``Sign`` in ``tflite/kernels/sign.cc``.
    """
    same_type(call)
    return np.asarray(np.sign(x))


def sign_or_zero(call: Call, x: Array) -> Array:
    """As :func:`sign`, but ``0`` where x is NaN: ``tensorflow/lite/kernels/sign.cc``."""
    return np.where(np.isnan(x), x.dtype.type(0), sign(call, x))


CARDS = (
    Card(
        "SIGN",
        {
            "reference": (
                Row(
                    _REAL,
                    sign,
                    algorithm="sign, NaN of NaN",
                    source=_SOURCE,
                    since={"litert": "2.1.6"},
                ),
                finished(_REAL, sign_or_zero, "sign, 0 of NaN", _SOURCE),
                finished(("int32",), sign, "sign", _SOURCE),
            )
        },
    ),
)
