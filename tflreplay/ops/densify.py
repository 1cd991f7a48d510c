"""DENSIFY: a sparse constant written out."""

from __future__ import annotations

from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.row import ANY
from tflreplay.ops.base.words import moved


def densify(call: Call, x: Array) -> Array:
    """x, whose places are :meth:`~tflreplay.model.records.Sparsity.places`, and 0 elsewhere.

    ``Densify`` in ``tflite/kernels/internal/reference/densify.h``.
    """
    return x


CARDS = (
    Card(
        "DENSIFY",
        {"reference": (moved(("float32", "float16", "int8"), densify, "densify.cc"),)},
        sparse=True,
        unpacked=ANY,
    ),
)
