"""TILE and BROADCAST_TO: a tensor repeated along its dimensions."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.roles import Roles
from tflreplay.ops.base.types import ANY_SIZE
from tflreplay.ops.base.words import moved


def tile(call: Call, x: Array, multiples: Array) -> Array:
    """x repeated ``multiples[i]`` times along dimension i."""
    return np.tile(x, multiples.tolist())


def broadcast_to(call: Call, x: Array, shape: Array) -> Array:
    """x repeated along its dimensions of size 1, and along new ones in front."""
    return np.broadcast_to(x, shape.tolist())


CARDS = (
    Card("TILE", {"reference": (moved(ANY_SIZE, tile, "tile.cc"),)}),
    Card(
        "BROADCAST_TO",
        {"reference": (moved(ANY_SIZE, broadcast_to, "broadcast_to.cc"),)},
        Roles(shape=1),
    ),
)
