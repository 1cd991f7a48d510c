"""The ops with weights. Sums run through multiples of w, where the product is half an integer."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.tools.probe.build import Builder, Scale
from tflreplay.tools.probe.codes import all_codes
from tflreplay.tools.probe.scales import UNIT, products

# The channels of a weighted op: |weight| and p of the multiplier p / (2 * |weight|).
_WEIGHTS = (1, 2, 3, 4, 5, 6, 7, 9, 11, 12, 14, 17, 23, 28, 35, 45, 63, 70, 91, 111, 127)
_ODD = (1, 3, 5)
# Their quotient times a float32 is exact for channels whose weights have no other prime factors.
_X = Scale(3 * UNIT, -3)
_Y = Scale(105 * UNIT, 5)
_DEPTH = 4  # input channels, of which each output channel sees one


@dataclass(frozen=True)
class _Sums:
    """What a weighted op sums, of codes ``(rows, depth)`` and weights ``(units, depth)``."""

    codes: Array
    filters: Array
    bias: Array
    x: Scale
    weights: Scale
    y: Scale

    @property
    def image(self) -> tuple[int, int, int, int]:
        """The shape of the codes as that of an image."""
        side = math.isqrt(len(self.codes))
        return 1, side, side, self.codes.shape[1]

    @property
    def result(self) -> tuple[int, int, int, int]:
        """The shape of what a convolution gives of the image."""
        return *self.image[:3], len(self.filters)


def conv_2d(build: Builder, rng: np.random.Generator) -> None:
    """1x1: ``weights[c] * input channel c % 4 + bias[c]``."""
    options = {"padding": "SAME", "stride_h": 1, "stride_w": 1}
    for sums in _with_single_rows(_sums(build, rng)):
        inputs = (
            build.codes(sums.codes.reshape(sums.image), sums.x),
            build.weights(sums.filters[:, None, None, :], sums.weights),
            build.bias(sums.bias, sums.x, sums.weights),
        )
        build.op("CONV_2D", inputs, sums.result, sums.y, options, "Conv2DOptions", version=3)


def transpose_conv(build: Builder, rng: np.random.Generator) -> None:
    """1x1, as CONV_2D."""
    options = {"padding": "SAME", "stride_h": 1, "stride_w": 1}
    for sums in _sums(build, rng):
        inputs = (
            build.constant(np.array(sums.result, np.int32)),
            build.weights(sums.filters[:, None, None, :], sums.weights),
            build.codes(sums.codes.reshape(sums.image), sums.x),
            build.bias(sums.bias, sums.x, sums.weights),
        )
        table = "TransposeConvOptions"
        build.op("TRANSPOSE_CONV", inputs, sums.result, sums.y, options, table, version=3)


def depthwise_conv_2d(build: Builder, rng: np.random.Generator) -> None:
    """3x3, all of it 0 but the middle."""
    options = {"padding": "SAME", "stride_h": 1, "stride_w": 1, "depth_multiplier": 1}
    for sums in _sums(build, rng, depthwise=True):
        filters = np.zeros((1, 3, 3, len(sums.filters)))
        filters[0, 1, 1] = sums.filters[:, 0]
        # XNNPACK takes one scale on axis 0 only.
        weights = Scale(sums.weights.scale, axis=3 if _has_channels(build) else 0)
        inputs = (
            build.codes(sums.codes.reshape(sums.image), sums.x),
            build.weights(filters, weights),
            build.bias(sums.bias, sums.x, weights),
        )
        table = "DepthwiseConv2DOptions"
        build.op("DEPTHWISE_CONV_2D", inputs, sums.result, sums.y, options, table, version=3)


def fully_connected(build: Builder, rng: np.random.Generator) -> None:
    """``weights[c] * input c % 4 + bias[c]``, by a scale a channel where the type has that; then
    ``weights[c] * input + bias[c]``, by one scale.
    """
    if _has_channels(build):
        for sums in _with_single_rows(_by_channels(build, rng, _DEPTH)):
            _fully_connected(build, sums, version=5)
    for sums in _with_single_rows(_by_one_scale(build, rng, 41, 1)):
        _fully_connected(build, sums, version=4)


def _fully_connected(build: Builder, sums: _Sums, version: int) -> None:
    inputs = (
        build.codes(sums.codes, sums.x),
        build.weights(sums.filters, sums.weights),
        build.bias(sums.bias, sums.x, sums.weights),
    )
    shape, table = (len(sums.codes), len(sums.filters)), "FullyConnectedOptions"
    build.op("FULLY_CONNECTED", inputs, shape, sums.y, {}, table, version=version)


def _has_channels(build: Builder) -> bool:
    """Weights of uint8 have one scale."""
    return build.dtype != "uint8"


def _sums(build: Builder, rng: np.random.Generator, depthwise: bool = False) -> Iterator[_Sums]:
    """Of a convolution."""
    if _has_channels(build):
        return _by_channels(build, rng, 0 if depthwise else _DEPTH)
    return _by_one_scale(build, rng, 49, 0 if depthwise else 1)


def _with_single_rows(sums: Iterator[_Sums]) -> Iterator[_Sums]:
    """Each, and two of its rows alone: products of matrices and of vectors may have other kernels.

    Those for vectors need 8 taps, of which all but one are 0.
    """
    for each in sums:
        yield each
        filters = np.pad(each.filters, ((0, 0), (0, 8 - each.codes.shape[1])))
        for row in each.codes.ravel()[:16].reshape(2, 1, 8):
            yield replace(each, codes=row, filters=filters)


def _by_channels(build: Builder, rng: np.random.Generator, depth: int) -> Iterator[_Sums]:
    """189 output channels, each with a scale of its own; with depth 0 each has its own input.

    They come in parts, so that an op fits the memory of a small device.
    """
    table = list(itertools.product(_WEIGHTS, _ODD, (0, 1, 2)))
    weights, odd, kind = rng.permutation(table).T
    # A third of the channels run through multiples of the weight, a third next to them.
    offset = np.choose(kind, [0, rng.choice((-1, 1), kind.size), rng.integers(-weights, weights)])
    bias = offset + weights * rng.integers(-20, 21, kind.size)
    signed, multipliers = weights * rng.choice((-1, 1), kind.size), odd / (2 * weights)
    for part in np.array_split(np.arange(kind.size), 3 * np.dtype(build.dtype).itemsize):
        codes = all_codes(rng, build.half, depth or part.size)
        filters = _one_of(depth, signed[part]) if depth else signed[part][:, None]
        scales = Scale(np.float32(multipliers[part] * _Y.scale / _X.scale))
        yield _Sums(codes, filters, bias[part], _X, scales, _Y)
    if build.dtype == "int16":
        yield _beyond(rng, depth, np.ones(4, np.float32))


def _by_one_scale(
    build: Builder, rng: np.random.Generator, rows: int, depth: int
) -> Iterator[_Sums]:
    """29 output channels, the weights multiples of w, the bias next to one; depth as above."""
    units, reach = 29, 15 * build.step
    for m in products(rng):
        w, most = m.w, min(127 // m.w, 12)
        filters = w * rng.integers(-most, most, (units, 1), endpoint=True)
        bias = w * rng.integers(-20, 21, units) + rng.integers(-1, 2, units)
        codes = rng.integers(-reach, reach, (rows, depth or units), endpoint=True)
        yield _Sums(codes, filters, bias, Scale(m.first, -3), Scale(m.second), Scale(m.out, 5))
    if build.dtype == "int16":
        yield _beyond(rng, depth, np.float32(1))


def _beyond(rng: np.random.Generator, depth: int, scale: Any) -> _Sums:
    """Sums of int16 codes by a multiplier of 1,500, so that quotients need 30 bits and more: beyond
    them each rule wraps or saturates in its own way.
    """
    weights = np.array([127, -127, 113, -101])
    filters = _one_of(depth, weights) if depth else weights[:, None]
    codes, bias = all_codes(rng, 2**15, depth or weights.size), np.zeros(weights.size)
    scales = Scale(scale * np.float32(1500 * _Y.scale / _X.scale))
    return _Sums(codes, filters, bias, _X, scales, _Y)


def _one_of(depth: int, weights: Array) -> Array:
    """``(units, depth)``: each unit has its weight at one place, and 0 elsewhere."""
    units = np.arange(weights.size)
    filters = np.zeros((weights.size, depth))
    filters[units, units % depth] = weights
    return filters
