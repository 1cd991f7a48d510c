"""SPARSE_TO_DENSE: values put at indices into a tensor of one default value."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.roles import Roles
from tflreplay.ops.base.types import BY_EIGHT_BITS
from tflreplay.ops.base.words import moved


def sparse_to_dense(call: Call, indices: Array, shape: Array, values: Array, other: Array) -> Array:
    """``y[indices[i]] = values[i]``, in their order, and ``other`` everywhere else.

    indices: int32 or int64, ``(n, rank)``, or of rank 1 ``(n,)`` or a scalar; shape: the output's;
    values: ``(n,)``, or one for all. ``SparseToDense`` in
    ``tflite/kernels/internal/reference/reference_ops.h``.

    Raises:
        NotReplayed: an index beyond the output, which the kernel refuses.
    """
    output = np.full(shape.tolist(), other.reshape(()), values.dtype)
    places = indices if indices.ndim == 2 else indices.reshape(-1, 1)
    if ((places < 0) | (places >= shape)).any():
        raise NotReplayed(f"{call.op.name} with an index beyond {shape.tolist()}")
    for place, value in zip(places.tolist(), np.broadcast_to(values, len(places)), strict=True):
        output[tuple(place)] = value
    return output


CARDS = (
    Card(
        "SPARSE_TO_DENSE",
        {"reference": (moved(BY_EIGHT_BITS, sparse_to_dense, "sparse_to_dense.cc"),)},
        Roles(activation=2, shape=1),
    ),
)
