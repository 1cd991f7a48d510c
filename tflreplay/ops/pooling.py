"""AVERAGE_POOL_2D, MAX_POOL_2D and L2_POOL_2D."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np

from tflreplay.ground.functions import multiply_add
from tflreplay.ground.machine import AARCH64
from tflreplay.ground.rounding import Array
from tflreplay.ground.window import Window, window
from tflreplay.ops.base import refusals
from tflreplay.ops.base.call import Call, activation_range
from tflreplay.ops.base.card import Card, Form
from tflreplay.ops.base.conditions import every
from tflreplay.ops.base.ledger import Quotient, Sum
from tflreplay.ops.base.plain import activated, in_float64
from tflreplay.ops.base.ported.pools import AVERAGE_POOL, MAX_POOL
from tflreplay.ops.base.predicates import one_input, overlapping_windows, plain_activation
from tflreplay.ops.base.raw_codes import COMPUTES, raw_codes
from tflreplay.ops.base.row import Clamp, Row
from tflreplay.ops.base.terms import Arrays, Codes, Index, grid, inside, sum_of_products
from tflreplay.ops.base.types import EIGHT_BITS, FLOAT, INT16
from tflreplay.ops.base.words import (
    APPROXIMATED,
    INTEGER_OPS,
    OPTIMIZED_HEADER,
    REFERENCE_OPS,
    SUMMED,
    UNORDERED,
    ZEROS,
    finished,
)

# ---- reference kernels ------------------------------------------------------------------------


def average_pool_2d(call: Call, x: Array) -> Array:
    """``clamp(round_half_away(mean of the raw codes))``, padding left out of the mean.

    x: int8, uint8 or int16 ``(batch, height, width, channels)``. The integer mean is
    ``sign(sum) * ((|sum| + count // 2) // count)``; nothing is requantized. ``AveragePool`` in
    ``tflite/kernels/internal/reference/integer_ops/pooling.h`` and ``.../reference/pooling.h``.
    """
    rows, columns = _windows(call, x.shape)
    total = _slide(_slide(x.astype(np.int32), 1, rows, np.add, 0), 2, columns, np.add, 0)
    count = np.outer(_counts(rows, x.shape[1]), _counts(columns, x.shape[2]))[:, :, None]
    mean = np.sign(total) * ((np.abs(total) + count // 2) // count)
    return _clamped(call, mean)


def _codes_under_window(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    """The raw codes under the window of AVERAGE_POOL_2D, its padding left out."""
    x = arrays[0]
    image, y, z, channel = index
    rows, columns = _windows(call, x.shape)
    i, j = grid(inside(rows, y, x.shape[1]), inside(columns, z, x.shape[2]))
    ones = np.ones(len(i), np.int64)
    where = np.stack([image * ones, i[:, 1], j[:, 1], channel * ones], axis=1)
    return sum_of_products("sum of x", [Codes("x", x, where, None)], taps=rows.size * columns.size)


def max_pool_2d(call: Call, x: Array) -> Array:
    """``clamp(max of the raw codes)``.

    x: int8, uint8 or int16 ``(batch, height, width, channels)``. ``MaxPool`` in
    ``tflite/kernels/internal/reference/integer_ops/pooling.h`` and ``.../reference/pooling.h``.
    """
    rows, columns = _windows(call, x.shape)
    lowest = np.iinfo(x.dtype).min
    highest = _slide(_slide(x, 1, rows, np.maximum, lowest), 2, columns, np.maximum, lowest)
    return _clamped(call, highest)


def average_pool_2d_float(call: Call, x: Array) -> Array:
    """``clamp(mean)``, summed in float32 row by row, padding left out.

    x: float32 ``(batch, height, width, channels)``. ``AveragePool`` in
    ``tflite/kernels/internal/reference/pooling.h``.
    """
    total, count = _float_sums(call, x, np.add)
    return activated(call, total / count)


def max_pool_2d_float(call: Call, x: Array) -> Array:
    """``clamp(max)``: ``MaxPool`` in ``tflite/kernels/internal/reference/pooling.h``.

    x: float32 ``(batch, height, width, channels)``.
    """
    highest: Array = np.asarray(-np.inf, np.float32)
    for values in _taps(call, x, -np.inf):
        highest = np.where(values > highest, values, highest)
    return activated(call, highest)


def l2_pool_2d(call: Call, x: Array) -> Array:
    """``clamp(sqrt(mean of the squares))``, summed in float32 row by row, padding left out.

    On aarch64 each square is added before it is rounded. x: float32 ``(batch, height, width,
    channels)``. ``L2Pool`` in ``tflite/kernels/internal/reference/pooling.h``.
    """
    fused = call.engine.machine in AARCH64
    total, count = _float_sums(call, x, lambda v, total: multiply_add(v, v, total, fused))
    return activated(call, np.sqrt(total / count))


def _float_sums(call: Call, x: Array, add: Callable[[Array, Array], Array]) -> tuple[Array, Array]:
    """Each window's sum, element after element, and how many elements it holds."""
    rows, columns = _windows(call, x.shape)
    total = np.zeros((x.shape[0], rows.outputs, columns.outputs, x.shape[3]), x.dtype)
    for values in _taps(call, x, 0):
        total = add(values, total)
    count = np.outer(_counts(rows, x.shape[1]), _counts(columns, x.shape[2]))
    return total, count[:, :, None].astype(x.dtype)


def _window_size(call: Call, x: Array) -> int:
    return int(call.option("filter_height") * call.option("filter_width"))


def _taps(call: Call, x: Array, fill: float) -> Iterator[Array]:
    """For each position in the window, row by row, what every window holds there."""
    rows, columns = _windows(call, x.shape)
    padded = _padded(_padded(x, 1, rows, fill), 2, columns, fill)
    for i, j in itertools.product(range(rows.size), range(columns.size)):
        down, right = (slice(k, _end(w, k), w.stride) for k, w in ((i, rows), (j, columns)))
        yield padded[:, down, right]


def _end(w: Window, offset: int) -> int:
    return offset + (w.outputs - 1) * w.stride + 1


def _padded(x: Array, axis: int, w: Window, fill: float) -> Array:
    """x with ``fill`` around it along one axis, as far as the windows reach."""
    x = np.moveaxis(x, axis, 0)
    size = (w.outputs - 1) * w.stride + w.size
    padded = np.full((max(size, w.before + x.shape[0]), *x.shape[1:]), fill, x.dtype)
    padded[w.before : w.before + x.shape[0]] = x
    return np.moveaxis(padded, 0, axis)


def _clamped(call: Call, codes: Array) -> Array:
    low, high = activation_range(call, call.option("fused_activation_function"))
    # Bounds of an activation may lie outside the type on the far side.
    return np.clip(codes.astype(np.int32), low, high).astype(call.output.numpy_dtype)


def _windows(call: Call, image: tuple[int, ...]) -> tuple[Window, Window]:
    """Where the window lands on the rows and the columns of an image, NHWC."""
    padding = call.option("padding")
    height, width = call.option("filter_height"), call.option("filter_width")
    return (
        window(image[1], height, call.option("stride_h"), 1, padding),
        window(image[2], width, call.option("stride_w"), 1, padding),
    )


def _recorded_windows(call: Call) -> tuple[Window, Window]:
    """As :func:`_windows`, by the shape that the model records."""
    return _windows(call, call.input(0).shape)


def _slide(x: Array, axis: int, w: Window, reduce: np.ufunc, fill: float) -> Array:
    """``reduce`` over the window along one axis, the padding holding ``fill``.

    A 2-D window is one such pass over rows and one over columns.
    """
    padded = np.moveaxis(_padded(x, axis, w, fill), axis, 0)
    result = padded[: _end(w, 0) : w.stride].copy()
    for offset in range(1, w.size):
        reduce(result, padded[offset : _end(w, offset) : w.stride], out=result)
    return np.moveaxis(result, 0, axis)


def _counts(w: Window, size: int) -> Array:
    """How many elements of the input, not of the padding, each window holds."""
    start = np.arange(w.outputs) * w.stride - w.before
    return np.minimum(start + w.size, size) - np.maximum(start, 0)


CARDS = (
    Card(
        "AVERAGE_POOL_2D",
        {
            "xnnpack": (
                Row(
                    FLOAT,
                    in_float64(average_pool_2d_float),
                    algorithm=UNORDERED,
                    source="src/operators/average-pooling-nhwc.c",
                    when=every(plain_activation, overlapping_windows),
                    tolerance=SUMMED,
                    terms=_window_size,
                ),
            ),
            "reference": (
                finished(
                    FLOAT,
                    average_pool_2d_float,
                    "sum in order, quotient",
                    f"{REFERENCE_OPS}pooling.h",
                ),
                *(
                    Row(
                        types,
                        average_pool_2d,
                        algorithm="integer mean, half away",
                        source=f"{INTEGER_OPS}pooling.h",
                        ledger=Quotient(_codes_under_window),
                        defects=(raw_codes(average_pool_2d, COMPUTES),),
                    )
                    for types in (INT16, EIGHT_BITS)
                ),
            ),
        },
        window=_recorded_windows,
        ported=AVERAGE_POOL,
        form=Form.POOL,
        refusals=refusals.AVERAGE_POOL_2D,
    ),
    Card(
        "MAX_POOL_2D",
        {
            "xnnpack": (
                Row(
                    FLOAT,
                    max_pool_2d_float,
                    algorithm="maximum, 0 or -0",
                    source="src/operators/max-pooling-nhwc.c",
                    when=every(plain_activation, overlapping_windows),
                    tolerance=ZEROS,
                ),
                Row(
                    EIGHT_BITS,
                    max_pool_2d,
                    algorithm="maximum",
                    source="src/operators/max-pooling-nhwc.c",
                    when=every(one_input, plain_activation, overlapping_windows),
                    clamp=Clamp.HALF_EVEN,
                ),
            ),
            "reference": (
                finished(FLOAT, max_pool_2d_float, "maximum", f"{REFERENCE_OPS}pooling.h"),
                *(
                    Row(
                        types,
                        max_pool_2d,
                        algorithm="maximum",
                        source=f"{INTEGER_OPS}pooling.h",
                        defects=(raw_codes(max_pool_2d),),
                    )
                    for types in (INT16, EIGHT_BITS)
                ),
            ),
        },
        window=_recorded_windows,
        unexplained="it takes the largest code under its window, and rounds nothing",
        ported=MAX_POOL,
        form=Form.POOL,
        refusals=refusals.MAX_POOL_2D,
    ),
    Card(
        "L2_POOL_2D",
        {
            "optimized": (
                finished(
                    FLOAT, l2_pool_2d, UNORDERED, OPTIMIZED_HEADER, APPROXIMATED, _window_size
                ),
            ),
            "reference": (
                finished(
                    FLOAT, l2_pool_2d, "sum in order, quotient, root", f"{REFERENCE_OPS}pooling.h"
                ),
            ),
        },
    ),
)
