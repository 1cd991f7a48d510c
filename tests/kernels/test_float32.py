"""Ops with weights on float32 against the engine: equal but for the order of summation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from ai_edge_litert.schema_py_generated import ActivationFunctionType, Padding

from tests.kernels.common import assert_agrees, reason_not_replayed
from tests.kernels.test_batch_matmul import random_shapes
from tests.kernels.test_conv import ACTIVATIONS, OUTPUTS, options, output_shape
from tests.kernels.test_transpose_conv import output_size
from tests.single_op import Spec, build
from tflreplay.ground.engine import Engine

Model = tuple[bytes, list[np.ndarray]]


def floats(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.normal(rng.choice([0.0, 1.0]), 1.0, shape).astype(np.float32)


def weights(rng: np.random.Generator, shape: tuple[int, ...]) -> Spec:
    return Spec(shape, "float32", data=floats(rng, shape))


def random_conv(rng: np.random.Generator) -> Model:
    kernel = (int(rng.integers(1, 6)), int(rng.integers(1, 6)))
    groups, depth = int(rng.choice([1, 1, 2])), int(rng.integers(1, 20))
    channels = int(rng.integers(1, 24)) * groups
    fields = options(rng)
    shape = (int(rng.integers(1, 3)), *(int(n) for n in rng.integers(14, 24, 2)), depth * groups)
    y = Spec(output_shape(shape, kernel, channels, fields), "float32")
    inputs = [Spec(shape, "float32"), weights(rng, (channels, *kernel, depth))]
    inputs.append(weights(rng, (channels,)))
    return build("CONV_2D", inputs, [y], fields, "Conv2DOptions", 1), [floats(rng, shape)]


def random_depthwise(rng: np.random.Generator) -> Model:
    kernel = (int(rng.integers(1, 6)), int(rng.integers(1, 6)))
    depth, multiplier = int(rng.integers(1, 20)), int(rng.choice([1, 1, 1, 2, 3]))
    fields = options(rng) | {"depthMultiplier": multiplier}
    shape = (int(rng.integers(1, 3)), *(int(n) for n in rng.integers(14, 24, 2)), depth)
    channels = depth * multiplier
    y = Spec(output_shape(shape, kernel, channels, fields), "float32")
    inputs = [Spec(shape, "float32"), weights(rng, (1, *kernel, channels))]
    inputs.append(weights(rng, (channels,)))
    content = build("DEPTHWISE_CONV_2D", inputs, [y], fields, "DepthwiseConv2DOptions", 2)
    return content, [floats(rng, shape)]


def random_fully_connected(rng: np.random.Generator) -> Model:
    depth, units = (int(n) for n in rng.integers(1, 200, 2))
    keep = bool(rng.random() < 0.3)
    lead = (int(rng.integers(1, 5)), int(rng.integers(1, 30)))
    y = Spec((*lead, units) if keep else (math.prod(lead), units), "float32")
    fields = {"keepNumDims": keep, "fusedActivationFunction": int(rng.choice(ACTIVATIONS))}
    bias = weights(rng, (units,)) if rng.random() < 0.8 else None
    inputs = [Spec((*lead, depth), "float32"), weights(rng, (units, depth)), bias]
    content = build("FULLY_CONNECTED", inputs, [y], fields, "FullyConnectedOptions", 6)
    return content, [floats(rng, (*lead, depth))]


def random_transpose_conv(rng: np.random.Generator) -> Model:
    padding = int(rng.choice([Padding.SAME, Padding.VALID]))
    kernel, stride, size = (tuple(int(n) for n in rng.integers(1, top, 2)) for top in (6, 4, 10))
    sides = [output_size(rng, *sizes, padding) for sizes in zip(size, kernel, stride, strict=True)]
    batch, depth, channels = (int(rng.integers(1, top)) for top in (3, 16, 24))
    shape = (batch, *sides, channels)
    fields = {
        "padding": padding,
        "strideH": stride[0],
        "strideW": stride[1],
        "fusedActivationFunction": int(rng.choice(ACTIVATIONS)),
    }
    inputs = [
        Spec((4,), "int32", data=np.array(shape, np.int32)),
        weights(rng, (channels, *kernel, depth)),
        Spec((batch, *size, depth), "float32"),
        *([weights(rng, (channels,))] if rng.random() < 0.7 else []),
    ]
    y = Spec(shape, "float32")
    content = build("TRANSPOSE_CONV", inputs, [y], fields, "TransposeConvOptions", 3)
    return content, [floats(rng, (batch, *size, depth))]


def random_batch_matmul(rng: np.random.Generator) -> Model:
    left, right, batches = random_shapes(rng)
    rows, columns, depth = (int(rng.integers(1, top)) for top in (24, 24, 60))
    fields = {name: bool(rng.random() < 0.5) for name in ("adjX", "adjY")}
    a = (*left, depth, rows) if fields["adjX"] else (*left, rows, depth)
    b = (*right, columns, depth) if fields["adjY"] else (*right, depth, columns)
    inputs = [Spec(a, "float32"), Spec(b, "float32")]
    y = Spec((*batches, rows, columns), "float32")
    content = build("BATCH_MATMUL", inputs, [y], fields, "BatchMatMulOptions", 1)
    return content, [floats(rng, a), floats(rng, b)]


@pytest.mark.parametrize(
    "make",
    [
        random_conv,
        random_depthwise,
        random_fully_connected,
        random_transpose_conv,
        random_batch_matmul,
    ],
)
def test_within_tolerance(engine: Engine, make: Callable[[np.random.Generator], Model]) -> None:
    rng = np.random.default_rng(1)
    total = 0
    while total < OUTPUTS:
        content, inputs = make(rng)
        total += assert_agrees(content, inputs, engine)


def test_not_replayed() -> None:
    rng = np.random.default_rng(1)
    x, w = (Spec(shape, "float32") for shape in ((2, 3), (4, 3)))
    y = Spec((2, 4), "float32")
    inputs = [floats(rng, (2, 3)), floats(rng, (4, 3))]
    fields = {"fusedActivationFunction": int(ActivationFunctionType.TANH)}
    content = build("FULLY_CONNECTED", [x, w, None], [y], fields, "FullyConnectedOptions")
    reason = reason_not_replayed(content, inputs)
    assert reason == "FULLY_CONNECTED on float32 with a fused TANH"
    narrow = replace(w, dtype="float16")
    content = build("FULLY_CONNECTED", [x, narrow, None], [y], {}, "FullyConnectedOptions")
    reason = reason_not_replayed(content, [inputs[0], inputs[1].astype(np.float16)])
    assert reason == "FULLY_CONNECTED of float32 by float16"
