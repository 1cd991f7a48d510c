"""SQUARED_DIFFERENCE of two inputs, which are broadcast."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Accumulation, Array, Multiplier
from tflreplay.model import Tensor
from tflreplay.ops.base import refusals
from tflreplay.ops.base.call import Call, accumulation, operands
from tflreplay.ops.base.card import PAIR, Card
from tflreplay.ops.base.ledger import RescaledInputs
from tflreplay.ops.base.plain import elementwise
from tflreplay.ops.base.plain_rows import xnnpack_flushed
from tflreplay.ops.base.rescaling import common_scale, twice_largest_scale
from tflreplay.ops.base.row import Row
from tflreplay.ops.base.smallest import pair
from tflreplay.ops.base.types import INT8
from tflreplay.ops.base.words import finished

_SOURCE = "squared_difference.cc"
_SHIFT = 7  # of the inputs, before they are rescaled


def _shift(tensor: Tensor) -> int:
    return _SHIFT


def squared_difference(call: Call, a: Array, b: Array) -> Accumulation:
    """``requantize((rescale(a - za) - rescale(b - zb)) ** 2)``.

    a, b: int8. Both are brought to the scale ``t / 2**7``, ``t = 2 * max(s1, s2)`` in float32; the
    multiplier is ``t**2 / (2**14 * so)``. ``tflite/kernels/squared_difference.cc``.
    """
    ta, tb = operands(call)
    twice = twice_largest_scale(ta, tb)
    left, right = (
        common_scale(tensor, codes, twice, _SHIFT, call.rule)
        for tensor, codes in ((ta, a), (tb, b))
    )
    unit = float(np.float32(2.0 ** (2 * _SHIFT)) * np.float32(call.output.scale))
    return accumulation(call, (left - right) ** 2, Multiplier.of(twice * twice / unit))


def _squared(a: Array, b: Array) -> Array:
    """``(a - b) ** 2``: ``tflite/kernels/squared_difference.cc``."""
    difference = a - b
    return np.asarray(difference * difference)


squared_difference_unquantized = elementwise(_squared)


CARDS = (
    Card(
        "SQUARED_DIFFERENCE",
        {
            "xnnpack": (xnnpack_flushed(_squared, "square of the difference"),),
            "reference": (
                Row(
                    INT8,
                    squared_difference,
                    "double",
                    "float64 s/t; float64 t*t/(float32 2**14*so), t = 2*max(s1, s2)",
                    source=_SOURCE,
                    pairwise=True,
                    ledger=RescaledInputs(-1, squared=True),
                ),
                finished(
                    ("float32", "int32"),
                    squared_difference_unquantized,
                    "square of the difference",
                    _SOURCE,
                ),
            ),
        },
        operands=PAIR,
        sign=-1,
        rescales=("input 0", "input 1"),
        left_shift=_shift,
        smallest=pair("SquaredDifferenceOptions"),
        refusals=refusals.SQUARED_DIFFERENCE,
    ),
)
