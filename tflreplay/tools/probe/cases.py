"""The ops that are probed: scales and codes on which rounding rules part.

A rule shows itself next to a tie. So every real multiplier here is ``p / (2 * w)`` for small
integers p and w, and accumulators run through multiples of w, where the product is half an integer.
Scales come in two kinds. With *exact* ones that product is a tie in real numbers: rules part by
where a tie goes. With *inexact* ones the multiplier is a float32 next to ``p / (2 * w)``: the
product lies closer to a tie than 16 bits, float32 or Q31 can tell, and rules part by their
precision. Accumulators that are no multiple of w part double from single rounding, whose first step
makes ties of its own. Zero points and sizes are such that few outputs saturate, which would hide a
difference, and that vector loops of 8 and of 16 have a remainder.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.model import Model
from tflreplay.ops import kind_of
from tflreplay.tools.probe.build import Builder, Scale
from tflreplay.tools.probe.codes import all_codes, every_code, random_codes
from tflreplay.tools.probe.others import (
    batch_matmul,
    concatenation,
    hard_swish,
    pool,
    prelu,
    resize_bilinear,
)
from tflreplay.tools.probe.scales import HALVES, UNIT, inexact, products, quotient, ratios

_SEED = 4
# The channels of a weighted op: |weight| and p of the multiplier p / (2 * |weight|).
_WEIGHTS = (1, 2, 3, 4, 5, 6, 7, 9, 11, 12, 14, 17, 23, 28, 35, 45, 63, 70, 91, 111, 127)
_ODD = (1, 3, 5)
# s1, s2 and so of ADD and SUB, in the unit that all three have in common.
_SUMS = ((3, 5, 6), (1, 1, 2), (5, 7, 10), (7, 2, 6), (1, 6, 8), (9, 11, 14), (3, 13, 12))
# p, w and the elements of each mean.
_MEANS = ((1, 2, 6), (1, 3, 4), (3, 4, 6), (1, 5, 9), (3, 7, 8), (1, 8, 25), (5, 9, 10))


@dataclass(frozen=True, eq=False)
class Cases:
    """A model of independent ops, and the codes to run it on by tensor index."""

    model: Model
    inputs: dict[int, Array]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The name that each op's evidence goes under."""
        graph = self.model.main
        return tuple(kind_of(graph, op) for op in graph.operators)


def cases() -> Cases:
    """Every op that is probed; the same each time."""
    build = Builder()
    rng = np.random.default_rng(_SEED)
    _conv_2d(build, rng)
    _depthwise_conv_2d(build, rng)
    _fully_connected(build, rng)
    _fully_connected_with_one_scale(build, rng)
    _summed(build, rng, "ADD", "AddOptions")
    _summed(build, rng, "SUB", "SubOptions")
    _mul(build, rng)
    _mean(build, rng)
    _requantizing(build, rng)
    _functions(build, rng)
    hard_swish(build, rng)
    pool(build, rng, "AVERAGE_POOL_2D")
    pool(build, rng, "MAX_POOL_2D")
    prelu(build, rng)
    concatenation(build, rng)
    _transpose_conv(build, rng)
    batch_matmul(build, rng)
    resize_bilinear(build, rng)
    return Cases(build.model(), build.inputs)


@dataclass(frozen=True)
class _Channels:
    """189 output channels: what each multiplies its one input by, adds, and rescales by."""

    weights: Array
    bias: Array
    multipliers: Array

    @classmethod
    def of(cls, rng: np.random.Generator) -> _Channels:
        table = list(itertools.product(_WEIGHTS, _ODD, (0, 1, 2)))
        weights, odd, kind = rng.permutation(table).T
        # A third of the channels run through multiples of the weight, a third next to them.
        offset = np.choose(
            kind, [0, rng.choice((-1, 1), kind.size), rng.integers(-weights, weights)]
        )
        bias = offset + weights * rng.integers(-20, 21, kind.size)
        return cls(weights * rng.choice((-1, 1), kind.size), bias, odd / (2 * weights))

    def parts(self) -> Iterator[_Channels]:
        """A third of the channels each, so that an op fits the memory of a small device."""
        for chosen in np.array_split(np.arange(self.count), 3):
            yield _Channels(self.weights[chosen], self.bias[chosen], self.multipliers[chosen])

    @property
    def count(self) -> int:
        return self.weights.size

    def constants(self, build: Builder, filters: Array, axis: int) -> tuple[int, int]:
        """The tensors of int8 filters quantized along ``axis`` and of the int32 bias."""
        scales = np.float32(self.multipliers * _WEIGHTED_Y.scale / _WEIGHTED_X.scale)
        return (
            build.constant(filters.astype(np.int8), Scale(scales, 0, axis)),
            build.constant(
                self.bias.astype(np.int32), Scale(scales * np.float32(_WEIGHTED_X.scale))
            ),
        )


