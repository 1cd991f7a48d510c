"""GELU: x times the probability that a normal variable lies below x."""

from __future__ import annotations

import numpy as np

from tflreplay.ground import functions
from tflreplay.ground.rounding import Array
from tflreplay.ops.base.aarch64 import not_on_aarch64
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.float_table import Function, by_float_table, tabled
from tflreplay.ops.base.plain_rows import xnnpack_approximated
from tflreplay.ops.base.row import Row
from tflreplay.ops.base.types import EIGHT_BITS, FLOAT, INT16
from tflreplay.ops.base.words import (
    APPROXIMATED,
    INTERPOLATED,
    LIKE_LIBM,
    REFERENCE_OPS,
    TABLE,
    finished,
)


def gelu(call: Call, x: Array) -> Array:
    """``clamp(round_half_away(f * (1 / so)) + zo)``; f is ``real * erfc(-real / sqrt(2)) / 2``.

    Or f is its approximation by tanh; ``real = si * (x - zi)``. Every operation is rounded to
    float32. x: int8, uint8 or int16 (interpolated) of any shape. ``GeluPrepare`` in
    ``tflite/kernels/activations.cc``, ``GeluTransform`` in
    ``tflite/kernels/internal/reference/gelu.h``.
    """
    return by_float_table(call, x, _function(call))


def _function(call: Call) -> Function:
    return functions.gelu_by_tanh if call.option("approximate") else functions.gelu


def gelu_float(call: Call, x: Array) -> Array:
    """As the int8 op's table is computed; the kernels approximate these functions."""
    with np.errstate(all="ignore"):
        return _function(call)(x)


_LEDGER = tabled("gelu", _function)

CARDS = (
    Card(
        "GELU",
        {
            "xnnpack": (xnnpack_approximated(gelu_float),),
            "reference": (
                Row(EIGHT_BITS, gelu, algorithm=TABLE, source="activations.cc", ledger=_LEDGER),
                not_on_aarch64(INT16),
                Row(INT16, gelu, algorithm=INTERPOLATED, source="activations.cc", ledger=_LEDGER),
                finished(FLOAT, gelu_float, LIKE_LIBM, f"{REFERENCE_OPS}gelu.h", APPROXIMATED),
            ),
        },
    ),
)
