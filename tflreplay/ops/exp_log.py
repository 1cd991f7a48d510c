"""EXP and LOG."""

from __future__ import annotations

import numpy as np

from tflreplay.ground import functions
from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.float_table import by_float_table
from tflreplay.ops.base.plain import elementwise
from tflreplay.ops.base.plain_rows import xnnpack_approximated
from tflreplay.ops.base.types import FLOAT, INT8, INT16
from tflreplay.ops.base.words import EXACT, INTERPOLATED, TABLE, XNNPACK_UNARY, finished


def exp(call: Call, x: Array) -> Array:
    """``exp(si * (x - zi))`` by :func:`~tflreplay.ops.base.float_table.by_float_table`.

    x: int8 or int16 of any shape. ``ExpPrepare`` in ``tflite/kernels/exp.cc``.
    """
    return by_float_table(call, x, functions.exp)


exp_float = elementwise(functions.exp)


def log(call: Call, x: Array) -> Array:
    """``log(si * (x - zi))`` by :func:`~tflreplay.ops.base.float_table.by_float_table`.

    x: int8 or int16 of any shape. Of 0 and below, the number of the lowest code.
    ``LogLUTPrepare`` in ``tflite/kernels/elementwise.cc``.
    """
    to = call.output
    lowest = np.float32(to.code_range[0] - to.zero_point) * np.float32(to.scale)

    def function(real: Array) -> Array:
        positive = np.where(real > 0, real, np.float32(1))
        return np.where(real > 0, functions.log(positive), lowest)

    return by_float_table(call, x, function)


log_float = elementwise(functions.log)

# XNNPACK took no LOG before.
_LOG_TAKEN_SINCE = {"litert": "2.1.6", "tensorflow": "2.22.0"}

CARDS = (
    Card(
        "EXP",
        {
            "xnnpack": (xnnpack_approximated(exp_float, since=XNNPACK_UNARY),),
            "reference": (
                finished(INT8, exp, TABLE, "exp.cc"),
                finished(INT16, exp, INTERPOLATED, "exp.cc"),
                finished(FLOAT, exp_float, EXACT, "elementwise.cc"),
            ),
        },
    ),
    Card(
        "LOG",
        {
            "xnnpack": (xnnpack_approximated(log_float, since=_LOG_TAKEN_SINCE),),
            "reference": (
                finished(INT8, log, TABLE, "elementwise.cc"),
                finished(INT16, log, INTERPOLATED, "elementwise.cc"),
                finished(FLOAT, log_float, EXACT, "elementwise.cc"),
            ),
        },
    ),
)
