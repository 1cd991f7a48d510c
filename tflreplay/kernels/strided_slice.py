"""STRIDED_SLICE, which is numpy's basic indexing."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Array
from tflreplay.kernels.call import Call


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
                raise NotReplayed(f"STRIDED_SLICE that takes no element of dimension {dimension}")
            index.append(first)
        else:
            index.append(slice(start, stop, step))
        dimension += 1
    return np.asarray(x[tuple(index)])
