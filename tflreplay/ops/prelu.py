"""PRELU: x, or x times an alpha of its own below zero."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Array, Multiplier
from tflreplay.ops.base.call import Call, same_type
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.ledger import Slopes, Sum, Term
from tflreplay.ops.base.plain import elementwise
from tflreplay.ops.base.ported import activations as ported
from tflreplay.ops.base.row import Row
from tflreplay.ops.base.terms import Arrays, Index, operand, sum_of_terms
from tflreplay.ops.base.types import FLOAT, QUANTIZED, SIGNED
from tflreplay.ops.base.words import EXACT, LITERT_FLOAT64, MICRO, REFERENCE_OPS, finished

_FLOAT64 = "float64 si/so; float64 si*sa/so where x < zi"

# ---- reference kernels ------------------------------------------------------------------------


def prelu(call: Call, x: Array, alpha: Array) -> Array:
    """``clamp(rule(d, si / so) + zo)``, or ``rule(d * (alpha - za), si * sa / so)`` below zero.

    x: int8, uint8 or int16, ``d = x - zi``; alpha broadcast to it, of its type or int8 beside
    int16; multipliers in float32. ``Prelu`` in ``tflite/kernels/internal/reference/prelu.h``.

    Raises:
        NotReplayed: an alpha of another type, which the kernel reads as one of these.
    """
    return _prelu(call, x, alpha, np.float32)


def prelu_in_float64(call: Call, x: Array, alpha: Array) -> Array:
    """As :func:`prelu`, the multipliers in float64.

    ``Prelu`` as above; of TFLM, ``CalculatePreluParams`` in
    ``tensorflow/lite/micro/kernels/prelu_common.cc``.
    """
    return _prelu(call, x, alpha, np.float64)


def _prelu(call: Call, x: Array, alpha: Array, number: type[np.float32 | np.float64]) -> Array:
    """As :func:`prelu`, the multipliers computed in this type."""
    same_type(call)
    if alpha.dtype != (np.int8 if x.dtype == np.int16 else x.dtype):
        raise NotReplayed(f"PRELU on {x.dtype} with an alpha of {alpha.dtype}")
    ti, ta, to = call.input(0), call.input(1), call.output
    si, so = number(ti.scale), number(to.scale)
    centred = x.astype(np.int64) - ti.zero_point
    products = centred * (alpha.astype(np.int64) - ta.zero_point)
    positive = call.rule(centred, Multiplier.of(si / so))
    negative = call.rule(products, Multiplier.of(si * number(ta.scale) / so))
    codes = np.where(centred < 0, negative, positive) + to.zero_point
    return codes.clip(*to.code_range).astype(to.numpy_dtype)


def _terms(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    x, alpha = (operand(call, arrays, position, index) for position in (0, 1))
    x, alpha = replace(x, symbol="x"), replace(alpha, symbol="alpha")
    if x.value >= 0:
        return sum_of_terms("x - zi", Term((x,)))
    return sum_of_terms("(x - zi) * (alpha - za)", Term((x, alpha)))


def _slope(call: Call) -> float:
    return call.input(1).scale


@elementwise
def prelu_float(x: Array, alpha: Array) -> Array:
    """``x``, or ``x * alpha`` below 0; float32, broadcast."""
    return np.where(x >= 0, x, x * alpha)


CARDS = (
    Card(
        "PRELU",
        {
            "reference": (
                finished(FLOAT, prelu_float, EXACT, "activations.cc"),
                Row(
                    QUANTIZED,
                    prelu_in_float64,
                    "double",
                    _FLOAT64,
                    source=f"{REFERENCE_OPS}prelu.h",
                    since=LITERT_FLOAT64,
                    ledger=Slopes(_terms, _slope, np.float64),
                ),
                Row(
                    QUANTIZED,
                    prelu,
                    "double",
                    "float32 si/so; float32 si*sa/so where x < zi",
                    source=f"{REFERENCE_OPS}prelu.h",
                    ledger=Slopes(_terms, _slope),
                ),
            ),
            "tflm": (
                Row(
                    SIGNED,
                    prelu_in_float64,
                    "double",
                    _FLOAT64,
                    source=f"{MICRO}prelu_common.cc",
                    ledger=Slopes(_terms, _slope, np.float64),
                ),
            ),
        },
        operands=(("input", "i"), ("alpha", "a")),
        ported=ported.PRELU,
    ),
)
