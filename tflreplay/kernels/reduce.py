"""MEAN, SUM, REDUCE_MAX, REDUCE_MIN, REDUCE_PROD, REDUCE_ANY and REDUCE_ALL.

``axes`` is int32; negative ones count from the end, and repeated ones count once. Without
``keep_dims`` the reduced dimensions disappear.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import (
    Accumulation,
    Array,
    Multiplier,
    quantize_multiplier,
    reduced16,
    wrap32,
)
from tflreplay.kernels.call import Call, Kernel, accumulation


def mean(call: Call, x: Array, axes: Array) -> Accumulation:
    """``requantize(sum(x) - n * zx)`` with the multiplier ``si / so / n``, folded in integers.

    x: int8, uint8 or int16; n: elements in each sum. ``QuantizedMeanOrSum`` in
    ``tflite/kernels/internal/reference/reduce.h``: the Q31 mantissa of ``si / so`` is shifted left
    as far as it goes and divided by n, truncating, so it is no longer normalized.
    """
    sums, count = centred_sums(call, x, axes)
    return accumulation(call, sums, _mean_multiplier(call, count))


def _mean_multiplier(call: Call, count: int) -> Multiplier:
    ratio = np.asarray(call.input(0).scale / call.output.scale)
    mantissa, shift = quantize_multiplier(ratio)
    extra = min(count.bit_length() - 1, 32, 31 + int(shift))
    folded = np.asarray((int(mantissa) << extra) // count, np.int64)
    return Multiplier(ratio / count, folded, np.asarray(shift - extra))


def sum_(call: Call, x: Array, axes: Array) -> Accumulation:
    """``requantize(sum(x) - n * zx)`` with the multiplier ``si / so``.

    x: uint8; n: elements in each sum. ``QuantizedMeanOrSum`` in
    ``tflite/kernels/internal/reference/reduce.h``.
    """
    sums, _ = centred_sums(call, x, axes)
    return accumulation(call, sums, Multiplier.of(call.input(0).scale / call.output.scale))


def sum_as_uint8(call: Call, x: Array, axes: Array) -> Accumulation:
    """As :func:`sum_`, the codes of input and output read as uint8, the zero points as they are.

    x: int8. ``EvalSum`` in ``tflite/kernels/reduce.cc`` knows no other type.
    """
    sums, _ = centred_sums(call, x.view(np.uint8), axes)
    multiplier = Multiplier.of(call.input(0).scale / call.output.scale)
    zero_point = call.output.zero_point
    return Accumulation(sums, multiplier, zero_point, 0, 255, np.dtype(np.int8))


def centred_sums(call: Call, x: Array, axes: Array) -> tuple[Array, int]:
    """``sum(x) - n * zx`` in int64, and n."""
    axis, keep = reduced_axes(call, x, axes)
    count = math.prod(x.shape[a] for a in axis)
    sums = x.sum(axis=axis, dtype=np.int64, keepdims=keep)
    return np.asarray(sums - count * call.input(0).zero_point), count


def reduce_prod(call: Call, x: Array, axes: Array) -> Array:
    """``clamp(r(p) + zo)``; p is the first ``x - zi``, then ``r(p * (x - zi))`` with each next one.

    x: int8 or int16, in row-major order; r is single rounding by a 16-bit multiplier,
    ``si / so ** (1 / n)``. ``QuantizedReduceProd`` in
    ``tflite/kernels/internal/reference/reduce.h``.
    """
    ti, to = call.input(0), call.output
    rows, shape = rows_to_reduce(call, x, axes)
    centred = rows.astype(np.int64) - ti.zero_point
    multiplier = Multiplier.of(ti.scale / to.scale ** (1.0 / rows.shape[-1]))
    if multiplier.shift > 14:
        raise NotReplayed(f"REDUCE_PROD with the multiplier {multiplier.real:g}")
    product = centred[..., 0]
    for i in range(1, rows.shape[-1]):
        product = wrap32(reduced16(product * centred[..., i], multiplier))
    codes = wrap32(reduced16(product, multiplier)) + to.zero_point
    return codes.clip(*to.code_range).astype(to.numpy_dtype).reshape(shape)


def by(function: np.ufunc, start: int | None = None) -> Callable[..., Array]:
    """The kernel that reduces by ``function``, beginning with ``start`` or with the first element.

    Elements come in row-major order; integers wrap. ``ReduceGeneric`` in
    ``tflite/kernels/internal/reference/reduce.h``.
    """

    def kernel(call: Call, x: Array, axes: Array) -> Array:
        rows, shape = rows_to_reduce(call, x, axes)
        with np.errstate(all="ignore"):
            # A ufunc's reduce() would sum float32 pairwise.
            reduced = function.accumulate(rows, axis=-1, dtype=x.dtype)[..., -1]
            if start is not None:  # it only turns -0 into 0
                reduced = function(reduced, x.dtype.type(start))
        return np.asarray(reduced).reshape(shape)

    return kernel


def extreme(position: Callable[..., Array], last: bool = False) -> Kernel:
    """The kernel that takes the element at ``position``, the first or last of equal ones.

    Codes are compared raw, whatever the scales. Only 0 and -0 are equal and not the same.
    ``ReduceGeneric`` in ``tflite/kernels/internal/reference/reduce.h`` (the first) and
    ``.../optimized/reduce.h`` (the last).
    """

    def kernel(call: Call, x: Array, axes: Array) -> Array:
        rows, shape = rows_to_reduce(call, x, axes)
        rows = rows[..., ::-1] if last else rows
        found = np.expand_dims(position(rows, axis=-1), -1)
        return np.take_along_axis(rows, found, -1).reshape(shape)

    return kernel


def plain_mean(call: Call, x: Array, axes: Array) -> Array:
    """``sum(x) / n``, the sum in row-major order.

    x: float32, or int32 or int64, which are summed in int64 and divided truncating. ``Mean`` in
    ``tflite/kernels/internal/reference/reduce.h``.
    """
    rows, shape = rows_to_reduce(call, x, axes)
    if x.dtype.kind == "f":
        total = rows.cumsum(axis=-1, dtype=x.dtype)[..., -1] + x.dtype.type(0)
        return np.asarray(total / x.dtype.type(rows.shape[-1])).reshape(shape)
    total = rows.sum(axis=-1, dtype=np.int64)
    return (
        np.asarray(np.sign(total) * (np.abs(total) // rows.shape[-1]))
        .astype(x.dtype)
        .reshape(shape)
    )


def reduced_axes(call: Call, x: Array, axes: Array) -> tuple[tuple[int, ...], bool]:
    """The axes from 0 on, in order, and whether they stay as dimensions of 1."""
    return tuple(sorted({int(a) % x.ndim for a in np.ravel(axes)})), bool(call.option("keep_dims"))


def rows_to_reduce(call: Call, x: Array, axes: Array) -> tuple[Array, tuple[int, ...]]:
    """What makes each output along the last axis, in row-major order, and the output's shape.

    Raises:
        NotReplayed: an output is made of no element.
    """
    axis, keep = reduced_axes(call, x, axes)
    kept = [a for a in range(x.ndim) if a not in axis]
    count = math.prod(x.shape[a] for a in axis)
    if count == 0:
        raise NotReplayed(f"{call.op.name} of no element")
    rows = x.transpose(*kept, *axis).reshape(*(x.shape[a] for a in kept), count)
    shape = [1 if a in axis else n for a, n in enumerate(x.shape) if keep or a not in axis]
    return rows, tuple(shape)
