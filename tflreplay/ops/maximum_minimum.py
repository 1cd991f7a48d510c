"""MAXIMUM and MINIMUM of two inputs, which are broadcast."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.types import RAW
from tflreplay.ops.base.words import finished

_SOURCE = "maximum_minimum.cc"


def maximum(call: Call, a: Array, b: Array) -> Array:
    """The larger raw code, whatever the scales: ``tflite/kernels/maximum_minimum.cc``."""
    return np.where(a > b, a, b)


def minimum(call: Call, a: Array, b: Array) -> Array:
    """The smaller raw code, whatever the scales: ``tflite/kernels/maximum_minimum.cc``."""
    return np.where(a < b, a, b)


CARDS = (
    Card("MAXIMUM", {"reference": (finished(RAW, maximum, "maximum of raw codes", _SOURCE),)}),
    Card("MINIMUM", {"reference": (finished(RAW, minimum, "minimum of raw codes", _SOURCE),)}),
)
