"""MEAN: the average along given axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.machine import AARCH64
from tflreplay.ground.rounding import (
    Accumulation,
    Array,
    Multiplier,
    quantize_multiplier,
    round_half_away,
    wrap32,
)
from tflreplay.model import Tensor
from tflreplay.ops.base.call import Call, accumulation
from tflreplay.ops.base.card import Card, Slip, Worst
from tflreplay.ops.base.conditions import Absent, Site, condition, every
from tflreplay.ops.base.fields import Field, Fields
from tflreplay.ops.base.ledger import Staged, Stages, Sum, Terms
from tflreplay.ops.base.plain import in_float64
from tflreplay.ops.base.ported import reductions as ported
from tflreplay.ops.base.predicates import constant_axes, one_input
from tflreplay.ops.base.reduction import (
    OPTIMIZED_REDUCE,
    REFERENCE_REDUCE,
    centred_sums,
    elements,
    mean_multiplier,
    reduced,
    reduced_axes,
    rows_to_reduce,
    xnnpack_quantized,
    xnnpack_stages,
    xnnpack_sums,
)
from tflreplay.ops.base.row import NotModelled, Row
from tflreplay.ops.base.smallest import reduction
from tflreplay.ops.base.step import AWAY, EVEN, over, times, to_integer
from tflreplay.ops.base.terms import Arrays, Codes, Index, sum_of_products
from tflreplay.ops.base.types import EIGHT_BITS, FLOAT, INDICES, INT16, UNQUANTIZED
from tflreplay.ops.base.words import (
    OPTIMIZED_INTEGER_OPS,
    SUMMED,
    UNORDERED,
    XNNPACK_HALF_AWAY,
    XNNPACK_HALF_EVEN,
    finished,
)

_SCALES = "float64 si/so, mantissa divided by the count"
# Before, MEAN was computed in float32, which is not modelled.
_INTEGER_MEAN = {"litert": "0", "tensorflow": "2.13", "tflm": "0.dev0"}

# ---- reference kernels ------------------------------------------------------------------------


def mean(call: Call, x: Array, axes: Array) -> Accumulation:
    """``requantize(sum(x) - n * zx)`` with the multiplier ``si / so / n``, folded in integers.

    x: int8, uint8 or int16; n: elements in each sum. ``QuantizedMeanOrSum`` in
    ``tflite/kernels/internal/reference/reduce.h``: the Q31 mantissa of ``si / so`` is shifted left
    as far as it goes and divided by n, truncating, so it is no longer normalized.
    """
    sums, count = centred_sums(call, x, axes)
    return accumulation(call, sums, mean_multiplier(call, count))


def _terms(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    where = elements(call, arrays, index)
    ti, to, n = call.input(0), call.output, len(where)
    mantissa, shift = (int(v) for v in quantize_multiplier(np.asarray(ti.scale / to.scale)))
    extra = min(n.bit_length() - 1, 32, 31 + shift)
    return sum_of_products(
        "sum of (x - zi)",
        [Codes("x", arrays[0], where, ti.zero_point)],
        notes=(
            f"si/so has the mantissa {mantissa} and the shift {shift}",
            f"mantissa by the count: {mantissa} * 2**{extra} // {n} = {(mantissa << extra) // n}",
        ),
    )


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


# ---- optimized kernels ------------------------------------------------------------------------

_MIN_CHANNELS_A_THREAD = 8
_PACKET = 4  # floats that are added at a time


def optimized_mean(call: Call, x: Array, axes: Array) -> Array:
    """As :func:`plain_mean`, from the first element; over innermost dimensions in Eigen's order.

    x: float32. Dimensions of 1 do not count, and where no other is kept, the sum is in order, too.
    ``MeanGeneral`` in ``tflite/kernels/internal/optimized/reduce.h``.
    """
    rows, shape = rows_to_reduce(call, x, axes)
    along = reduced_axes(call, x, axes)[0]
    kept = [axis for axis, size in enumerate(x.shape) if size > 1 and axis not in along]
    gone = [axis for axis, size in enumerate(x.shape) if size > 1 and axis in along]
    with np.errstate(all="ignore"):
        if kept and gone and max(kept) < min(gone):
            total = _in_packets(rows.reshape(-1, rows.shape[-1]))
        else:
            total = rows.cumsum(axis=-1, dtype=x.dtype)[..., -1]
        return np.asarray(total.reshape(shape) / np.float32(rows.shape[-1]))


def _in_packets(rows: Array) -> Array:
    """The sum of each row, which stand one after the other in memory aligned to 16 bytes.

    ``redux_impl`` of ``LinearVectorizedTraversal`` in Eigen's ``src/Core/Redux.h``.
    """
    starts = -(np.arange(len(rows)) * rows.shape[1]) % _PACKET  # of the first aligned packets
    totals = np.empty(len(rows), rows.dtype)
    for start in range(_PACKET):
        totals[starts == start] = _from(rows[starts == start], start)
    return totals


def _from(rows: Array, start: int) -> Array:
    """The sum of each row, whose first aligned packet begins at ``start``."""
    count, size = rows.shape
    packets = max(size - start, 0) // _PACKET
    if packets == 0:
        return rows.cumsum(axis=1, dtype=rows.dtype)[:, -1]
    end = start + packets * _PACKET
    body = rows[:, start:end].reshape(count, packets, _PACKET)
    pairs = body[:, : packets - packets % 2].reshape(count, packets // 2, 2, _PACKET)
    if packets == 1:
        four = body[:, 0]
    else:
        two = pairs.cumsum(axis=1, dtype=rows.dtype)[:, -1]
        four = two[:, 0] + two[:, 1]
        if packets % 2:
            four = four + body[:, -1]
    total = (four[:, 0] + four[:, 2]) + (four[:, 1] + four[:, 3])
    for index in (*range(start), *range(end, size)):
        total = total + rows[:, index]
    return np.asarray(total)


def spatial_mean(call: Call, x: Array, axes: Array) -> Accumulation:
    """``clamp(rule(sum(x), m) + zo - round_half_away(zx * si / so))``, ``m = si / (n * so)``.

    x: int8 or uint8 NHWC; axes: 1 and 2 in any order; n: elements in each sum. All real values are
    float32. The channels are shared out among the threads, and in each share the vector rule starts
    anew. ``Mean`` and ``MeanImpl`` in ``tflite/kernels/internal/optimized/integer_ops/mean.h`` and
    ``.../optimized/reduce.h``.
    """
    si, so = np.float32(call.input(0).scale), np.float32(call.output.scale)
    multiplier = Multiplier.of(si / (np.float32(x.shape[1] * x.shape[2]) * so))
    offset = np.float32(call.input(0).zero_point) * si / so
    rounded = int(offset + np.copysign(np.float32(0.5), offset))
    sums = x.sum(axis=(1, 2), dtype=np.int64, keepdims=True)
    result = accumulation(call, wrap32(sums), multiplier)
    return replace(
        result,
        zero_point=result.zero_point - rounded,
        cuts=_cuts(x.shape[3], call.engine.threads),
    )


def _cuts(channels: int, threads: int) -> tuple[int, ...]:
    """The first channel of every thread's share but the first one's."""
    shares = min(max(channels // _MIN_CHANNELS_A_THREAD, 1), threads)
    cuts = [0]
    for left in range(shares, 1, -1):
        cuts.append(cuts[-1] + (channels - cuts[-1]) // left)
    return tuple(cuts[1:])


def _spatial_terms(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    ti, to = call.input(0), call.output
    offset = np.float32(ti.zero_point) * np.float32(ti.scale) / np.float32(to.scale)
    rounded = int(offset + np.copysign(np.float32(0.5), offset))
    return sum_of_products(
        "sum of x",
        [Codes("x", arrays[0], elements(call, arrays, index), None)],
        notes=(
            f"the zero points together: {to.zero_point} - round(zi * si/so = {float(offset)!r}) "
            f"= {to.zero_point - rounded}",
        ),
    )


@condition
def spatial(site: Site) -> bool:
    """axes 1 and 2 of a 4-D input, its rank kept"""
    x, axes = site.activation, site.input(1)
    if len(x.shape) != 4 or not site.option("keep_dims"):
        return False
    return {axis % 4 for axis in _known(axes)} == {1, 2}


@condition
def moving_axes(site: Site) -> bool:
    """axes that are not constant, of a 4-D input, its rank kept"""
    x, axes = site.activation, site.input(1)
    return len(x.shape) == 4 and bool(site.option("keep_dims")) and not axes.is_constant


def _known(axes: Tensor) -> list[int]:
    """
    Raises:
        Absent: they are not constant integers.
    """
    if axes.data is None or axes.dtype not in INDICES:
        raise Absent
    return [int(axis) for axis in np.ravel(axes.data)]


# ---- XNNPACK ----------------------------------------------------------------------------------


def xnnpack_mean(call: Call, x: Array, axes: Array) -> Array:
    """``clamp(round_half_even(sum(x) * m + z))``, each operation rounded to float32.

    x: int8 or uint8, summed as raw codes; axes: int32; n: elements in each sum.
    ``m = float32(si / so) * float32(1 / n)`` and ``z = zo - (n * zi) * m``.
    ``xnn_reshape_reduce_nd`` in ``src/operators/reduce-nd.c``, ``quantize`` in
    ``src/xnnpack/reference-utils.h``.
    """
    return _xnnpack_mean(call, x, axes, np.rint)


def xnnpack_mean_fused(call: Call, x: Array, axes: Array) -> Array:
    """As :func:`xnnpack_mean`, but no product is rounded before it is added to: aarch64's."""
    return _xnnpack_mean(call, x, axes, np.rint, fused=True)


