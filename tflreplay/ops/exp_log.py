"""EXP and LOG."""

from __future__ import annotations

import math

import numpy as np

from tflreplay.ground import functions
from tflreplay.ground.rounding import Array
from tflreplay.ops.base.aarch64 import not_on_aarch64
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.float_table import Function, by_float_table, tabled
from tflreplay.ops.base.plain import elementwise
from tflreplay.ops.base.plain_rows import xnnpack_approximated
from tflreplay.ops.base.row import Row
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
    return by_float_table(call, x, _log_or_lowest(call))


def _log_or_lowest(call: Call) -> Function:
    to = call.output
    lowest = np.float32(to.code_range[0] - to.zero_point) * np.float32(to.scale)

    def function(real: Array) -> Array:
        positive = np.where(real > 0, real, np.float32(1))
        return np.where(real > 0, functions.log(positive), lowest)

    return function


log_float = elementwise(functions.log)

_EXP = tabled("exp", lambda call: functions.exp)
_LOG = tabled("log", _log_or_lowest, "of 0 and below, the lowest number that the output holds")
# XNNPACK took no LOG before.
_LOG_TAKEN_SINCE = {"litert": "2.1.6", "tensorflow": "2.22.0"}

CARDS = (
    Card(
        "EXP",
        {
            "xnnpack": (xnnpack_approximated(exp_float, since=XNNPACK_UNARY),),
            "reference": (
                Row(INT8, exp, algorithm=TABLE, source="exp.cc", ledger=_EXP),
                not_on_aarch64(INT16),
                Row(INT16, exp, algorithm=INTERPOLATED, source="exp.cc", ledger=_EXP),
                finished(FLOAT, exp_float, EXACT, "elementwise.cc"),
            ),
        },
        function=("exp(real)", lambda real: math.exp(real) if real < 700 else math.inf),
    ),
    Card(
        "LOG",
        {
            "xnnpack": (xnnpack_approximated(log_float, since=_LOG_TAKEN_SINCE),),
            "reference": (
                Row(INT8, log, algorithm=TABLE, source="elementwise.cc", ledger=_LOG),
                Row(INT16, log, algorithm=INTERPOLATED, source="elementwise.cc", ledger=_LOG),
                finished(FLOAT, log_float, EXACT, "elementwise.cc"),
            ),
        },
        function=("log(real)", lambda real: math.log(real) if real > 0 else -math.inf),
    ),
)
