"""MAXIMUM and MINIMUM of two inputs, which are broadcast."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.raw_codes import raw_codes
from tflreplay.ops.base.row import Kernel, Row
from tflreplay.ops.base.types import RAW

_SOURCE = "maximum_minimum.cc"


def maximum(call: Call, a: Array, b: Array) -> Array:
    """The larger raw code, whatever the scales: ``tflite/kernels/maximum_minimum.cc``."""
    return np.where(a > b, a, b)


def minimum(call: Call, a: Array, b: Array) -> Array:
    """The smaller raw code, whatever the scales: ``tflite/kernels/maximum_minimum.cc``."""
    return np.where(a < b, a, b)


def _card(op: str, kernel: Kernel, what: str) -> Card:
    defect = raw_codes(
        kernel,
        "compares and copies raw codes, whatever their scales and zero points",
        "https://github.com/tensorflow/tensorflow/issues/39658",
    )
    row = Row(RAW, kernel, algorithm=f"{what} of raw codes", source=_SOURCE, defects=(defect,))
    return Card(op, {"reference": (row,)})


CARDS = (_card("MAXIMUM", maximum, "maximum"), _card("MINIMUM", minimum, "minimum"))
