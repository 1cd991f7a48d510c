"""SPLIT and SPLIT_V: a tensor cut into parts, one for each output."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.roles import Roles
from tflreplay.ops.base.types import NUMBERS
from tflreplay.ops.base.words import moved


def split(call: Call, axis: Array, x: Array) -> tuple[Array, ...]:
    """x cut along ``axis`` into equal parts, one for each output."""
    return tuple(np.split(x, len(call.outputs), axis.item()))


def split_v(call: Call, x: Array, sizes: Array, axis: Array) -> tuple[Array, ...]:
    """x cut along ``axis`` into parts of the given sizes; a size of -1 is the rest."""
    rest = x.shape[axis.item()] - sizes[sizes >= 0].sum()
    ends = np.cumsum(np.where(sizes < 0, rest, sizes))
    return tuple(np.split(x, ends[:-1].tolist(), axis.item()))


CARDS = (
    Card("SPLIT", {"reference": (moved(NUMBERS, split, "split.cc"),)}, Roles(activation=1)),
    Card("SPLIT_V", {"reference": (moved(NUMBERS, split_v, "split_v.cc"),)}),
)
