"""SIN and COS."""

from __future__ import annotations

from tflreplay.ground import functions
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.plain import elementwise
from tflreplay.ops.base.plain_rows import xnnpack_approximated
from tflreplay.ops.base.types import FLOAT
from tflreplay.ops.base.words import EXACT, XNNPACK_UNARY, finished

sin = elementwise(functions.sin)
cos = elementwise(functions.cos)

CARDS = (
    Card(
        "SIN",
        {
            "xnnpack": (xnnpack_approximated(sin, since=XNNPACK_UNARY),),
            "reference": (finished(FLOAT, sin, EXACT, "elementwise.cc"),),
        },
    ),
    Card(
        "COS",
        {
            "xnnpack": (xnnpack_approximated(cos, since=XNNPACK_UNARY),),
            "reference": (finished(FLOAT, cos, EXACT, "elementwise.cc"),),
        },
    ),
)
