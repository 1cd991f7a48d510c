"""Filters slid over an image, in any arithmetic: windows, padding and blocked products."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.ground.window import Window, window
from tflreplay.ops.base.call import Call

Product = Callable[[Array], Array]
Shape = tuple[int, ...]

# float32 values of the widened input or of a tap's products held at a time.
_COLUMNS_BLOCK = 1 << 20
_TAPS_BLOCK = 1 << 13


def windows(call: Call, image: Shape, filters: Shape) -> tuple[Window, Window]:
    """Where filters of a shape land on the rows and the columns of an image, NHWC."""
    _, *sizes, _ = filters
    rows, columns = (
        window(
            length,
            size,
            call.option(f"stride_{axis}"),
            call.option(f"dilation_{axis}_factor"),
            call.option("padding"),
        )
        for length, size, axis in zip(image[1:3], sizes, "hw", strict=True)
    )
    return rows, columns


def recorded_windows(call: Call) -> tuple[Window, Window]:
    """As :func:`windows`, by the shapes that the model records."""
    return windows(call, call.input(0).shape, call.input(1).shape)


def convolved(
    call: Call,
    x: Array,
    filters: Array,
    zero: int,
    product_of: Callable[[Array, slice], Product],
) -> Array:
    """NHWC x by filters OHWI, where ``zero`` is what the padding holds.

    ``product_of(matrix, outputs)`` says how patches ``(rows, kh * kw * I)`` are multiplied by the
    matrix ``(kh * kw * I, outputs)`` of the filters that give these outputs.
    """
    rows, columns = windows(call, x.shape, filters.shape)
    padded = _pad(x, rows, columns, zero)
    out_channels, _, _, depth = filters.shape
    groups = x.shape[3] // depth
    size = out_channels // groups
    results = []
    for group in range(groups):
        outputs = slice(group * size, (group + 1) * size)
        product = product_of(filters[outputs].reshape(size, -1).T, outputs)
        part = padded[..., group * depth : (group + 1) * depth]
        results.append(_by_patches(part, (rows, columns), product))
    return results[0] if groups == 1 else np.concatenate(results, axis=-1)


def convolved_by_channel(call: Call, x: Array, weights: Array, zero: int, constant: Array) -> Array:
    """NHWC x by weights ``(1, kh, kw, channels)``, plus ``constant``; all in the weights' dtype.

    ``zero`` is what the padding holds; ``constant`` has a value for each channel.
    """
    rows, columns = windows(call, x.shape, weights.shape)
    taps = weights[0]
    padded = _pad(x, rows, columns, zero)
    if taps.shape[2] != x.shape[3]:
        padded = np.repeat(padded, taps.shape[2] // x.shape[3], axis=3)
    values = np.empty((x.shape[0], rows.outputs, columns.outputs, taps.shape[2]), taps.dtype)
    for image, output in zip(padded, values, strict=True):
        _depthwise(image.astype(taps.dtype), taps, constant, (rows, columns), output)
    return values


def receptive_fields(call: Call, x: Array, weights: Array, positions: Array) -> Array:
    """What the given outputs see of x: ``(positions, kh, kw, C)``, the padding filled in.

    ``positions`` index the flattened batch, height and width of the output.
    """
    rows, columns = windows(call, x.shape, weights.shape)
    patches = _patches(_pad(x, rows, columns, call.input(0).zero_point), rows, columns)
    return np.asarray(patches[np.unravel_index(positions, patches.shape[:3])])


def _pad(x: Array, rows: Window, columns: Window, zero_point: int) -> Array:
    """NHWC padded by the code of real zero, which adds nothing to the sum."""
    widths = ((0, 0), (rows.before, rows.after), (columns.before, columns.after), (0, 0))
    if not any(sum(pair) for pair in widths):
        return x
    return np.pad(x, widths, constant_values=zero_point)


def _by_patches(x: Array, windows: tuple[Window, Window], product: Product) -> Array:
    """Padded NHWC x: a product for each line of patches, several lines at a time."""
    patches = _patches(x, *windows)
    batch, height, width = patches.shape[:3]
    depth = math.prod(patches.shape[3:])
    lines = max(_COLUMNS_BLOCK // max(width * depth, 1), 1)
    blocks = [
        product(patches[image, top : top + lines].reshape(-1, depth))
        for image in range(batch)
        for top in range(0, height, lines)
    ]
    values = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
    return values.reshape(batch, height, width, -1)


def _patches(x: Array, rows: Window, columns: Window) -> Array:
    """View of shape ``(batch, out height, out width, kh, kw, depth)`` on padded NHWC x."""
    batch, line, step, item = x.strides
    return np.lib.stride_tricks.as_strided(
        x,
        (x.shape[0], rows.outputs, columns.outputs, rows.size, columns.size, x.shape[3]),
        (
            batch,
            line * rows.stride,
            step * columns.stride,
            line * rows.dilation,
            step * columns.dilation,
            item,
        ),
        writeable=False,
    )


def _depthwise(
    x: Array, taps: Array, constant: Array, windows: tuple[Window, Window], output: Array
) -> None:
    """One padded image ``(height, width, channels)`` into ``output``, in its dtype.

    Taps are multiplied over whole output lines: the image is first split by stride phase, so that
    the elements a tap meets lie side by side, and each tap's channels are repeated along the line.
    Lines go in blocks that stay in the first-level cache.
    """
    rows, columns = windows
    out_height, out_width, channels = output.shape
    length = out_width * channels
    phases: dict[tuple[int, int], Array] = {}
    terms = []
    for i in range(rows.size):
        for j in range(columns.size):
            top, row_phase = divmod(i * rows.dilation, rows.stride)
            left, column_phase = divmod(j * columns.dilation, columns.stride)
            key = (row_phase, column_phase)
            if key not in phases:
                phase = np.ascontiguousarray(
                    x[row_phase :: rows.stride, column_phase :: columns.stride]
                )
                phases[key] = phase.reshape(phase.shape[0], -1)
            line = phases[key][top : top + out_height]
            line = line[:, left * channels : left * channels + length]
            terms.append((line, np.tile(taps[i, j], out_width)))
    start = np.tile(constant.astype(x.dtype), out_width)
    lines = output.reshape(out_height, length)
    block = max(_TAPS_BLOCK // length, 1)
    product = np.empty((block, length), x.dtype)
    for top in range(0, out_height, block):
        acc = lines[top : top + block]
        acc[...] = start
        part = product[: acc.shape[0]]
        for line, weight in terms:
            np.multiply(line[top : top + block], weight, out=part)
            acc += part
