"""GATHER, GATHER_ND, SCATTER_ND, WHERE and EMBEDDING_LOOKUP: elements taken or put by index."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.conditions import Site, condition
from tflreplay.ops.base.roles import Roles
from tflreplay.ops.base.row import Defect, Row
from tflreplay.ops.base.types import BOOL, BY_EIGHT_BITS, EVEN_PACKED, MANY
from tflreplay.ops.base.words import finished, moved


def gather(call: Call, x: Array, indices: Array) -> Array:
    """``x[..., indices, ...]`` along ``axis``; the first ``batch_dims`` dimensions go in pairs.

    ``tflite/kernels/internal/reference/gather.h``.
    """
    axis, batch_dims = call.option("axis"), call.option("batch_dims")
    axis += x.ndim if axis < 0 else 0
    batch_dims += indices.ndim if batch_dims < 0 else 0
    if batch_dims == 0:
        return x.take(indices, axis)
    batch = x.shape[:batch_dims]
    pairs = zip(
        x.reshape(-1, *x.shape[batch_dims:]),
        indices.reshape(-1, *indices.shape[batch_dims:]),
        strict=True,
    )
    parts = np.stack([part.take(index, axis - batch_dims) for part, index in pairs])
    return parts.reshape(*batch, *parts.shape[1:])


def gather_nd(call: Call, x: Array, indices: Array) -> Array:
    """``x[indices[..., 0], indices[..., 1], ...]``."""
    return np.asarray(x[tuple(np.moveaxis(indices, -1, 0))])


def scatter_nd(call: Call, indices: Array, updates: Array, shape: Array) -> Array:
    """Zeros of ``shape``, to which each update is added at its index, in their order.

    Integers wrap around. ``ScatterNd`` in ``tflite/kernels/internal/reference/reference_ops.h``.
    """
    output = np.zeros(shape.tolist(), updates.dtype)
    np.add.at(output, tuple(np.moveaxis(indices, -1, 0)), updates)
    return output


def where(call: Call, condition: Array) -> Array:
    """The indices of the elements that are not 0, int64 of shape ``(how many, rank)``."""
    return np.argwhere(condition)


def embedding_lookup(call: Call, rows: Array, table: Array) -> Array:
    """``table[rows]``; where the output is a float type, float32 ``code * scale`` of each row.

    Zero points are left out, and uint8 codes are read as int8. ``EvalHybrid`` in
    ``tflite/kernels/embedding_lookup.cc``.

    Raises:
        NotReplayed: the table is quantized in blocks.
    """
    taken = table[rows]
    if table.dtype == call.output.numpy_dtype:
        return taken
    quantization = call.input(1).quantization
    if quantization is None:
        raise NotReplayed("EMBEDDING_LOOKUP of codes without scales, or with scales for blocks")
    scale = quantization.scale[rows if quantization.per_axis else np.zeros_like(rows)]
    scale = scale.reshape(-1, *[1] * (table.ndim - 1))
    return np.asarray(taken.view(np.int8) * scale).astype(call.output.numpy_dtype)


def _rows_of_reals(call: Call, rows: Array, table: Array) -> Array:
    """``(code - zero_point) * scale`` of each row."""
    quantization = call.input(1).quantization
    if quantization is None:
        return embedding_lookup(call, rows, table)
    where = rows if quantization.per_axis else np.zeros_like(rows)
    scale, zero_point = (
        values[where].reshape(-1, *[1] * (table.ndim - 1))
        for values in (quantization.scale, quantization.zero_point)
    )
    centred = (table[rows].astype(np.int64) - zero_point).astype(np.float32)
    return np.asarray(centred * scale).astype(call.output.numpy_dtype)


@condition
def unsigned_to_reals(site: Site) -> bool:
    """uint8 codes to real numbers"""
    return site.activation.dtype == "uint8" != site.output.dtype


_SIGNED = Defect("reads uint8 codes as int8", unsigned_to_reals, right=_rows_of_reals)


CARDS = (
    Card("GATHER", {"reference": (moved((*MANY, "int4"), gather, "gather.cc"),)}),
    Card("GATHER_ND", {"reference": (moved(MANY, gather_nd, "gather_nd.cc"),)}),
    Card(
        "SCATTER_ND",
        {"reference": (finished((*BY_EIGHT_BITS, *BOOL), scatter_nd, "sum", "scatter_nd.cc"),)},
        Roles(activation=1),
    ),
    Card(
        "WHERE",
        {
            "reference": (
                finished((*BY_EIGHT_BITS, "uint32", *BOOL), where, "indices", "where.cc"),
            ),
        },
    ),
    Card(
        "EMBEDDING_LOOKUP",
        {
            "reference": (
                Row(
                    (*EVEN_PACKED, "int2"),
                    embedding_lookup,
                    algorithm="copy; codes to real numbers: float32 product",
                    source="embedding_lookup.cc",
                    defects=(_SIGNED,),
                ),
            ),
        },
        Roles(activation=1),
    ),
)
