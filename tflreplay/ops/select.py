"""SELECT and SELECT_V2: elements of one of two inputs, by a condition."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.plain import elementwise
from tflreplay.ops.base.roles import Roles
from tflreplay.ops.base.types import BOOL, RAW
from tflreplay.ops.base.words import REFERENCE_OPS, moved

_TYPES = (*RAW, *BOOL)
_SOURCE = f"{REFERENCE_OPS}select.h"
_ROLES = Roles(activation=1)


@elementwise
def select(condition: Array, x: Array, y: Array) -> Array:
    """``x`` where the condition holds, else ``y``, all three broadcast."""
    return np.where(condition, x, y)


@elementwise
def select_rows(condition: Array, x: Array, y: Array) -> Array:
    """As :func:`select`; a condition of rank 1 is for the first dimension.

    ``RankOneSelect`` in ``tflite/kernels/internal/reference/select.h``.
    """
    if condition.ndim == 1 and condition.shape != x.shape:
        condition = condition.reshape(-1, *(1,) * (x.ndim - 1))
    return np.where(condition, x, y)


CARDS = (
    Card("SELECT", {"reference": (moved(_TYPES, select_rows, _SOURCE),)}, _ROLES),
    Card("SELECT_V2", {"reference": (moved(_TYPES, select, _SOURCE),)}, _ROLES),
)
