"""Ops that take or put elements by index."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Array
from tflreplay.kernels.call import Call


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
