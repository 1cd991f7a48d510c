"""FULLY_CONNECTED by ruy on CPUs without dot products, which add two products in 16 bits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tflreplay.ground.rounding import Accumulation, Array, wrap32
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.ledger import Sum
from tflreplay.ops.base.terms import Arrays, Index
from tflreplay.ops.fully_connected.batches import rows, with_batches
from tflreplay.ops.fully_connected.integer import connected_terms, fully_connected

_BLOCK = 16  # of the depth; products at j and j + 8 are added together


def fully_connected_in_16_bits(
    call: Call, x: Array, weights: Array, bias: Array | None = None
) -> Accumulation:
    """As :func:`fully_connected`, less 65536 for each two products of -128 by -128 that wrap.

    x: int8 or uint8, weights of its type; what is multiplied are raw codes, less 128 where they
    are uint8, and of each 16 along the depth the products at j and j + 8 are added in int16.
    ``Kernel8bitNeon`` in ``ruy/kernel_arm64.cc``: ``smull``, ``smlal2``, ``sadalp``.
    """
    sums = fully_connected(call, x, weights, bias)
    lost = with_batches(call, x, 65536 * wrapped_pairs(rows(x, weights), weights))
    return replace(sums, values=wrap32(sums.values - lost))


def wrapped_pairs(codes: Array, weights: Array) -> Array:
    """How many sums of two products wrap in 16 bits: int64 ``(rows, units)``."""
    return (_both_lowest(codes) @ _both_lowest(weights).T).astype(np.int64)


def _both_lowest(codes: Array) -> Array:
    """1 for each pair of which both codes are the lowest, else 0: ``(rows, pairs)`` float64."""
    lowest = codes == np.iinfo(codes.dtype).min
    padded = np.pad(lowest, ((0, 0), (0, -codes.shape[1] % _BLOCK)))
    blocks = padded.reshape(codes.shape[0], -1, 2, _BLOCK // 2)
    return blocks.all(axis=2).reshape(codes.shape[0], -1).astype(np.float64)


def terms_in_16_bits(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    """Of :func:`fully_connected_in_16_bits`."""
    told = connected_terms(call, arrays, index, shape)
    x, weights = arrays[:2]
    row = int(np.ravel_multi_index(index[:-1], shape[:-1])) if index[:-1] else 0
    pairs = _both_lowest(rows(x, weights)[row : row + 1]) @ _both_lowest(weights[index[-1] :][:1]).T
    count = int(pairs.item())
    if not count:
        return told
    note = f"{count} times -65536: two products of -128 by -128 wrap in 16 bits"
    return replace(told, rest=told.rest - 65536 * count, notes=(*told.notes, note))