def xnnpack_mean_half_away(call: Call, x: Array, axes: Array) -> Array:
    """As :func:`xnnpack_mean`, but rounded half away from zero."""
    return _xnnpack_mean(call, x, axes, round_half_away)


def _xnnpack_mean(
    call: Call, x: Array, axes: Array, rounded: Callable[[Array], Array], fused: bool = False
) -> Array:
    sums, count = xnnpack_sums(call, x, axes)
    return xnnpack_quantized(call, sums, count, _share(count), rounded, fused)


def _share(count: int) -> np.float32:
    return np.float32(1) / np.float32(count)


def _stages(how: str, fused: bool = False) -> Stages:
    return Stages(
        lambda call, arrays, index, shape: xnnpack_stages(call, arrays, index, _share, how, fused)
    )


def xnnpack_spatial_mean(call: Call, x: Array, axes: Array) -> Array:
    """``clamp(round_half_even((sum(x) - n * zi) * m) + zo)`` with ``m = float32 si / (so * n)``.

    A global average pool over axes 1 and 2, ``src/operators/global-average-pooling-nwc.c``.
    """
    ti, to = call.input(0), call.output
    sums, count = xnnpack_sums(call, x, axes)
    multiplier = np.float32(ti.scale) / (np.float32(to.scale) * np.float32(count))
    centred = (sums - count * ti.zero_point).astype(np.float32)
    codes = np.rint(centred * multiplier) + np.float32(to.zero_point)
    return np.asarray(codes.clip(*to.code_range).astype(to.numpy_dtype))


