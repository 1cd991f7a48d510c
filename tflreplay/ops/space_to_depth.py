"""SPACE_TO_DEPTH and DEPTH_TO_SPACE: blocks of pixels moved to the channels, and back."""

from __future__ import annotations

from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.types import BY_EIGHT_BITS
from tflreplay.ops.base.words import moved


def space_to_depth(call: Call, x: Array) -> Array:
    """NHWC x with each block of ``block_size`` by ``block_size`` pixels in one pixel's channels."""
    size = call.option("block_size")
    n, h, w, c = x.shape
    blocks = x.reshape(n, h // size, size, w // size, size, c).transpose(0, 1, 3, 2, 4, 5)
    return blocks.reshape(n, h // size, w // size, size * size * c)


def depth_to_space(call: Call, x: Array) -> Array:
    """The inverse of :func:`space_to_depth`."""
    size = call.option("block_size")
    n, h, w, c = x.shape
    blocks = x.reshape(n, h, w, size, size, c // size**2).transpose(0, 1, 3, 2, 4, 5)
    return blocks.reshape(n, h * size, w * size, c // size**2)


CARDS = (
    Card(
        "SPACE_TO_DEPTH",
        {"reference": (moved(BY_EIGHT_BITS, space_to_depth, "space_to_depth.cc"),)},
    ),
    Card(
        "DEPTH_TO_SPACE",
        {"reference": (moved(BY_EIGHT_BITS, depth_to_space, "depth_to_space.cc"),)},
    ),
)
