"""TRANSPOSE_CONV."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Accumulation, Array
from tflreplay.ground.window import window
from tflreplay.kernels.call import Call
from tflreplay.kernels.matmul import Sums, accumulator_bits, centred_weights, weighted_accumulation


def transpose_conv(
    call: Call, shape: Array, weights: Array, x: Array, bias: Array | None = None
) -> Accumulation:
    """``acc[b, y, x, o] = sum_{i, j, c} (in[b, (y+p-i)/s, (x+p-j)/s, c] - zx)
    * (w[o, i, j, c] - zw) + bias[o]``, over the i and j that both divide and lie inside.

    shape: int32 ``(4,)``, the output's; weights OHWI, uint8 for uint8, else int8, per-channel
    scales along O or one scale; x: int8, uint8 or int16 NHWC; bias ``(O,)``, int32 or, for int16,
    int64. The accumulator is as wide as the bias. ``TransposeConv`` in
    ``tflite/kernels/internal/reference/integer_ops/transpose_conv.h``, which ignores the weights'
    zero point, and in ``.../reference/transpose_conv.h``, which does not.
    """
    x_tensor, w_tensor = call.input(2), call.input(1)
    if w_tensor.dtype == "int4":
        raise NotReplayed(f"{call.op.name} of {x_tensor.dtype} activations by int4 weights")
    bits = accumulator_bits(call, x_tensor, bias)
    centred = centred_weights(call, x_tensor, w_tensor, weights)
    # Elements meet different numbers of taps, so the zero point is subtracted beforehand: 9 bits.
    matrix = centred.reshape(len(weights), -1).T
    sums = Sums.of(matrix, 0, bias, np.dtype(np.int16), bits)
    codes = x.astype(sums.dtype) - x_tensor.zero_point
    values = scattered(call, shape, codes, centred.astype(sums.dtype))
    values += sums.constant.astype(sums.dtype)
    return weighted_accumulation(call, x_tensor, sums.wrapped(values))


def scattered(call: Call, shape: Array, x: Array, weights: Array) -> Array:
    """Every element of x times every tap, added up where it lands: of ``shape``, in x's dtype.

    Raises:
        NotReplayed: an output of this shape does not belong to x.
    """
    batch, height, width, channels = (int(size) for size in shape)
    _, in_height, in_width, _ = x.shape
    _, kernel_height, kernel_width, _ = weights.shape
    # The windows of the convolution that leads from the output back to x.
    padding = call.option("padding")
    rows = window(height, kernel_height, call.option("stride_h"), 1, padding)
    columns = window(width, kernel_width, call.option("stride_w"), 1, padding)
    if (rows.outputs, columns.outputs) != (in_height, in_width):
        raise NotReplayed(f"{call.op.name} to {height}x{width} from {in_height}x{in_width}")
    full = np.zeros(
        (
            batch,
            rows.before + height + rows.after,
            columns.before + width + columns.after,
            channels,
        ),
        x.dtype,
    )
    for i in range(kernel_height):
        for j in range(kernel_width):
            bottom = i + (in_height - 1) * rows.stride + 1
            right = j + (in_width - 1) * columns.stride + 1
            full[:, i : bottom : rows.stride, j : right : columns.stride] += x @ weights[:, i, j].T
    return full[:, rows.before :, columns.before :][:, :height, :width]
