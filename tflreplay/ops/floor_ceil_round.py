"""FLOOR, CEIL and ROUND."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.plain import elementwise
from tflreplay.ops.base.predicates import unary_rank
from tflreplay.ops.base.row import Row
from tflreplay.ops.base.types import FLOAT
from tflreplay.ops.base.words import EXACT, MICRO, finished

floor = elementwise(np.floor)
ceil = elementwise(np.ceil)
xnnpack_round = elementwise(np.rint)


@elementwise
def round_half_even(x: Array) -> Array:
    """Of halves the even neighbour, from the floor up: 0 is never negative, unless it was.

    ``RoundToNearest`` in ``tflite/kernels/internal/reference/round.h``.
    """
    floor = np.floor(x)
    return np.where(np.rint(x) == floor, floor, floor + np.float32(1))


CARDS = (
    Card("FLOOR", {"reference": (finished(FLOAT, floor, EXACT, "elementwise.cc"),)}),
    Card(
        "CEIL",
        {
            "optimized": (finished(FLOAT, ceil, EXACT, "ceil.cc"),),
            "tflm": (finished(FLOAT, ceil, EXACT, f"{MICRO}ceil.cc"),),
        },
    ),
    Card(
        "ROUND",
        {
            "xnnpack": (
                Row(
                    FLOAT,
                    xnnpack_round,
                    algorithm=EXACT,
                    source="src/f32-vrnd/",
                    when=unary_rank,
                ),
            ),
            "optimized": (finished(FLOAT, round_half_even, EXACT, "round.cc"),),
            "tflm": (finished(FLOAT, round_half_even, EXACT, f"{MICRO}round.cc"),),
        },
    ),
)
