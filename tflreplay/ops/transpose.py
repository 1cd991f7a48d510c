"""TRANSPOSE: the dimensions in another order."""

from __future__ import annotations

from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.ported import others as ported
from tflreplay.ops.base.types import EVEN_PACKED
from tflreplay.ops.base.words import moved


def transpose(call: Call, x: Array, permutation: Array) -> Array:
    """``out.shape[i] = x.shape[permutation[i]]``."""
    return x.transpose(permutation.tolist())


CARDS = (
    Card(
        "TRANSPOSE",
        {"reference": (moved(EVEN_PACKED, transpose, "transpose.cc"),)},
        ported=ported.TRANSPOSE,
    ),
)
