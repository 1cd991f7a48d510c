"""ABS and NEG."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Accumulation, Array, round_half_away
from tflreplay.ops.base.call import Call, accumulation, ratio_multiplier, same_type
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.ledger import Sum, Term, Terms
from tflreplay.ops.base.plain import elementwise
from tflreplay.ops.base.precision import Ratio
from tflreplay.ops.base.predicates import unary_rank
from tflreplay.ops.base.row import Defect, Row
from tflreplay.ops.base.smallest import alone
from tflreplay.ops.base.terms import Arrays, Index, input_code, sum_of_terms
from tflreplay.ops.base.types import FLOAT, SIGNED, UNQUANTIZED
from tflreplay.ops.base.words import (
    EXACT,
    MICRO,
    MICRO_FLOAT64,
    REFERENCE_OPS,
    finished,
    in_both_precisions,
)


def abs_(call: Call, x: Array) -> Accumulation:
    """``requantize(|x - zi|)`` with the multiplier ``si / so`` in the precision of the row.

    x: int8 or int16 of any shape. ``AbsEvalQuantized`` in ``tflite/kernels/elementwise.cc``; of
    TFLM, ``SetAbsOutputMultiplier`` in ``tensorflow/lite/micro/kernels/elementwise.cc``.
    """
    same_type(call)
    ti = call.input(0)
    values = np.abs(x.astype(np.int64) - ti.zero_point)
    return accumulation(call, values, ratio_multiplier(call))


abs_unquantized = elementwise(np.abs)


def _terms(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    x = input_code(call, arrays, index)
    return sum_of_terms("|x - zi|", Term((x,), -1 if x.value < 0 else 1))


def neg(call: Call, x: Array) -> Array:
    """``-x``, the raw code, whatever the quantization; the lowest stays as it is.

    ``Negate`` in ``tflite/kernels/internal/reference/neg.h``.
    """
    return np.asarray(np.negative(x))


def _neg_of_reals(call: Call, x: Array) -> Array:
    """``clamp(round_half_away((zi - x) * si / so) + zo)``: of real numbers."""
    ti, to = call.input(0), call.output
    real = (ti.zero_point - x.astype(np.float64)) * ti.scale / to.scale
    return (round_half_away(real) + to.zero_point).clip(*to.code_range).astype(x.dtype)


_IGNORES_ZERO_POINT = Defect(
    "negates raw codes, whatever their scales and zero points",
    right=_neg_of_reals,
    report="https://github.com/tensorflow/tensorflow/pull/35461",
)


@elementwise
def xnnpack_neg(x: Array) -> Array:
    """``0 - x``, so that 0 stays 0: ``src/f32-vneg/``."""
    return np.asarray(np.float32(0) - x)


CARDS = (
    Card(
        "ABS",
        {
            "reference": (
                *in_both_precisions(
                    Row(
                        SIGNED,
                        abs_,
                        "double",
                        Ratio.FLOAT32,
                        source="elementwise.cc",
                        ledger=Terms(_terms),
                    )
                ),
                finished(("float32", "int32"), abs_unquantized, EXACT, "elementwise.cc"),
            ),
            "tflm": (
                Row(
                    SIGNED,
                    abs_,
                    "double",
                    Ratio.FLOAT64,
                    source=f"{MICRO}elementwise.cc",
                    since=MICRO_FLOAT64,
                    ledger=Terms(_terms),
                ),
            ),
        },
        smallest=alone("AbsOptions"),
    ),
    Card(
        "NEG",
        {
            "xnnpack": (
                Row(
                    FLOAT,
                    xnnpack_neg,
                    algorithm=EXACT,
                    source="src/f32-vneg/",
                    when=unary_rank,
                ),
            ),
            "reference": (
                Row(
                    SIGNED,
                    neg,
                    algorithm="negated raw codes",
                    source=f"{REFERENCE_OPS}neg.h",
                    defects=(_IGNORES_ZERO_POINT,),
                ),
                finished(UNQUANTIZED, neg, "negated", f"{REFERENCE_OPS}neg.h"),
            ),
        },
    ),
)
