"""Mistakes in ops without weights, planted in formulas written apart from the kernels."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.diagnosis.models import Layer, built
from tests.single_op import Op, Spec

Array = np.ndarray[Any, Any]
SHAPE = (1, 6, 8, 6)
IN, OUT = (0.05, 9), (0.03, -20)


def spec(shape: tuple[int, ...], quantization: tuple[float, int]) -> Spec:
    return Spec(shape, "int8", *quantization)


def ints(*values: Any) -> Spec:
    data = np.array(values, np.int32)
    return Spec(data.shape, "int32", data=data)


X = spec(SHAPE, IN)
ALPHA = np.array([-90, 20, 77, -3, 50, 110], np.int8)
POOL = {"padding": 0, "strideW": 2, "strideH": 2, "filterWidth": 3, "filterHeight": 3}
SAME_SCALE = spec((1, 3, 4, 6), IN)
TWICE = ints(9, 13)
OPS = {
    "AVERAGE_POOL_2D": Op("AVERAGE_POOL_2D", [X], [SAME_SCALE], POOL, "Pool2DOptions", version=2),
    "MAX_POOL_2D": Op("MAX_POOL_2D", [X], [SAME_SCALE], POOL, "Pool2DOptions", version=2),
    "PRELU": Op("PRELU", [X, Spec((6,), "int8", 0.01, 4, ALPHA)], [spec(SHAPE, OUT)]),
    "LEAKY_RELU": Op(
        "LEAKY_RELU", [X], [spec(SHAPE, OUT)], {"alpha": 0.3}, "LeakyReluOptions", version=2
    ),
    "RELU": Op("RELU", [X], [spec(SHAPE, OUT)], version=2),
    "HARD_SWISH": Op("HARD_SWISH", [X], [spec(SHAPE, OUT)]),
    "LOGISTIC": Op("LOGISTIC", [X], [spec(SHAPE, (1 / 256, -128))], version=2),
    "TANH": Op("TANH", [X], [spec(SHAPE, (1 / 128, 0))], version=2),
    "SOFTMAX": Op(
        "SOFTMAX", [X], [spec(SHAPE, (1 / 256, -128))], {"beta": 0.7}, "SoftmaxOptions", version=2
    ),
    "QUANTIZE": Op("QUANTIZE", [X], [spec(SHAPE, OUT)], version=2),
    "RESIZE_BILINEAR": Op(
        "RESIZE_BILINEAR",
        [X, TWICE],
        [spec((1, 9, 13, 6), IN)],
        {"alignCorners": False, "halfPixelCenters": True},
        "ResizeBilinearOptions",
        version=3,
    ),
    "RESIZE_NEAREST_NEIGHBOR": Op(
        "RESIZE_NEAREST_NEIGHBOR",
        [X, TWICE],
        [spec((1, 9, 13, 6), IN)],
        {"alignCorners": False, "halfPixelCenters": False},
        "ResizeNearestNeighborOptions",
        version=3,
    ),
    "MEAN": Op(
        "MEAN",
        [X, ints(1, 2)],
        [spec((1, 6), (0.004, -20))],
        {"keepDims": False},
        "ReducerOptions",
        version=2,
    ),
    "SUM": Op(
        "SUM",
        [X, ints(1)],
        [spec((1, 8, 6), (0.12, -20))],
        {"keepDims": False},
        "ReducerOptions",
        version=2,
    ),
    "ADD": Op(
        "ADD", [X, spec(SHAPE, (0.07, -11))], [spec(SHAPE, (0.1, -20))], {}, "AddOptions", version=2
    ),
    "SUB": Op(
        "SUB", [X, spec(SHAPE, (0.07, -11))], [spec(SHAPE, (0.1, -20))], {}, "SubOptions", version=2
    ),
    "MUL": Op(
        "MUL", [X, spec(SHAPE, (0.07, -11))], [spec(SHAPE, (0.2, -20))], {}, "MulOptions", version=2
    ),
    "CONCATENATION": Op(
        "CONCATENATION",
        [X, spec(SHAPE, IN)],
        [spec((1, 6, 8, 12), IN)],
        {"axis": 3},
        "ConcatenationOptions",
        version=2,
    ),
    "PAD": Op(
        "PAD", [X, ints([0, 0], [1, 2], [2, 0], [0, 0])], [spec((1, 9, 10, 6), IN)], version=2
    ),
    "TRANSPOSE": Op("TRANSPOSE", [X, ints(0, 3, 1, 2)], [spec((1, 6, 6, 8), IN)], version=2),
    "BATCH_MATMUL": Op(
        "BATCH_MATMUL",
        [spec((2, 6, 6), IN), spec((2, 6, 6), (0.07, -11))],
        [spec((2, 6, 6), (0.3, -20))],
        {"adjX": False, "adjY": False},
        "BatchMatMulOptions",
        version=2,
    ),
}


def real(x: Array, quantization: tuple[float, int] = IN) -> Array:
    return (x.astype(np.float64) - quantization[1]) * np.float64(np.float32(quantization[0]))


def codes(y: Array, quantization: tuple[float, int] = OUT, rounded: Any = np.rint) -> Array:
    steps = rounded(y / np.float64(np.float32(quantization[0])))
    return (steps + quantization[1]).clip(-128, 127).astype(np.int8)


def windows(x: Array, fill: int) -> Array:
    """3 x 3 at stride 2; 0 row before and 1 after of 6, 0 column before and 1 after of 8."""
    x = np.pad(x.astype(np.int64), ((0, 0), (0, 1), (0, 1), (0, 0)), constant_values=fill)
    rows = np.stack([x[:, i : i + 5 : 2] for i in range(3)], -1)
    return np.concatenate([rows[:, :, j : j + 7 : 2] for j in range(3)], -1)


def prelu(x: Array, alpha: Array, negative: Array | None = None, above: Any = None) -> Array:
    r = real(x)
    negative = r < 0 if negative is None else negative
    up = codes(r) if above is None else above
    return np.where(negative, codes(r * alpha), up)


SLOPES = (ALPHA - 4.0) * np.float64(np.float32(0.01))
WAVE = float(np.float32(0.3))
UNIT, SIGNED = (1 / 256, -128), (1 / 128, 0)


def softmax(x: Array, axis: Any = -1, beta: float = 0.7, base: float = math.e) -> Array:
    e = base ** (beta * real(x))
    return np.asarray(e / e.sum(axis=axis, keepdims=True))


def nearest(x: Array, position: Callable[[Array, int, int], Array]) -> Array:
    rows, columns = (
        np.floor(position(np.arange(out), size, out)).astype(int).clip(0, size - 1)
        for size, out in ((6, 9), (8, 13))
    )
    return x[:, rows[:, None], columns]


def bilinear(x: Array, half: bool) -> Array:
    """With weights of 10 bits, as the integer kernel has them."""
    found = x.astype(np.float64)
    for axis, out in ((1, 9), (2, 13)):
        size = x.shape[axis]
        scale = (1024 * size + out // 2) // out
        position = np.arange(out) * scale + (scale // 2 - 512 if half else 0)
        position = position.clip(0) / 1024
        lower = np.floor(position).astype(int)
        weight = (position - lower).reshape([-1 if i == axis else 1 for i in range(4)])
        above = found.take((lower + 1).clip(0, size - 1), axis)
        found = found.take(lower.clip(0, size - 1), axis) * (1 - weight) + above * weight
    return found


def half_away(x: Array) -> Array:
    return np.sign(x) * np.floor(np.abs(x) + 0.5)


def joined(*parts: Array) -> Array:
    return np.concatenate(parts, 3)


B, Y = (0.07, -11), (0.1, -20)
# By op: what a verdict must name, and what gives the output.
PLANTED: dict[str, dict[str, Callable[..., Array]]] = {
    "AVERAGE_POOL_2D": {
        "mean cut toward zero": lambda x: np.trunc(
            windows(x, 0).sum(-1) / windows(np.ones_like(x), 0).sum(-1)
        ),
        "padding counted in the mean, as the code 0": lambda x: (
            np.sign(windows(x, 0).sum(-1)) * np.floor(np.abs(windows(x, 0).sum(-1)) / 9 + 0.5)
        ),
        "maximum instead of the mean": lambda x: windows(x, -128).max(-1),
        "output with channels reversed": lambda x: (
            np.floor(np.abs(windows(x, 0).sum(-1)) / windows(np.ones_like(x), 0).sum(-1) + 0.5)[
                ..., ::-1
            ]
            * np.sign(windows(x, 0).sum(-1))[..., ::-1]
        ),
    },
    "MAX_POOL_2D": {
        "padding read as the code 0": lambda x: windows(x, 0).max(-1),
        "minimum instead of the maximum": lambda x: windows(x, 127).min(-1),
        "output with columns reversed": lambda x: windows(x, -128).max(-1)[:, :, ::-1],
    },
    "PRELU": {
        "positive branch copied without rescaling": lambda x, a: prelu(x, SLOPES, above=x),
        "zero point of alpha left out": lambda x, a: prelu(
            x, ALPHA * np.float32(0.01).astype(float)
        ),
        "branch taken by the sign of the code": lambda x, a: prelu(x, SLOPES, x < 0),
        "alpha left out": lambda x, a: codes(real(x)),
    },
    "LEAKY_RELU": {
        "positive branch copied without rescaling": lambda x: prelu(x, WAVE, above=x),
        "branch taken by the sign of the code": lambda x: prelu(x, WAVE, x < 0),
        "alpha applied to all inputs": lambda x: codes(real(x) * WAVE),
    },
    "RELU": {
        "codes cut at 0": lambda x: np.maximum(x, 0),
        "zero point of the input left out": lambda x: np.maximum(
            codes(real(x, (IN[0], 0))), OUT[1]
        ),
        "arithmetic shift instead of a rounding shift": lambda x: np.maximum(
            codes(real(x), rounded=np.floor), OUT[1]
        ),
    },
    "HARD_SWISH": {
        "swish instead of hard swish": lambda x: codes(real(x) / (1 + np.exp(-real(x)))),
        "division by 8 instead of 6": lambda x: codes(real(x) * (real(x) + 3).clip(0, 6) / 8),
        "factor x left out": lambda x: codes((real(x) + 3).clip(0, 6) / 6),
    },
    "LOGISTIC": {
        "product rounded down": lambda x: codes(1 / (1 + np.exp(-real(x))), UNIT, np.floor),
        "hard sigmoid": lambda x: codes((real(x) + 3).clip(0, 6) / 6, UNIT),
        "zero point of the input left out": lambda x: codes(
            1 / (1 + np.exp(-real(x, (IN[0], 0)))), UNIT
        ),
        "tanh instead of the sigmoid": lambda x: codes(np.tanh(real(x)), UNIT),
    },
    "TANH": {
        "product not rounded": lambda x: codes(np.tanh(real(x)), SIGNED, np.trunc),
        "sigmoid instead of tanh": lambda x: codes(1 / (1 + np.exp(-real(x))), SIGNED),
        "argument halved": lambda x: codes(np.tanh(real(x) / 2), SIGNED),
    },
    "SOFTMAX": {
        "beta left out": lambda x: codes(softmax(x, beta=1), UNIT),
        "base 2": lambda x: codes(softmax(x, base=2), UNIT),
        "product rounded down": lambda x: codes(softmax(x), UNIT, np.floor),
    },
    "QUANTIZE": {
        "product not rounded": lambda x: codes(real(x), rounded=np.trunc),
        "zero point of the input left out": lambda x: codes(real(x, (IN[0], 0))),
        "scale of the input left out": lambda x: codes(real(x, (1.0, IN[1]))),
    },
    "RESIZE_NEAREST_NEIGHBOR": {
        "half_pixel_centers": lambda x, _: nearest(x, lambda i, n, m: (i + 0.5) * n / m),
        "input with rows reversed": lambda x, _: nearest(x[:, ::-1], lambda i, n, m: i * n / m),
        "output with channels reversed": lambda x, _: nearest(x, lambda i, n, m: i * n / m)[
            ..., ::-1
        ],
    },
    "RESIZE_BILINEAR": {
        "interpolated value rounded down": lambda x, _: np.floor(bilinear(x, True)),
        "pixels placed asymmetric": lambda x, _: half_away(bilinear(x, False)),
        "nearest neighbour instead of bilinear": lambda x, _: nearest(
            x, lambda i, n, m: (i + 0.5) * n / m
        ),
    },
    "MEAN": {
        "mean rounded before rescaling": lambda x, _: codes(
            real(np.sign(x.sum((1, 2))) * np.floor(np.abs(x.sum((1, 2))) / 48 + 0.5)), (0.004, -20)
        ),
        "zero point of the input left out": lambda x, _: codes(
            real(x, (IN[0], 0)).mean((1, 2)), (0.004, -20)
        ),
        "product not rounded": lambda x, _: codes(real(x).mean((1, 2)), (0.004, -20), np.trunc),
    },
    "SUM": {
        "mean instead of the sum": lambda x, _: codes(real(x).mean(1), (0.12, -20)),
        "zero point of the input left out": lambda x, _: codes(
            real(x, (IN[0], 0)).sum(1), (0.12, -20)
        ),
        "zero point subtracted once": lambda x, _: codes(real(x.astype(int).sum(1)), (0.12, -20)),
    },
    "ADD": {
        "each input rescaled alone": lambda a, b: (
            np.rint(real(a) / Y[0]) + np.rint(real(b, B) / Y[0]) + Y[1]
        ).clip(-128, 127),
        "raw codes added": lambda a, b: (a.astype(int) + b).clip(-128, 127),
        "first input's scale for both": lambda a, b: codes(real(a) + real(b, (IN[0], B[1])), Y),
    },
    "SUB": {
        "each input rescaled alone": lambda a, b: (
            np.rint(real(a) / Y[0]) - np.rint(real(b, B) / Y[0]) + Y[1]
        ).clip(-128, 127),
        "addition instead of subtraction": lambda a, b: codes(real(a) + real(b, B), Y),
        "scales of both inputs exchanged": lambda a, b: codes(
            real(a, (B[0], IN[1])) - real(b, (IN[0], B[1])), Y
        ),
    },
    "MUL": {
        "zero point of the second input left out": lambda a, b: codes(
            real(a) * real(b, (B[0], 0)), (0.2, -20)
        ),
        "second input with channels reversed": lambda a, b: codes(
            real(a) * real(b[..., ::-1], B), (0.2, -20)
        ),
        "scale of the first input left out": lambda a, b: codes(
            real(a, (1, IN[1])) * real(b, B), (0.2, -20)
        ),
    },
    "CONCATENATION": {
        "inputs in reverse": lambda a, b: joined(b, a),
        "output with channels interleaved by 2": lambda a, b: np.stack([a, b], -1).reshape(
            1, 6, 8, 12
        ),
        "first input with rows reversed": lambda a, b: joined(a[:, ::-1], b),
    },
    "PAD": {
        "padding with the code 0": lambda x, p: np.pad(x, p.tolist()),
        "padding with the edge": lambda x, p: np.pad(x, p.tolist(), "edge"),
        "padding before and after exchanged": lambda x, p: np.pad(
            x, p[:, ::-1].tolist(), constant_values=IN[1]
        ),
    },
    "TRANSPOSE": {
        "elements left where they were": lambda x, p: x.reshape(1, 6, 6, 8),
        "output with rows reversed": lambda x, p: x.transpose(0, 3, 1, 2)[:, ::-1],
        "input with channels reversed": lambda x, p: x[..., ::-1].transpose(0, 3, 1, 2),
    },
    "BATCH_MATMUL": {
        "second matrix transposed": lambda a, b: codes(
            real(a) @ real(b, B).swapaxes(1, 2), (0.3, -20)
        ),
        "zero point of the input left out": lambda a, b: codes(
            real(a, (IN[0], 0)) @ real(b, B), (0.3, -20)
        ),
        "scale of the second input": lambda a, b: codes(
            real(a, (B[0], IN[1])) @ real(b, B), (0.3, -20)
        ),
    },
}


def layer(op: str) -> Layer:
    (found,) = built(op, [OPS[op]])
    return found


CASES = [(op, name) for op, by_name in PLANTED.items() for name in by_name]


@pytest.mark.parametrize(("op", "name"), CASES)
def test_a_mistake_is_named(op: str, name: str) -> None:
    chosen = layer(op)
    given = [
        chosen.tensors[index] if index in chosen.tensors else chosen.model.main.tensors[index].data
        for index in chosen.op.inputs
    ]
    produced = np.ascontiguousarray(PLANTED[op][name](*given)).astype(np.int8)
    verdict = chosen.verdict(produced)
    assert any(name in said.named for fit in verdict.fits for said in fit.mistakes), verdict.text


def test_each_op_has_three() -> None:
    assert all(len(by_name) >= 3 for by_name in PLANTED.values())
