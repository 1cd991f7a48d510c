"""Ops with weights on float32: sums in float64, rounded to float32 once.

The runtimes sum up in float32, in an order that depends on the machine; their results differ from
these in the last bits.
"""

from __future__ import annotations

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Array
from tflreplay.kernels import batch_matmul as integer_batch_matmul
from tflreplay.kernels import conv
from tflreplay.kernels.call import Call, clamp_real
from tflreplay.kernels.fully_connected import rows, with_batches
from tflreplay.kernels.transpose_conv import scattered


def conv_2d(call: Call, x: Array, weights: Array, bias: Array) -> Array:
    """``y[b, y, x, o] = sum_{i, j, c} in[b, y*s+i*d-p, x*s+j*d-p, c] * w[o, i, j, c] + bias[o]``.

    x: NHWC; weights OHWI; C of x may be a multiple of I; bias ``(O,)``. ``Conv`` in
    ``tflite/kernels/internal/reference/conv.h``.
    """
    _check(call, 0, 1)
    wide = weights.astype(np.float64)
    return _finished(call, conv.convolved(call, x, wide, 0, _product_of), bias)


def depthwise_conv_2d(call: Call, x: Array, weights: Array, bias: Array | None = None) -> Array:
    """``y[b, y, x, c*m+k] = sum_{i, j} in[b, y*s+i*d-p, x*s+j*d-p, c] * w[0, i, j, c*m+k] + bias``.

    x: NHWC with C channels; weights ``(1, kh, kw, C * m)``; bias ``(C * m,)``. ``DepthwiseConv`` in
    ``tflite/kernels/internal/reference/depthwiseconv_float.h``.
    """
    _check(call, 0, 1)
    nothing = np.zeros(weights.shape[3])
    sums = conv.convolved_by_channel(call, x, weights.astype(np.float64), 0, nothing)
    return _finished(call, sums, bias)


def fully_connected(call: Call, x: Array, weights: Array, bias: Array | None = None) -> Array:
    """``y[b, o] = sum_i x[b, i] * w[o, i] + bias[o]``.

    x: of any shape that flattens to ``(batches, depth)``; weights ``(units, depth)``.
    ``FullyConnected`` in ``tflite/kernels/internal/reference/fully_connected.h``.
    """
    _check(call, 0, 1)
    sums = rows(x, weights).astype(np.float64) @ weights.T.astype(np.float64)
    return with_batches(call, x, _finished(call, sums, bias))


def transpose_conv(
    call: Call, shape: Array, weights: Array, x: Array, bias: Array | None = None
) -> Array:
    """As :func:`tflreplay.kernels.transpose_conv.transpose_conv`, all float32.

    ``TransposeConv`` in ``tflite/kernels/internal/reference/transpose_conv.h``.
    """
    _check(call, 2, 1)
    sums = scattered(call, shape, x.astype(np.float64), weights.astype(np.float64))
    return _finished(call, sums, bias)


def batch_matmul(call: Call, a: Array, b: Array) -> Array:
    """``y[..., i, j] = sum_k a[..., i, k] * b[..., k, j]``, all but the last two axes broadcast.

    ``adj_x`` and ``adj_y`` swap the last two axes of a and b. ``BatchMatMul`` in
    ``tflite/kernels/internal/reference/batch_matmul.h``.
    """
    _check(call, 0, 1)
    a, b = integer_batch_matmul.adjoined(call, a, b)
    return np.asarray((a.astype(np.float64) @ b.astype(np.float64)).astype(np.float32))


def _product_of(matrix: Array, outputs: slice) -> conv.Product:
    return lambda patches: patches.astype(np.float64) @ matrix


def _check(call: Call, *positions: int) -> None:
    """
    Raises:
        NotReplayed: no kernel takes inputs of these types.
    """
    types = [call.input(position).dtype for position in positions]
    if any(name != "float32" for name in types):
        raise NotReplayed(f"{call.op.name} of {' by '.join(types)}")


def _finished(call: Call, sums: Array, bias: Array | None) -> Array:
    return clamp_real(call, (sums if bias is None else sums + bias).astype(np.float32))
