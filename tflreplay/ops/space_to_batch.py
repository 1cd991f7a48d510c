"""SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND: blocks of pixels moved to the batch, and back."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.types import ANY_SIZE
from tflreplay.ops.base.words import REFERENCE_OPS, moved


def space_to_batch_nd(call: Call, x: Array, block: Array, paddings: Array) -> Array:
    """x ``(batch, spatial ..., channels)``, padded, its blocks spread over the batch.

    Offset o within the blocks, counted row-major, is batch ``o * batch .. (o + 1) * batch - 1``.
    Padding is the output's zero point. ``tflite/kernels/internal/reference/space_to_batch_nd.h``.
    """
    sizes = block.tolist()
    quantized = call.output.quantization is not None
    value = call.output.zero_point if quantized else 0
    x = np.pad(x, [(0, 0), *paddings.tolist(), (0, 0)], constant_values=value)
    grid = [n // size for n, size in zip(x.shape[1:-1], sizes, strict=True)]
    split = [n for pair in zip(grid, sizes, strict=True) for n in pair]
    blocks = x.reshape(x.shape[0], *split, x.shape[-1])
    offsets, places = range(2, 2 * len(sizes) + 1, 2), range(1, 2 * len(sizes), 2)
    return blocks.transpose(*offsets, 0, *places, -1).reshape(-1, *grid, x.shape[-1])


def batch_to_space_nd(call: Call, x: Array, block: Array, crops: Array) -> Array:
    """The inverse of :func:`space_to_batch_nd`; ``crops`` (before, after) are cut off."""
    sizes = block.tolist()
    grid = x.shape[1:-1]
    blocks = x.reshape(*sizes, -1, *grid, x.shape[-1])
    pairs = [axis for i in range(len(sizes)) for axis in (len(sizes) + 1 + i, i)]
    whole = [n * size for n, size in zip(grid, sizes, strict=True)]
    output = blocks.transpose(len(sizes), *pairs, -1).reshape(-1, *whole, x.shape[-1])
    kept = [slice(low, n - high) for n, (low, high) in zip(whole, crops.tolist(), strict=True)]
    return output[(slice(None), *kept)]


CARDS = (
    Card(
        "SPACE_TO_BATCH_ND",
        {
            "reference": (
                moved(ANY_SIZE, space_to_batch_nd, f"{REFERENCE_OPS}space_to_batch_nd.h"),
            ),
        },
    ),
    Card(
        "BATCH_TO_SPACE_ND",
        {
            "reference": (
                moved(ANY_SIZE, batch_to_space_nd, f"{REFERENCE_OPS}batch_to_space_nd.h"),
            ),
        },
    ),
)
