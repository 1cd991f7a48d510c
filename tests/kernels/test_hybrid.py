"""Ops on float32 activations by integer weights, against the engine."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.kernels.common import reason_not_replayed
from tests.kernels.test_conv import ACTIVATIONS, OUTPUTS, options, output_shape
from tests.single_op import Spec, assert_exact, build, random_codes, random_scale
from tflreplay.ground.engine import Engine
from tflreplay.model import parse
from tflreplay.ops.base.hybrid import fused_multiply_add
from tflreplay.replayer.loop import replay


def random_floats(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Rows of different ranges; now and then all zero, of one sign, or on a grid full of ties."""
    kind = rng.integers(8)
    values = rng.normal(rng.choice([0.0, 0.0, 3.0, -3.0]), 1.0, shape)
    if kind == 0:
        values = np.zeros(shape)
    if kind == 1:
        values = np.abs(values)
    if kind == 2:
        values = -np.abs(values)
    if kind in (3, 4):
        values = np.round(values * 16) / 32
        values.reshape(-1)[0] = 127 / 32
    scale = np.exp(rng.normal(0, 2, (*shape[:-1], 1)))
    return (values * (scale if kind > 4 else 1.0)).astype(np.float32)


def random_weights(
    rng: np.random.Generator, dtype: str, shape: tuple[int, ...], axis: int, scales: str
) -> Spec:
    """Weights of ``one`` scale, of as many ``equal`` ones as channels, or of ``different`` ones."""
    if dtype == "int4":
        size = math.prod(shape)
        pairs = rng.integers(-7, 7, ((size + 1) // 2, 2), endpoint=True).astype(np.uint8) & 15
        data = pairs[:, 0] | pairs[:, 1] << 4
    else:
        # A code of -128 has no opposite, which some kernels forget.
        data = random_codes(rng, shape, "int8").clip(-127 if rng.random() < 0.8 else -128)
    number = 1 if scales == "one" else shape[axis]
    scale = np.repeat(random_scale(rng), number)
    if scales == "different":
        scale = np.array([random_scale(rng) for _ in range(number)], np.float32)
    return Spec(shape, dtype, scale, 0, data, axis)


def bias_spec(rng: np.random.Generator, channels: int) -> Spec:
    data = rng.normal(0, rng.choice([0.01, 1.0, 100.0]), channels).astype(np.float32)
    return Spec((channels,), "float32", data=data)


def random_fully_connected(rng: np.random.Generator, dtype: str) -> tuple[bytes, np.ndarray]:
    depth, units = (int(n) for n in rng.integers(1, 200, 2))
    keep = bool(rng.random() < 0.3)
    lead = (int(rng.integers(1, 5)), int(rng.integers(1, 30)))
    w = random_weights(rng, dtype, (units, depth), 0, str(rng.choice(["one", "different"])))
    fields = {
        "keepNumDims": keep,
        "asymmetricQuantizeInputs": bool(rng.random() < 0.5),
        "fusedActivationFunction": int(rng.choice(ACTIVATIONS)),
    }
    x = Spec((*lead, depth), "float32")
    y = Spec((*lead, units) if keep else (math.prod(lead), units), "float32")
    bias = bias_spec(rng, units) if rng.random() < 0.8 else None
    content = build("FULLY_CONNECTED", [x, w, bias], [y], fields, "FullyConnectedOptions", 9)
    return content, random_floats(rng, x.shape)


def random_conv(rng: np.random.Generator, dtype: str, groups: int = 1) -> tuple[bytes, np.ndarray]:
    point = rng.random() < 0.3
    kernel = (1, 1) if point else (int(rng.integers(1, 6)), int(rng.integers(1, 6)))
    depth, channels = int(rng.integers(1, 20)), int(rng.integers(1, 24)) * groups
    fields = options(rng)
    shape = (int(rng.integers(1, 4)), *(int(n) for n in rng.integers(14, 24, 2)), depth * groups)
    scales = "different" if groups > 1 else str(rng.choice(["one", "equal", "different"]))
    w = random_weights(rng, dtype, (channels, *kernel, depth), 0, scales)
    x = Spec(shape, "float32")
    y = Spec(output_shape(shape, kernel, channels, fields), "float32")
    inputs = [x, w, bias_spec(rng, channels)]
    content = build("CONV_2D", inputs, [y], fields, "Conv2DOptions", 5)
    return content, random_floats(rng, shape)


def random_depthwise(rng: np.random.Generator, dtype: str) -> tuple[bytes, np.ndarray]:
    kernel = (int(rng.integers(1, 6)), int(rng.integers(1, 6)))
    depth, multiplier = int(rng.integers(1, 20)), int(rng.choice([1, 1, 1, 2, 3]))
    fields = options(rng) | {"depthMultiplier": multiplier}
    shape = (int(rng.integers(1, 4)), *(int(n) for n in rng.integers(14, 24, 2)), depth)
    channels = depth * multiplier
    w = random_weights(rng, dtype, (1, *kernel, channels), 3, str(rng.choice(["different"])))
    x = Spec(shape, "float32")
    y = Spec(output_shape(shape, kernel, channels, fields), "float32")
    inputs = [x, w, bias_spec(rng, channels)]
    content = build("DEPTHWISE_CONV_2D", inputs, [y], fields, "DepthwiseConv2DOptions", 6)
    return content, random_floats(rng, shape)


@pytest.mark.parametrize(
    ("make", "weights"),
    [
        (random_fully_connected, "int8"),
        (random_fully_connected, "int4"),
        (random_conv, "int8"),
        (random_conv, "int4"),
        (random_depthwise, "int8"),
    ],
)
def test_random(engine: Engine, make: Any, weights: str) -> None:
    rng = np.random.default_rng(1)
    total = 0
    while total < OUTPUTS:
        content, x = make(rng, weights)
        total += assert_exact(content, [x], engine)


def test_grouped(engine: Engine) -> None:
    rng = np.random.default_rng(2)
    total = 0
    while total < OUTPUTS:
        content, x = random_conv(rng, "int8", groups=int(rng.integers(2, 4)))
        total += assert_exact(content, [x], engine)


def test_just_below_a_half(engine: Engine) -> None:
    """There, adding a half and cutting the fraction rounds up."""
    below = np.float32(1.5) / np.float32(127)
    x = Spec((1, 17), "float32")
    values = np.full(x.shape, below, np.float32)
    values[0, 0] = 3.0
    assert values[0, 1] * (np.float32(127) / np.float32(3)) == np.nextafter(np.float32(0.5), 0)
    w = Spec((17, 17), "int8", 0.5, 0, np.eye(17, dtype=np.int8))
    y = Spec((1, 17), "float32")
    content = build("FULLY_CONNECTED", [x, w, None], [y], {}, "FullyConnectedOptions", 9)
    assert_exact(content, [values], engine)


def test_not_replayed() -> None:
    rng = np.random.default_rng(3)
    x = Spec((2, 64), "float32")
    y = Spec((2, 8), "float32")
    low = Spec((8, 64), "int4", 0.1, 0, np.full(256, 0x88, np.uint8))
    content = build("FULLY_CONNECTED", [x, low, None], [y], {}, "FullyConnectedOptions", 9)
    parsed = parse(content, Path("single_op.tflite"))
    inputs = random_floats(rng, x.shape)
    result = replay(parsed, {parsed.main.inputs[0]: inputs}, Engine("optimized"))
    assert result.not_replayed[0].endswith("int4 weights of -8: its kernel packs them wrongly")

    images = Spec((1, 4, 4, 4), "float32")
    w = random_weights(rng, "int8", (2, 1, 1, 2), 0, "one")
    y = Spec((1, 4, 4, 2), "float32")
    inputs = [images, w, bias_spec(rng, 2)]
    fields = {"strideH": 1, "strideW": 1}
    content = build("CONV_2D", inputs, [y], fields, "Conv2DOptions", 5)
    reason = reason_not_replayed(content, [random_floats(rng, images.shape)])
    assert reason == "CONV_2D by 2 filters that share a scale"


def test_version_that_reads_the_scales_wrongly() -> None:
    rng = np.random.default_rng(3)
    x, y = (Spec((1, 4, 4, 2), "float32") for _ in "xy")
    w = random_weights(rng, "int8", (2, 3, 3, 2), 0, "equal")
    fields = {"strideH": 1, "strideW": 1}
    content = build("CONV_2D", [x, w, bias_spec(rng, 2)], [y], fields, "Conv2DOptions", 5)
    parsed = parse(content, Path("single_op.tflite"))
    feeds = {parsed.main.inputs[0]: random_floats(rng, x.shape)}
    for name in ("reference", "optimized", "xnnpack"):
        result = replay(parsed, feeds, Engine(name, "tensorflow", "2.17.1"))
        assert result.not_replayed[0].endswith("is not modelled for tensorflow 2.17.1")


def test_fused_multiply_add_rounds_once() -> None:
    rng = np.random.default_rng(4)
    a, b = (rng.normal(0, 1, 4000).astype(np.float32) for _ in "ab")
    # Addends next to the product, next to a tie of it, and far away from it.
    far = a.astype(np.float64) * b * rng.choice([-1, -0.5, 1e-8, 1e8], a.size)
    c = np.nextafter(far.astype(np.float32), np.float32(np.inf))
    exact = [
        float(np.float32(0)) if value == 0 else _nearest(value)
        for value in (
            Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z))
            for x, y, z in zip(a, b, c, strict=True)
        )
    ]
    assert fused_multiply_add(a, b, c).tolist() == exact


def _nearest(value: Fraction) -> float:
    """The float32 nearest to an exact value, half to even."""
    exponent = math.frexp(float(value))[1] - 24
    scaled = value / Fraction(2) ** exponent
    return float(np.float32(math.ldexp(round(scaled), exponent)))
