"""EQUAL, NOT_EQUAL, LESS, LESS_EQUAL, GREATER and GREATER_EQUAL; inputs are broadcast."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.fixed_point import divide_by_any_pot
from tflreplay.ground.rounding import Array, Multiplier, high_mul
from tflreplay.model import Tensor
from tflreplay.ops.base.call import Call, operands
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.lookup import centred_codes, look_up
from tflreplay.ops.base.plain import elementwise
from tflreplay.ops.base.row import Kernel, Row, Versions
from tflreplay.ops.base.types import BOOL, EIGHT_BITS, INT16, UNQUANTIZED
from tflreplay.ops.base.words import NOT_TFLM, REFERENCE_OPS, finished

_SOURCE = f"{REFERENCE_OPS}comparisons.h"
_TO_ONE_SCALE = "double, to a scale of 2**-8"
# LiteRT 8a6c60a8e: EQUAL compared raw codes before, NOT_EQUAL took none of 16 bits.
_SIXTEEN_BITS = {"litert": "2.1.0", "tensorflow": "2.21.0"}

_LEFT_SHIFT = 8  # of the inputs, before they are rescaled


def rescaled(compare: np.ufunc) -> Kernel:
    """The kernel that compares both inputs, each rescaled to 2**-8 by ``double((x - z) << 8, s)``.

    The inputs are int8, uint8 or int16, broadcast. What lies closer together than 2**-8 may count
    as equal, and scales above 1 compare nonsense. ``ComparisonWithScaling`` in
    ``tflite/kernels/internal/reference/comparisons.h``.
    """

    def kernel(call: Call, a: Array, b: Array) -> Array:
        ta, tb = operands(call)
        return np.asarray(compare(_real(ta, a), _real(tb, b)))

    return kernel


def _real(tensor: Tensor, codes: Array) -> Array:
    multiplier = Multiplier.of(tensor.scale)
    if multiplier.real == 1:
        raise NotReplayed("a comparison of numbers of the scale 1: the kernel aborts")
    product = high_mul(centred_codes(tensor) << _LEFT_SHIFT, multiplier.mantissa)
    # A scale above 1 shifts by a negative number of bits.
    return look_up(codes, divide_by_any_pot(product, -multiplier.shift))


def _equality(op: str, compare: np.ufunc, *older: Row) -> Card:
    """They take truth values too, and rescale 16-bit codes; ``older`` did not."""
    by_scale, raw = rescaled(compare), elementwise(compare)
    rows = (
        finished(EIGHT_BITS, by_scale, _TO_ONE_SCALE, _SOURCE),
        Row(
            INT16,
            by_scale,
            algorithm=_TO_ONE_SCALE,
            source=_SOURCE,
            since=_SIXTEEN_BITS,
        ),
        *older,
        finished(UNQUANTIZED, raw, "compared", _SOURCE),
        finished(BOOL, raw, "raw codes", _SOURCE),
    )
    return Card(op, {"reference": rows})


def _order(op: str, compare: np.ufunc, since: Versions | None = None) -> Card:
    """Which is the larger; ``since`` says which runtimes compare 16-bit codes."""
    raw = elementwise(compare)
    rows = (
        finished(EIGHT_BITS, rescaled(compare), _TO_ONE_SCALE, _SOURCE),
        Row(INT16, raw, algorithm="raw codes", source=_SOURCE, since=since or {}),
        finished(UNQUANTIZED, raw, "compared", _SOURCE),
    )
    return Card(op, {"reference": rows})


CARDS = (
    _equality(
        "EQUAL",
        np.equal,
        Row(
            INT16,
            elementwise(np.equal),
            algorithm="raw codes",
            source=_SOURCE,
            since=NOT_TFLM,
        ),
    ),
    _equality("NOT_EQUAL", np.not_equal),
    _order("LESS", np.less),
    _order("LESS_EQUAL", np.less_equal),
    _order("GREATER", np.greater, NOT_TFLM),
    _order("GREATER_EQUAL", np.greater_equal),
)
