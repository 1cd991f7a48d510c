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
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np

from tflreplay.ground.engine import Engine
from tflreplay.ground.rounding import Array
from tflreplay.model import Model
from tflreplay.ops import kind_of, site
from tflreplay.tools.probe.build import Builder, Scale, on_type
from tflreplay.tools.probe.codes import every_code, random_codes
from tflreplay.tools.probe.others import (
    batch_matmul,
    concatenation,
    hard_swish,
    pool,
    prelu,
    resize_bilinear,
)
from tflreplay.tools.probe.scales import HALVES, UNIT, inexact, products, quotient, ratios
from tflreplay.tools.probe.weighted import (
    conv_2d,
    depthwise_conv_2d,
    fully_connected,
    transpose_conv,
)

_SEED = 4
# s1, s2 and so of ADD and SUB, in the unit that all three have in common.
_SUMS = ((3, 5, 6), (1, 1, 2), (5, 7, 10), (7, 2, 6), (1, 6, 8), (9, 11, 14), (3, 13, 12))
# p, w and the elements of each mean.
_MEANS = ((1, 2, 6), (1, 3, 4), (3, 4, 6), (1, 5, 9), (3, 7, 8), (1, 8, 25), (5, 9, 10))
# The types that ops are asked on.
TYPES = ("int8", "uint8", "int16")


@dataclass(frozen=True, eq=False)
class Cases:
    """A model of independent ops, and the codes to run it on by tensor index.

    ``left_out`` are ops that no engine known computes on a type that was asked.
    """

    model: Model
    inputs: dict[int, Array]
    left_out: tuple[str, ...] = ()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The name that each op's evidence goes under."""
        graph = self.model.main
        return tuple(
            on_type(kind_of(graph, op), site(Engine(), graph, op).dtype) for op in graph.operators
        )


@cache
def cases(types: Sequence[str] = ("int8",)) -> Cases:
    """Every op that is probed, on these of :data:`TYPES`; the same each time."""
    whole = Builder()
    for dtype in types:
        build, rng = replace(whole, dtype=dtype), np.random.default_rng(_SEED)
        conv_2d(build, rng)
        depthwise_conv_2d(build, rng)
        fully_connected(build, rng)
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
        transpose_conv(build, rng)
        batch_matmul(build, rng)
        resize_bilinear(build, rng)
    return Cases(whole.model(), whole.inputs, tuple(dict.fromkeys(whole.left_out)))


def _summed(build: Builder, rng: np.random.Generator, op: str, table: str) -> None:
    shape = (37, 41)
    # Else scales that are powers of two would be another kernel's, which has further demands.
    options = {"pot_scale_int16": False} if build.dtype == "int16" else {}
    for (first, second, out), beside in itertools.product(_SUMS, (False, True)):
        unit = inexact(rng) if beside else UNIT
        inputs = (
            build.codes(random_codes(rng, build.half, shape), Scale(np.float32(first * unit), 3)),
            build.codes(random_codes(rng, build.half, shape), Scale(np.float32(second * unit), -7)),
        )
        build.op(op, inputs, shape, Scale(np.float32(out * unit), -2), options, table)


def _mul(build: Builder, rng: np.random.Generator) -> None:
    """Products of a code and of one so small that the output does not saturate."""
    shape = (37, 41)
    # A multiplier of 1/2 would let the optimized kernel's 16-bit sum wrap, which is another matter.
    for m in products(rng, HALVES[1:]):
        a, b = Scale(m.first, 3), Scale(m.second, -7)
        left = random_codes(rng, build.half, shape)
        largest = (build.half + 2) * 2 * m.w / (m.p * np.maximum(np.abs(left - 3), 1))
        most = np.minimum(largest, build.half - 8)
        right = np.rint(rng.uniform(-1, 1, shape) * most) - 7
        inputs = (build.codes(left, a), build.codes(right.clip(-build.half, build.half - 1), b))
        y = Scale(m.out / np.float32(build.step), -2)
        build.op("MUL", inputs, shape, y, {}, "MulOptions")


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
            most = min((build.half + 2) * 2 * w // (p * int(np.sqrt(count))), build.half - 18)
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
        codes = every_code(rng, build.half)
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
    # Of LOGISTIC and SOFTMAX: from 0 to 1, of int16 the upper half of the codes alone.
    wide = build.dtype == "int16"
    whole, step = Scale(1 / 128) if wide else Scale(1 / 256, -128), build.step
    for level in np.arange(3, 127, 3) + 0.5:
        steps = int(rng.integers(30, 120))
        logit, artanh = np.log(256 / level - 1), np.arctanh(level / 128)
        x = Scale(np.float32(logit / steps), 3)
        codes = rng.permutation(256) * step - build.half
        build.op("LOGISTIC", (build.codes(codes, x),), codes.shape, whole)
        # Of two elements that lie as far apart, the softmax is the logistic function.
        pairs = 3 + step * np.array([(0, steps), (steps, 0), (-steps, 0)])
        if wide:
            pairs = np.concatenate([pairs, random_codes(rng, build.half, (29, 2))])
        options = {"beta": 1.0}
        inputs = (build.codes(pairs, x),)
        build.op("SOFTMAX", inputs, pairs.shape, whole, options, "SoftmaxOptions")
        x = Scale(np.float32(artanh / steps), 3)
        build.op("TANH", (build.codes(codes, x),), codes.shape, Scale(1 / 128))
    if wide:
        # A row of one is a whole 1, which int16 does not hold.
        x, codes = Scale(UNIT, 3), random_codes(rng, build.half, (29, 1))
        options = {"beta": 1.0}
        build.op("SOFTMAX", (build.codes(codes, x),), codes.shape, whole, options, "SoftmaxOptions")
        # Of these scales alone some engines compute without a table.
        for x in (Scale(2.0**-4), Scale(2.0**-3)):
            codes = every_code(rng, build.half)
            build.op("LOGISTIC", (build.codes(codes, x),), codes.shape, whole)
            build.op("TANH", (build.codes(codes, x),), codes.shape, Scale(1 / 128))
