"""MATRIX_DIAG and MATRIX_SET_DIAG: the diagonals of matrices."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.types import NUMBERS
from tflreplay.ops.base.words import moved

_TYPES = (*NUMBERS, "uint32")


def matrix_diag(call: Call, diagonal: Array) -> Array:
    """Square matrices with each of the last dimension's vectors on a diagonal, else 0."""
    return np.where(np.eye(diagonal.shape[-1], dtype=bool), diagonal[..., None], 0).astype(
        diagonal.dtype
    )


def matrix_set_diag(call: Call, x: Array, diagonal: Array) -> Array:
    """The matrices x with ``diagonal``, of the shorter side's length, on their diagonals."""
    output = x.copy()
    index = np.arange(min(x.shape[-2:]))
    output[..., index, index] = diagonal
    return output


CARDS = (
    Card("MATRIX_DIAG", {"reference": (moved(_TYPES, matrix_diag, "matrix_diag.cc"),)}),
    Card("MATRIX_SET_DIAG", {"reference": (moved(_TYPES, matrix_set_diag, "matrix_set_diag.cc"),)}),
)
