"""The sum behind one output element of a convolution, term by term."""

from __future__ import annotations

import math

import numpy as np

from tflreplay.ops.base.call import Call
from tflreplay.ops.base.ledger import Sum
from tflreplay.ops.base.terms import Arrays, Index, grid, inside, weighted_sum
from tflreplay.ops.conv.sliding import windows


def conv_terms(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    x, weights = arrays[:2]
    image, y, z, channel = index
    outputs, height, width, depth = weights.shape
    rows, columns = windows(call, x.shape, weights.shape)
    group = channel // (outputs // (x.shape[3] // depth))
    i, j, c = grid(inside(rows, y, x.shape[1]), inside(columns, z, x.shape[2]), np.arange(depth))
    full = np.full_like
    return weighted_sum(
        call,
        arrays,
        np.stack([full(c, image), i[:, 1], j[:, 1], group * depth + c], axis=1),
        np.stack([full(c, channel), i[:, 0], j[:, 0], c], axis=1),
        channel,
        taps=height * width * depth,
        centred=call.input(1).dtype == "uint8",
    )


def depthwise_terms(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    x, weights = arrays[:2]
    image, y, z, channel = index
    _, height, width, channels = weights.shape
    rows, columns = windows(call, x.shape, weights.shape)
    i, j = grid(inside(rows, y, x.shape[1]), inside(columns, z, x.shape[2]))
    ones = np.ones(len(i), np.int64)
    source = channel // (channels // x.shape[3])
    return weighted_sum(
        call,
        arrays,
        np.stack([image * ones, i[:, 1], j[:, 1], source * ones], axis=1),
        np.stack([0 * ones, i[:, 0], j[:, 0], channel * ones], axis=1),
        channel,
        taps=height * width,
        centred=call.input(1).dtype == "uint8",
    )


def xnnpack_conv_bias_alone(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    return _bias_alone(arrays, index, math.prod(arrays[1].shape[1:]))


def xnnpack_depthwise_bias_alone(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    return _bias_alone(arrays, index, math.prod(arrays[1].shape[1:3]))


def _bias_alone(arrays: Arrays, index: Index, taps: int) -> Sum:
    bias = int(arrays[2][index[-1]])
    return Sum("every tap reads padding, + bias", taps, taps, (), 0, 0, bias)
