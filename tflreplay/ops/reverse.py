"""REVERSE_V2 and REVERSE_SEQUENCE: elements in reverse."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.types import FLOAT, INDICES, MANY
from tflreplay.ops.base.words import moved


def reverse_v2(call: Call, x: Array, axes: Array) -> Array:
    """x with the elements along each of ``axes`` in reverse. ``tflite/kernels/reverse.cc``."""
    return np.asarray(np.flip(x, tuple(axes.reshape(-1).tolist())))


def reverse_sequence(call: Call, x: Array, lengths: Array) -> Array:
    """The first ``lengths[i]`` elements along ``seq_dim`` in reverse, for each i of ``batch_dim``.

    ``ReverseSequence`` in ``tflite/kernels/internal/reference/reference_ops.h``.
    """
    dims = call.option("seq_dim"), call.option("batch_dim")
    output = np.moveaxis(x, dims, (0, 1)).copy()
    for i, length in enumerate(lengths.tolist()):
        output[:length, i] = output[:length, i][::-1].copy()
    return np.moveaxis(output, (0, 1), dims)


CARDS = (
    Card("REVERSE_V2", {"reference": (moved(MANY, reverse_v2, "reverse.cc"),)}),
    Card(
        "REVERSE_SEQUENCE",
        {
            "reference": (
                moved(
                    ("uint8", "int16", *INDICES, *FLOAT), reverse_sequence, "reverse_sequence.cc"
                ),
            ),
        },
    ),
)
