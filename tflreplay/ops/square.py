"""SQUARE."""

from __future__ import annotations

import numpy as np

from tflreplay.ops.base.card import Card
from tflreplay.ops.base.plain import elementwise
from tflreplay.ops.base.plain_rows import xnnpack_flushed
from tflreplay.ops.base.types import FLOAT
from tflreplay.ops.base.words import EXACT, finished

square = elementwise(np.square)

CARDS = (
    Card(
        "SQUARE",
        {
            "xnnpack": (xnnpack_flushed(np.square, "square", "src/f32-vsqr/"),),
            "reference": (finished(FLOAT, square, EXACT, "elementwise.cc"),),
        },
    ),
)
