"""CONV_2D and DEPTHWISE_CONV_2D."""

from __future__ import annotations

import numpy as np

from tflreplay.errors import NotReplayed
from tflreplay.kernels.call import Call, accumulation
from tflreplay.kernels.matmul import Sums, weight_multiplier
from tflreplay.kernels.window import Window, window
from tflreplay.rounding import Accumulation, Array

# float32 values of the widened input or of a tap's products held at a time.
_COLUMNS_BLOCK = 1 << 20
_TAPS_BLOCK = 1 << 13


def conv_2d(call: Call, x: Array, weights: Array, bias: Array | None = None) -> Accumulation:
    """``acc[b, y, x, o] = sum_{i, j, c} (in[b, y*s+i*d-p, x*s+j*d-p, c] - zx)
    * (w[o, i, j, c] - zw) + bias[o]``, int32 accumulator; taps in the padding add nothing.

    x: int8 or uint8 NHWC; weights of x's type OHWI, per-channel scales along O or one scale;
    bias int32 ``(O,)``. C of the input may be a multiple of I: a grouped convolution.
    ``ConvPerChannel`` in ``tflite/kernels/internal/reference/integer_ops/conv.h`` and ``Conv`` in
    ``tflite/kernels/internal/reference/conv.h``.
    """
    rows, columns = windows(call, x, weights)
    filters = _integer_weights(call, weights)
    padded = _pad(x, rows, columns, call.input(0).zero_point)
    out_channels, _, _, depth = filters.shape
    groups = x.shape[3] // depth
    size = out_channels // groups
    results = []
    for group in range(groups):
        outputs = slice(group * size, (group + 1) * size)
        results.append(
            _conv(
                padded[..., group * depth : (group + 1) * depth],
                filters[outputs].reshape(size, -1).T,
                (rows, columns),
                call.input(0).zero_point,
                None if bias is None else bias[outputs],
            )
        )
    values = results[0] if groups == 1 else np.concatenate(results, axis=-1)
    return _accumulation(call, values)


def depthwise_conv_2d(
    call: Call, x: Array, weights: Array, bias: Array | None = None
) -> Accumulation:
    """``acc[b, y, x, c*m+k] = sum_{i, j} (in[b, y*s+i*d-p, x*s+j*d-p, c] - zx)
    * (w[0, i, j, c*m+k] - zw) + bias[c*m+k]``, int32 accumulator; taps in the padding add nothing.

    x: int8 or uint8 NHWC with C channels; weights of x's type ``(1, kh, kw, C * m)``; bias int32.
    ``DepthwiseConvPerChannel`` in
    ``tflite/kernels/internal/reference/integer_ops/depthwise_conv.h``, which ignores the weights'
    zero point, and ``DepthwiseConv`` in ``.../reference/depthwiseconv_uint8.h``, which does not.
    """
    rows, columns = windows(call, x, weights)
    zero_point = call.input(0).zero_point
    taps = _integer_weights(call, weights)[0]
    channels = taps.shape[2]
    sums = Sums.of(taps.reshape(-1, channels), zero_point, bias, x.dtype)
    dtype = sums.dtype
    padded = _pad(x, rows, columns, zero_point)
    if channels != x.shape[3]:
        padded = np.repeat(padded, channels // x.shape[3], axis=3)
    values = np.empty((x.shape[0], rows.outputs, columns.outputs, channels), dtype)
    for image, output in zip(padded, values, strict=True):
        _depthwise(image.astype(dtype), taps.astype(dtype), sums.constant, (rows, columns), output)
    return _accumulation(call, sums.wrapped(values))


def receptive_fields(call: Call, x: Array, weights: Array, positions: Array) -> Array:
    """What the given outputs see of x: ``(positions, kh, kw, C)``, the padding filled in.

    ``positions`` index the flattened batch, height and width of the output.
    """
    rows, columns = windows(call, x, weights)
    patches = _patches(_pad(x, rows, columns, call.input(0).zero_point), rows, columns)
    return np.asarray(patches[np.unravel_index(positions, patches.shape[:3])])


def windows(call: Call, x: Array, weights: Array) -> tuple[Window, Window]:
    """Where the filters land on the rows and the columns of x."""
    _, height, width, _ = weights.shape
    padding = call.option("padding")
    return (
        window(
            x.shape[1], height, call.option("stride_h"), call.option("dilation_h_factor"), padding
        ),
        window(
            x.shape[2], width, call.option("stride_w"), call.option("dilation_w_factor"), padding
        ),
    )


def _integer_weights(call: Call, weights: Array) -> Array:
    """int16 weights less their zero point, which only the uint8 kernels look at."""
    x, w = call.input(0), call.input(1)
    if w.dtype != x.dtype:
        raise NotReplayed(f"{call.op.name} of {x.dtype} activations by {w.dtype} weights")
    centred = weights.astype(np.int16)
    if w.dtype == "uint8":
        centred -= w.zero_point
    return centred


def _pad(x: Array, rows: Window, columns: Window, zero_point: int) -> Array:
    """NHWC padded by the code of real zero, which adds nothing to the sum."""
    widths = ((0, 0), (rows.before, rows.after), (columns.before, columns.after), (0, 0))
    if not any(sum(pair) for pair in widths):
        return x
    return np.pad(x, widths, constant_values=zero_point)


def _conv(
    x: Array, filters: Array, windows: tuple[Window, Window], zero_point: int, bias: Array | None
) -> Array:
    """Padded NHWC x by filters ``(kh * kw * depth, outputs)``: a GEMM over patches, in blocks."""
    patches = _patches(x, *windows)
    batch, height, width = patches.shape[:3]
    depth, outputs = filters.shape
    sums = Sums.of(filters, zero_point, bias, x.dtype)
    weights = filters.astype(sums.dtype)
    lines = max(_COLUMNS_BLOCK // max(width * depth, 1), 1)
    blocks = [
        sums.matmul(patches[image, top : top + lines].reshape(-1, depth), weights)
        for image in range(batch)
        for top in range(0, height, lines)
    ]
    values = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
    return values.reshape(batch, height, width, outputs)


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


def _accumulation(call: Call, values: Array) -> Accumulation:
    return accumulation(
        call,
        values,
        weight_multiplier(call, call.input(1)),
        call.option("fused_activation_function"),
    )