def _spatial_stages(call: Call, arrays: Arrays, index: Index, shape: Index) -> Staged:
    """Of :func:`xnnpack_spatial_mean`."""
    ti, to, where = call.input(0), call.output, elements(call, arrays, index)
    total = sum_of_products("sum of (x - zi)", [Codes("x", arrays[0], where, ti.zero_point)])
    part = times("", np.float32(to.scale), np.float32(len(where)))
    m = over("m", np.float32(ti.scale), np.float32(part.result))
    product = times("", np.float32(total.accumulator), np.float32(m.result))
    last = to_integer("", np.float32(product.result), EVEN)
    exact = f"{total.total} * {m.result!r}", total.total * Fraction(m.result)
    return Staged(
        (), (replace(part, label="so * n"), m, product, last), total, bits=None, exact=exact
    )


@condition
def spatial_axes(site: Site) -> bool:
    """axes 1 and 2, or axis 2, of a 4-D input"""
    x, axes = site.activation, site.input(1)
    return len(x.shape) == 4 and sorted(_known(axes)) in ([1, 2], [2])


# ---- which inputs an output sees --------------------------------------------------------------


def _fields(call: Call, places: Array, weights: Array) -> Iterator[Field]:
    """A field for each output; its channel is the index of the last axis, where that is kept."""
    axes = _constant_axes(call)
    last = tuple(range(-len(axes), 0))
    fields = np.moveaxis(places, axes, last).reshape(-1, weights.shape[1])
    for output, taps in enumerate(fields):
        channel = output % weights.shape[0]
        yield Field(taps, {channel: weights[channel]})


def _ones(call: Call, weights: Array | None) -> Array:
    """What each element counts in a sum: ``(channels, taps)``."""
    shape, axes = call.input(0).shape, _constant_axes(call)
    channels = 1 if len(shape) - 1 in axes else call.output.shape[-1]
    return np.ones((channels, math.prod(shape[axis] for axis in axes)), np.int64)


