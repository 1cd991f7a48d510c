"""Ops that move codes; only CONCATENATION of uint8 may rescale them.

Shapes are those of the arrays, not of the tensors, so that a batch size known only at run time
goes through. Results may be views of the inputs.
"""

from __future__ import annotations

import numpy as np

from tflreplay.errors import NotReplayed
from tflreplay.kernels.call import Call
from tflreplay.kernels.lookup import look_up
from tflreplay.model import Tensor
from tflreplay.rounding import Array, round_half_away


def reshape(call: Call, x: Array, shape: Array | None = None) -> Array:
    """x in the shape of input 1 if that is an int32 vector, else of the options; -1 is the rest.

    ``tflite/kernels/reshape.cc``.
    """
    if shape is not None and shape.ndim == 1:
        return x.reshape(shape.tolist())
    target = call.option("new_shape")
    return x.reshape(() if target == (0,) else target)  # (0,) is an old model's scalar


def squeeze(call: Call, x: Array) -> Array:
    """x without the dimensions ``squeeze_dims`` of size 1, or without all of them."""
    return x.squeeze(call.option("squeeze_dims") or None)


def expand_dims(call: Call, x: Array, axis: Array) -> Array:
    """x with a new dimension at ``axis``."""
    return np.expand_dims(x, axis.item())


def shape(call: Call, x: Array) -> Array:
    """The shape of x, int32 or int64 of shape ``(rank,)``."""
    return np.array(x.shape, call.output.numpy_dtype)


def transpose(call: Call, x: Array, permutation: Array) -> Array:
    """``out.shape[i] = x.shape[permutation[i]]``."""
    return x.transpose(permutation.tolist())


def tile(call: Call, x: Array, multiples: Array) -> Array:
    """x repeated ``multiples[i]`` times along dimension i."""
    return np.tile(x, multiples.tolist())


def pack(call: Call, *arrays: Array) -> Array:
    """Arrays of one shape stacked along the new dimension ``axis``."""
    return np.stack(arrays, call.option("axis"))


def unpack(call: Call, x: Array) -> tuple[Array, ...]:
    """The slices of x along ``axis``, which disappears."""
    return tuple(np.asarray(part) for part in np.moveaxis(x, call.option("axis"), 0))


def split(call: Call, axis: Array, x: Array) -> tuple[Array, ...]:
    """x cut along ``axis`` into equal parts, one for each output."""
    return tuple(np.split(x, len(call.outputs), axis.item()))


def split_v(call: Call, x: Array, sizes: Array, axis: Array) -> tuple[Array, ...]:
    """x cut along ``axis`` into parts of the given sizes; a size of -1 is the rest."""
    rest = x.shape[axis.item()] - sizes[sizes >= 0].sum()
    ends = np.cumsum(np.where(sizes < 0, rest, sizes))
    return tuple(np.split(x, ends[:-1].tolist(), axis.item()))


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
                raise NotReplayed(f"STRIDED_SLICE that takes no element of dimension {dimension}")
            index.append(first)
        else:
            index.append(slice(start, stop, step))
        dimension += 1
    return np.asarray(x[tuple(index)])


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


def pad(call: Call, x: Array, paddings: Array) -> Array:
    """x with ``paddings[i]`` (before, after) elements of zero, the output's zero point, around.

    ``tflite/kernels/pad.cc``.
    """
    quantized = call.output.quantization is not None
    return _padded(x, paddings, call.output.zero_point if quantized else 0)


def padv2(call: Call, x: Array, paddings: Array, value: Array) -> Array:
    """As :func:`pad`, with the raw code ``value`` around."""
    return _padded(x, paddings, value.item())


def _padded(x: Array, paddings: Array, value: float) -> Array:
    before, after = paddings.T.tolist()
    shape = [sum(sizes) for sizes in zip(before, x.shape, after, strict=True)]
    output = np.full(shape, value, x.dtype)
    output[tuple(slice(b, b + n) for b, n in zip(before, x.shape, strict=True))] = x
    return output


def concatenation(call: Call, *arrays: Array) -> Array:
    """Arrays joined along ``axis``.

    uint8 inputs quantized unlike the output are rescaled, each operation rounded to float32:
    ``clamp(round_half_away(x * r + -zi * r) + zo)`` with ``r = si * (1 / so)``. Nothing else is.
    ``ConcatenationWithScaling`` in ``tflite/kernels/internal/reference/concatenation.h``.
    """
    if call.output.dtype == "uint8":
        arrays = tuple(
            _rescaled(call.input(i), call.output, array) for i, array in enumerate(arrays)
        )
    return np.concatenate(arrays, call.option("axis"))


def _rescaled(source: Tensor, target: Tensor, x: Array) -> Array:
    if source.scale == target.scale and source.zero_point == target.zero_point:
        return x
    ratio = np.float32(source.scale) * (np.float32(1) / np.float32(target.scale))
    bias = np.float32(-source.zero_point) * ratio
    codes = np.arange(256, dtype=np.float32)
    rescaled = round_half_away(codes * ratio + bias).astype(np.int64) + target.zero_point
    return look_up(x, np.clip(rescaled, 0, 255).astype(np.uint8))
