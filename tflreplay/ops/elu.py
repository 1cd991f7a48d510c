"""ELU: x, or exp(x) - 1 below zero."""

from __future__ import annotations

import math

import numpy as np

from tflreplay.ground import functions
from tflreplay.ground.rounding import Array, round_half_away
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.float_table import (
    by_float_table,
    by_xnnpack_table,
    tabled,
    xnnpack_tabled,
)
from tflreplay.ops.base.plain import elementwise
from tflreplay.ops.base.plain_rows import xnnpack_approximated
from tflreplay.ops.base.predicates import unary
from tflreplay.ops.base.row import Row
from tflreplay.ops.base.step import AWAY, EVEN
from tflreplay.ops.base.types import FLOAT, INT8
from tflreplay.ops.base.words import (
    APPROXIMATED,
    EXACT,
    LIKE_LIBM,
    MICRO,
    OPTIMIZED_HEADER,
    TABLE,
    XNNPACK_HALF_AWAY,
    XNNPACK_HALF_EVEN,
    finished,
)

# ---- optimized kernels ------------------------------------------------------------------------


def elu(call: Call, x: Array) -> Array:
    """``clamp(round_half_away(f * (1 / so)) + zo)``; f is ``expm1(real)`` below zero, else real.

    x: int8 of any shape, ``real = si * (x - zi)``. Every operation is rounded to float32.
    ``EluPrepare`` in ``tflite/kernels/activations.cc``.
    """
    return by_float_table(call, x, functions.elu)


elu_float = elementwise(functions.elu)

# ---- XNNPACK ----------------------------------------------------------------------------------


def xnnpack_elu(call: Call, x: Array) -> Array:
    """``clamp(round_half_even(f * (1 / so) + zo))`` in float32, f as in :func:`elu`.

    x: int8 of any shape. ``ELUOp`` in ``src/reference/unary-elementwise.cc``.
    """
    return by_xnnpack_table(call, x, functions.elu, np.rint)


def xnnpack_elu_half_away(call: Call, x: Array) -> Array:
    """As :func:`xnnpack_elu`, but rounded half away from zero."""
    return by_xnnpack_table(call, x, functions.elu, round_half_away)


def xnnpack_elu_before_zero_point(call: Call, x: Array) -> Array:
    """``clamp(round_half_even(f * (1 / so)) + zo)`` in float32, f as in :func:`elu`.

    x: int8 of any shape. ``src/operators/elu-nc.c``.
    """
    return by_xnnpack_table(call, x, functions.elu, np.rint, zero_point_inside=False)


def _real_elu(real: float) -> float:
    return math.expm1(min(real, 0)) + max(real, 0)


_LEDGER = tabled("elu", lambda call: functions.elu)

CARDS = (
    Card(
        "ELU",
        {
            "xnnpack": (
                xnnpack_approximated(elu_float),
                Row(
                    INT8,
                    xnnpack_elu,
                    algorithm="float32 expm1 and sum with the zero point, half even",
                    source="src/reference/unary-elementwise.cc",
                    when=unary,
                    since=XNNPACK_HALF_EVEN,
                    ledger=xnnpack_tabled("elu", functions.elu, EVEN),
                ),
                Row(
                    INT8,
                    xnnpack_elu_half_away,
                    algorithm="float32 expm1 and sum with the zero point, half away",
                    source="src/reference/unary-elementwise.cc",
                    when=unary,
                    since=XNNPACK_HALF_AWAY,
                    ledger=xnnpack_tabled("elu", functions.elu, AWAY),
                ),
                Row(
                    INT8,
                    xnnpack_elu_before_zero_point,
                    algorithm="float32 expm1 and product, half even before the zero point",
                    source="src/operators/elu-nc.c",
                    when=unary,
                    until=XNNPACK_HALF_AWAY,
                    ledger=xnnpack_tabled("elu", functions.elu, EVEN, zero_point_inside=False),
                ),
            ),
            "optimized": (
                Row(INT8, elu, algorithm=TABLE, source="activations.cc", ledger=_LEDGER),
                finished(FLOAT, elu_float, LIKE_LIBM, OPTIMIZED_HEADER, APPROXIMATED),
            ),
            "tflm": (
                finished(FLOAT, elu_float, EXACT, f"{MICRO}elu.cc"),
                Row(INT8, elu, algorithm=TABLE, source=f"{MICRO}elu.cc", ledger=_LEDGER),
            ),
        },
        real=elu_float,
        function=("expm1(min(real, 0)) + max(real, 0)", _real_elu),
    ),
)