# Their quotient times a float32 is exact for channels whose weights have no other prime factors.
_WEIGHTED_X = Scale(3 * UNIT, -3)
_WEIGHTED_Y = Scale(105 * UNIT, 5)


def _conv_2d(build: Builder, rng: np.random.Generator) -> None:
    """1x1: ``weights[c] * input channel c % 4 + bias[c]`` for all codes."""
    depth = 4
    for channels in _Channels.of(rng).parts():
        filters = _one_of(depth, channels.weights)[:, None, None, :]
        inputs = (
            build.codes(all_codes(rng, depth).reshape(1, 16, 16, depth), _WEIGHTED_X),
            *channels.constants(build, filters, 0),
        )
        options = {"padding": "SAME", "stride_h": 1, "stride_w": 1}
        shape = (1, 16, 16, channels.count)
        build.op("CONV_2D", inputs, shape, _WEIGHTED_Y, options, "Conv2DOptions", version=3)


def _transpose_conv(build: Builder, rng: np.random.Generator) -> None:
    """1x1, as CONV_2D."""
    depth = 4
    for channels in _Channels.of(rng).parts():
        filters = _one_of(depth, channels.weights)[:, None, None, :]
        shape = (1, 16, 16, channels.count)
        weights, bias = channels.constants(build, filters, 0)
        inputs = (
            build.constant(np.array(shape, np.int32)),
            weights,
            build.codes(all_codes(rng, depth).reshape(1, 16, 16, depth), _WEIGHTED_X),
            bias,
        )
        options = {"padding": "SAME", "stride_h": 1, "stride_w": 1}
        table = "TransposeConvOptions"
        build.op("TRANSPOSE_CONV", inputs, shape, _WEIGHTED_Y, options, table, version=3)


def _depthwise_conv_2d(build: Builder, rng: np.random.Generator) -> None:
    """3x3, all of it 0 but the middle."""
    for channels in _Channels.of(rng).parts():
        shape = (1, 16, 16, channels.count)
        filters = np.zeros((1, 3, 3, channels.count))
        filters[0, 1, 1] = channels.weights
        inputs = (
            build.codes(all_codes(rng, channels.count).reshape(shape), _WEIGHTED_X),
            *channels.constants(build, filters, 3),
        )
        options = {"padding": "SAME", "stride_h": 1, "stride_w": 1, "depth_multiplier": 1}
        table = "DepthwiseConv2DOptions"
        build.op("DEPTHWISE_CONV_2D", inputs, shape, _WEIGHTED_Y, options, table, version=3)


def _fully_connected(build: Builder, rng: np.random.Generator) -> None:
    """``weights[c] * input c % 4 + bias[c]`` for all codes."""
    depth = 4
    for channels in _Channels.of(rng).parts():
        inputs = (
            build.codes(all_codes(rng, depth), _WEIGHTED_X),
            *channels.constants(build, _one_of(depth, channels.weights), 0),
        )
        shape, table = (256, channels.count), "FullyConnectedOptions"
        build.op("FULLY_CONNECTED", inputs, shape, _WEIGHTED_Y, {}, table, version=5)


