"""What the ops that reduce a tensor along given axes share.

``axes`` is int32; negative ones count from the end, and repeated ones count once. Without
``keep_dims`` the reduced dimensions disappear.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.functions import multiply_add
from tflreplay.ground.rounding import Array, Multiplier, quantize_multiplier, wrap32
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.ledger import Staged
from tflreplay.ops.base.step import in_float32
from tflreplay.ops.base.terms import Arrays, Codes, Index, grid, sum_of_products

REFERENCE_REDUCE = "internal/reference/reduce.h"
OPTIMIZED_REDUCE = "internal/optimized/reduce.h"


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


def reduced(call: Call, x: Array, axes: Array) -> int:
    """How many elements make each output."""
    return math.prod(x.shape[axis] for axis in reduced_axes(call, x, axes)[0])


def elements(call: Call, arrays: Arrays, index: Index) -> Array:
    """Where the elements lie that make one output: ``(elements, rank)``."""
    x, axes = arrays[0], {int(axis) % arrays[0].ndim for axis in np.ravel(arrays[1])}
    left = iter(index)
    kept: list[Array] = []
    for axis, size in enumerate(x.shape):
        if axis in axes:
            kept.append(np.arange(size))
            if call.option("keep_dims"):
                next(left)
        else:
            kept.append(np.array([next(left)]))
    return np.stack(grid(*kept), axis=1)


def centred_sums(call: Call, x: Array, axes: Array) -> tuple[Array, int]:
    """``sum(x) - n * zx`` as an int32 register holds it, and n."""
    axis, keep = reduced_axes(call, x, axes)
    count = math.prod(x.shape[a] for a in axis)
    sums = x.sum(axis=axis, dtype=np.int64, keepdims=keep)
    return wrap32(np.asarray(sums - count * call.input(0).zero_point)), count


def mean_multiplier(call: Call, count: int, shifted_for: int = 0) -> Multiplier:
    """``si / so / count``, the mantissa of ``si / so`` shifted left and divided, truncating.

    It is shifted by the bits of the count, or of another number.
    """
    ratio = np.asarray(call.input(0).scale / call.output.scale)
    mantissa, shift = quantize_multiplier(ratio)
    extra = min((shifted_for or count).bit_length() - 1, 32, 31 + int(shift))
    folded = np.asarray((int(mantissa) << extra) // count, np.int64)
    return Multiplier(ratio / count, folded, np.asarray(shift - extra))


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


# ---- XNNPACK ----------------------------------------------------------------------------------


def xnnpack_sums(call: Call, x: Array, axes: Array) -> tuple[Array, int]:
    """Sums of raw codes as an int32 register holds them, and how many elements are in each."""
    axis, keep = reduced_axes(call, x, axes)
    count = math.prod(x.shape[a] for a in axis)
    return wrap32(np.asarray(x.sum(axis=axis, dtype=np.int64, keepdims=keep))), count


def xnnpack_stages(
    call: Call,
    arrays: Arrays,
    index: Index,
    share: Callable[[int], np.float32],
    how: str,
    fused: bool = False,
) -> Staged:
    """Of :func:`xnnpack_quantized`; ``share`` is a function of the count."""
    ti, to, where = call.input(0), call.output, elements(call, arrays, index)
    n = len(where)
    m = np.float32(ti.scale) / np.float32(to.scale) * share(n)
    z = _zero_point(call, n, m, fused)
    total = sum_of_products(
        "sum of x",
        [Codes("x", arrays[0], where, None)],
        notes=(
            f"m = {call.row.multiplier} = {float(m)!r}",
            f"z = zo - ({n} * zi) * m = {float(z)!r} in float32{', rounded once' * fused}",
        ),
    )
    steps = tuple(in_float32(total.accumulator, m, z, how, fused))
    exact = f"{steps[-1].formula} - {to.zero_point}", steps[-1].exact - to.zero_point
    return Staged((), steps, total, to.zero_point, exact=exact)


def xnnpack_quantized(
    call: Call,
    sums: Array,
    count: int,
    share: np.float32,
    rounded: Callable[[Array], Array],
    fused: bool = False,
) -> Array:
    """``clamp(rounded(sums * m + z))``, each operation rounded to float32.

    ``m = float32(si / so) * share`` and ``z = zo - (n * zi) * m``. Where ``fused``, as the compiler
    has it for aarch64, products are not rounded before they are added to. ``xnn_reshape_reduce_nd``
    in ``src/operators/reduce-nd.c``, ``quantize`` in ``src/xnnpack/reference-utils.h``.
    """
    ti, to = call.input(0), call.output
    multiplier = np.float32(ti.scale) / np.float32(to.scale) * share
    zero_point = _zero_point(call, count, multiplier, fused)
    codes = rounded(multiply_add(sums.astype(np.float32), multiplier, zero_point, fused))
    return np.asarray(codes.clip(*to.code_range).astype(to.numpy_dtype))


def _zero_point(call: Call, count: int, multiplier: np.float32, fused: bool) -> np.float32:
    """That of sums of ``count`` raw codes, in output codes."""
    ti, to = call.input(0), call.output
    offset = np.asarray(-count * ti.zero_point, np.float32)
    return np.float32(multiply_add(offset, multiplier, np.float32(to.zero_point), fused))
