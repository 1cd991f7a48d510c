"""SLICE, STRIDED_SLICE and DYNAMIC_UPDATE_SLICE: a part of a tensor, cut out or set."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.errors import NotReplayed, UndefinedHere
from tflreplay.ground.rounding import Array
from tflreplay.ops.base import refusals
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.types import ANY_SIZE, EVEN_PACKED
from tflreplay.ops.base.words import moved


def slice_(call: Call, x: Array, begin: Array, size: Array) -> Array:
    """``x[begin : begin + size]`` in each dimension; a size of -1 reaches to the end."""
    return x[
        tuple(
            slice(start, None if length < 0 else start + length)
            for start, length in zip(begin.tolist(), size.tolist(), strict=True)
        )
    ]


def strided_slice(call: Call, x: Array, begin: Array, end: Array, strides: Array) -> Array:
    """``x[begin:end:strides]`` with the five masks of TensorFlow.

    Position i of begin, end and strides is a bit in each mask: an ellipsis, a new axis, an axis
    that disappears (its one element at ``begin``), a begin or an end to be ignored; the first of
    these wins. Dimensions past the last position are taken whole.
    ``tflite/kernels/strided_slice.cc``, ``.../internal/reference/strided_slice.h``.

    Raises:
        NotReplayed: a request that the kernel answers with memory it never wrote, or misreads.
    """
    if call.option("offset"):
        raise NotReplayed("STRIDED_SLICE with offset, where end is a size")

    def masked(mask: str, position: int) -> bool:
        return bool(call.option(f"{mask}_mask") >> position & 1)

    index: list[slice | int | None] = []
    dimension = 0
    positions = range(begin.size)
    for i in positions:
        if masked("ellipsis", i):
            later = sum(not masked("new_axis", j) for j in positions[i + 1 :])
            covered = x.ndim - dimension - later
            if covered < 1 or any(masked("ellipsis", j) for j in positions[i + 1 :]):
                raise NotReplayed("STRIDED_SLICE with an ellipsis of no dimension, or with two")
            index += [slice(None)] * covered
            dimension += covered
            continue
        if masked("new_axis", i):
            index.append(None)
            continue
        step = int(strides[i])
        start = None if masked("begin", i) else int(begin[i])
        stop = None if masked("end", i) else int(end[i])
        if masked("shrink_axis", i):
            first = slice(start, None, step).indices(x.shape[dimension])[0]
            if step < 0 or first >= x.shape[dimension]:
                raise UndefinedHere(f"STRIDED_SLICE that takes no element of dimension {dimension}")
            index.append(first)
        else:
            index.append(slice(start, stop, step))
        dimension += 1
    return np.asarray(x[tuple(index)])


def dynamic_update_slice(call: Call, x: Array, update: Array, begin: Array) -> Array:
    """x with ``update`` in the place of its elements from ``begin`` on.

    A begin that would leave x is moved inside. ``tflite/kernels/dynamic_update_slice.cc``.
    """
    output = x.copy()
    starts = np.clip(begin, 0, np.subtract(x.shape, update.shape)).tolist()
    places = zip(starts, update.shape, strict=True)
    output[tuple(slice(start, start + size) for start, size in places)] = update
    return output


CARDS = (
    Card(
        "SLICE", {"reference": (moved(EVEN_PACKED, slice_, "slice.cc"),)}, refusals=refusals.MOVED
    ),
    Card("STRIDED_SLICE", {"reference": (moved(ANY_SIZE, strided_slice, "strided_slice.cc"),)}),
    Card(
        "DYNAMIC_UPDATE_SLICE",
        {"reference": (moved(EVEN_PACKED, dynamic_update_slice, "dynamic_update_slice.cc"),)},
    ),
)