def _fully_connected_with_one_scale(build: Builder, rng: np.random.Generator) -> None:
    """``weights[c] * input + bias[c]``, the weights multiples of w, the bias next to one."""
    units, rows = 29, 41
    for m in products(rng):
        w, x, weights, y = m.w, Scale(m.first, -3), Scale(m.second), Scale(m.out, 5)
        most = min(127 // w, 12)
        filters = w * rng.integers(-most, most, (units, 1), endpoint=True)
        bias = w * rng.integers(-20, 21, units) + rng.integers(-1, 2, units)
        inputs = (
            build.codes(rng.integers(-15, 16, (rows, 1)), x),
            build.constant(filters.astype(np.int8), weights),
            build.constant(bias.astype(np.int32), Scale(x.scale * weights.scale)),
        )
        shape = (rows, units)
        build.op("FULLY_CONNECTED", inputs, shape, y, {}, "FullyConnectedOptions", version=4)


def _summed(build: Builder, rng: np.random.Generator, op: str, table: str) -> None:
    shape = (37, 41)
    for (first, second, out), beside in itertools.product(_SUMS, (False, True)):
        unit = inexact(rng) if beside else UNIT
        inputs = (
            build.codes(random_codes(rng, shape), Scale(np.float32(first * unit), 3)),
            build.codes(random_codes(rng, shape), Scale(np.float32(second * unit), -7)),
        )
        build.op(op, inputs, shape, Scale(np.float32(out * unit), -2), {}, table)


def _mul(build: Builder, rng: np.random.Generator) -> None:
    """Products of a code and of one so small that the output does not saturate."""
    shape = (37, 41)
    # A multiplier of 1/2 would let the optimized kernel's 16-bit sum wrap, which is another matter.
    for m in products(rng, HALVES[1:]):
        a, b = Scale(m.first, 3), Scale(m.second, -7)
        left = random_codes(rng, shape)
        most = np.minimum(130 * 2 * m.w / (m.p * np.maximum(np.abs(left - 3), 1)), 120)
        right = np.rint(rng.uniform(-1, 1, shape) * most) - 7
        inputs = (build.codes(left, a), build.codes(right.clip(-128, 127), b))
        build.op("MUL", inputs, shape, Scale(m.out, -2), {}, "MulOptions")


def _mean(build: Builder, rng: np.random.Generator) -> None:
    channels, rows = 61, 12
    for (p, w, count), beside in itertools.product(_MEANS, (False, True, True)):
        unit = np.float32(inexact(rng) if beside else 15 * UNIT)
        height = 5 if count % 5 == 0 else 2 if count % 2 == 0 else 3
        spatial = (rows, height, count // height, channels)
        y = Scale(quotient(unit, p, w), -2)
        for axes, shape, result in (
            ((1, 2), spatial, (rows, 1, 1, channels)),
            ((3,), (rows, 1, channels, count), (rows, 1, channels, 1)),
            ((1,), (rows, count, 1, channels), (rows, 1, 1, channels)),
            ((2,), (rows, 1, count, channels), (rows, 1, 1, channels)),
            ((1, 2), spatial, (rows, channels)),
        ):
            # Codes whose sum, rescaled, fits the output.
            most = min(130 * 2 * w // (p * int(np.sqrt(count))), 110)
            codes = rng.integers(-most, most, shape, endpoint=True) + 3
            indices = build.constant(np.array(axes, np.int32))
            build.op(
                "MEAN",
                (build.codes(codes, Scale(unit, 3)), indices),
                result,
                y,
                {"keep_dims": len(result) == 4},
                "ReducerOptions",
            )


def _requantizing(build: Builder, rng: np.random.Generator) -> None:
    """QUANTIZE, RELU6 and LEAKY_RELU of every code."""
    for m in ratios(rng):
        x, y = Scale(m.first, 3), Scale(m.out, -2)
        codes = every_code(rng)
        build.op("QUANTIZE", (build.codes(codes, x),), codes.shape, y, {}, "QuantizeOptions", 1)
        build.op("RELU6", (build.codes(codes, x),), codes.shape, y)
        for slope in (1 / 3, -3 / 8):
            build.op(
                "LEAKY_RELU",
                (build.codes(codes, x),),
                codes.shape,
                y,
                {"alpha": slope},
                "LeakyReluOptions",
            )


def _functions(build: Builder, rng: np.random.Generator) -> None:
    """LOGISTIC, TANH and SOFTMAX, of input scales that take some codes half way between two others.

    Their output has the one scale that is allowed.
    """
    for level in np.arange(3, 127, 3) + 0.5:
        steps = int(rng.integers(30, 120))
        logit, artanh = np.log(256 / level - 1), np.arctanh(level / 128)
        x = Scale(np.float32(logit / steps), 3)
        codes = rng.permutation(np.arange(-128, 128))
        build.op("LOGISTIC", (build.codes(codes, x),), codes.shape, Scale(1 / 256, -128))
        # Of two elements that lie as far apart, the softmax is the logistic function.
        pairs = np.array([(3, 3 + steps), (3 + steps, 3), (3 - steps, 3)])
        options = {"beta": 1.0}
        inputs = (build.codes(pairs, x),)
        build.op("SOFTMAX", inputs, pairs.shape, Scale(1 / 256, -128), options, "SoftmaxOptions")
        x = Scale(np.float32(artanh / steps), 3)
        build.op("TANH", (build.codes(codes, x),), codes.shape, Scale(1 / 128))


def _one_of(depth: int, weights: Array) -> Array:
    """``(units, depth)``: each unit has its weight at one place, and 0 elsewhere."""
    units = np.arange(weights.size)
    filters = np.zeros((weights.size, depth))
    filters[units, units % depth] = weights
    return filters