def _constant_axes(call: Call) -> tuple[int, ...]:
    """The axes, from 0 on.

    Raises:
        NotReplayed: they are not constant.
    """
    axes = call.input(1).data
    if axes is None:
        raise NotReplayed(f"{call.op.name} over axes that are not constant")
    rank = len(call.input(0).shape)
    return tuple(sorted({int(axis) % rank for axis in np.ravel(axes)}))


def _moving(site: Site) -> str:
    return f"{site.op.name} over axes that are not constant"


CARDS = (
    Card(
        "MEAN",
        {
            "xnnpack": (
                Row(
                    FLOAT,
                    in_float64(plain_mean),
                    algorithm=UNORDERED,
                    source="src/configs/reduce-config.c",
                    when=constant_axes,
                    tolerance=SUMMED,
                    terms=reduced,
                ),
                Row(
                    EIGHT_BITS,
                    xnnpack_mean_fused,
                    multiplier="float32 si/so * (1/n)",
                    algorithm="float32, products added to by fma, half even",
                    source="src/operators/reduce-nd.c",
                    when=every(one_input, constant_axes),
                    since=XNNPACK_HALF_EVEN,
                    on=AARCH64,
                    ledger=_stages(EVEN, fused=True),
                ),
                Row(
                    EIGHT_BITS,
                    xnnpack_mean,
                    multiplier="float32 si/so * (1/n)",
                    algorithm="float32 product and sum with the zero point, half even",
                    source="src/operators/reduce-nd.c",
                    when=every(one_input, constant_axes),
                    since=XNNPACK_HALF_EVEN,
                    ledger=_stages(EVEN),
                ),
                Row(
                    EIGHT_BITS,
                    xnnpack_mean_half_away,
                    multiplier="float32 si/so * (1/n)",
                    algorithm="float32 product and sum with the zero point, half away",
                    source="src/operators/reduce-nd.c",
                    when=every(one_input, constant_axes),
                    since=XNNPACK_HALF_AWAY,
                    ledger=_stages(AWAY),
                ),
                Row(
                    EIGHT_BITS,
                    xnnpack_spatial_mean,
                    multiplier="float32 si/(so*n)",
                    algorithm="float32 product, half even before the zero point",
                    source="src/operators/global-average-pooling-nwc.c",
                    when=every(one_input, spatial_axes),
                    until=XNNPACK_HALF_AWAY,
                    ledger=Stages(_spatial_stages),
                ),
            ),
            "optimized": (
                replace(
                    finished(
                        FLOAT, in_float64(plain_mean), UNORDERED, OPTIMIZED_REDUCE, SUMMED, reduced
                    ),
                    on=AARCH64,
                ),
                finished(
                    FLOAT,
                    optimized_mean,
                    "sum in order, quotient; over the last axis: four sums side by side, twice",
                    OPTIMIZED_REDUCE,
                ),
                NotModelled(EIGHT_BITS, _moving, when=moving_axes, since=_INTEGER_MEAN),
                Row(
                    EIGHT_BITS,
                    spatial_mean,
                    "neon16",
                    "float32 si/(n*so)",
                    source=f"{OPTIMIZED_INTEGER_OPS}mean.h",
                    when=spatial,
                    since=_INTEGER_MEAN,
                    ledger=Terms(_spatial_terms),
                ),
            ),
            "reference": (
                Row(INT16, mean, "double", _SCALES, source=REFERENCE_REDUCE, ledger=Terms(_terms)),
                finished(UNQUANTIZED, plain_mean, "sum in order, quotient", REFERENCE_REDUCE),
                Row(
                    EIGHT_BITS,
                    mean,
                    "double",
                    _SCALES,
                    source=REFERENCE_REDUCE,
                    since=_INTEGER_MEAN,
                    ledger=Terms(_terms),
                ),
            ),
        },
        kinds=(
            ("axes 1 and 2", spatial),
            ("axis 2, or 1 and 2 dropped", spatial_axes),
            ("other axes", None),
        ),
        sums_once=True,
        slips=frozenset({Slip.QUOTIENT, Slip.SUM}),
        worst=Worst.AT_ENDS,
        fields=Fields(_fields, _ones),
        ported=ported.MEAN,
        smallest=reduction,
    ),
)
