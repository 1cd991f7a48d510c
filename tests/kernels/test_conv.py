"""CONV_2D and DEPTHWISE_CONV_2D against the engine, on random and extreme single-op models."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.schema_py_generated import ActivationFunctionType, Padding, TensorType

from tests.kernels.common import reason_not_replayed
from tests.single_op import Spec, assert_exact, build, random_codes, random_scale
from tflreplay.ground.engine import Engine

OUTPUTS = 100_000
ACTIVATIONS = (
    ActivationFunctionType.NONE,
    ActivationFunctionType.RELU,
    ActivationFunctionType.RELU6,
    ActivationFunctionType.RELU_N1_TO_1,
)


# The activations, and the weights for them.
TYPES = (("int8", "int8"), ("int8", "int4"), ("uint8", "uint8"), ("int16", "int8"))
FOUR_BITS = ("int16", "int4")


def zero_point(rng: np.random.Generator, dtype: str) -> int:
    """Any code; only 0 for int16, whose quantization is symmetric."""
    return 0 if dtype == "int16" else int(random_codes(rng, (), dtype))


def filter_spec(
    rng: np.random.Generator, dtype: str, shape: tuple[int, ...], axis: int, per_channel: bool
) -> Spec:
    """Random weights; uint8 ones are per tensor, with a zero point; int4 ones, two to a byte."""
    size = math.prod(shape)
    data = random_codes(
        rng, ((size + 1) // 2,) if dtype == "int4" else shape, dtype.replace("4", "8")
    )
    if dtype == "uint8":
        return Spec(shape, dtype, random_scale(rng), zero_point(rng, dtype), data)
    size = shape[axis] if per_channel else 1
    scale = np.array([random_scale(rng) for _ in range(size)])
    return Spec(shape, dtype, scale, 0, data, axis)


def output_scale(rng: np.random.Generator, x: Spec, w: Spec, depth: int) -> np.float32:
    """A scale that spreads the sums over about the output's range, now and then much less or more.

    Both extremes matter: tiny multipliers give ties of the first rounding, multipliers above 1 take
    the left shift and saturate.
    """
    typical = float(x.scale) * float(np.median(w.scale)) * np.sqrt(depth) * 60
    typical *= 2.0**-4 if w.dtype == "int4" else 1.0
    factor = rng.choice([1.0, 1.0, 1.0, 2.0**-14, 2.0**10])
    scale = typical * factor
    return np.float32(2.0 ** np.round(np.log2(scale)) if rng.random() < 0.5 else scale)


def bias_spec(
    rng: np.random.Generator, x: Spec, w: Spec, channels: int, dtype: str = "int32"
) -> Spec:
    limit = rng.choice([1, 1000, 100_000, 2**31 - 1])
    data = rng.integers(-limit, limit, channels, endpoint=True).astype(dtype)
    scale = np.float32(x.scale) * np.atleast_1d(w.scale)
    return Spec((channels,), dtype, scale, 0, data)


def random_bias_type(rng: np.random.Generator, dtype: str) -> tuple[str, dict[str, Any]]:
    """A bias for activations of a type, and the option that declares it."""
    if dtype != "int16":
        return "int32", {}
    kinds = {"int32": TensorType.INT32, "int64": TensorType.INT64}
    name = str(rng.choice(["int32", "int64"]))
    declared = name == "int32" or rng.random() < 0.5
    return name, {"quantizedBiasType": kinds[name]} if declared else {}


def options(rng: np.random.Generator) -> dict[str, Any]:
    dilated = rng.random() < 0.3
    return {
        "padding": int(rng.choice([Padding.SAME, Padding.VALID])),
        "strideH": 1 if dilated else int(rng.integers(1, 4)),
        "strideW": 1 if dilated else int(rng.integers(1, 4)),
        "dilationHFactor": int(rng.integers(1, 4)) if dilated else 1,
        "dilationWFactor": int(rng.integers(1, 4)) if dilated else 1,
        "fusedActivationFunction": int(rng.choice(ACTIVATIONS)),
    }


def output_size(size: int, kernel: int, stride: int, dilation: int, padding: int) -> int:
    effective = (kernel - 1) * dilation + 1
    return -(-size // stride) if padding == Padding.SAME else (size - effective) // stride + 1


def output_shape(
    shape: tuple[int, ...], kernel: tuple[int, int], channels: int, fields: dict[str, Any]
) -> tuple[int, int, int, int]:
    height = output_size(
        shape[1], kernel[0], fields["strideH"], fields["dilationHFactor"], fields["padding"]
    )
    width = output_size(
        shape[2], kernel[1], fields["strideW"], fields["dilationWFactor"], fields["padding"]
    )
    return shape[0], height, width, channels


def random_conv(
    rng: np.random.Generator, dtype: str, weights: str = "int8", groups: int = 1
) -> tuple[bytes, np.ndarray]:
    """A CONV_2D model and its input."""
    kernel = (int(rng.integers(1, 6)), int(rng.integers(1, 6)))
    depth, channels = int(rng.integers(1, 20)), int(rng.integers(1, 24)) * groups
    fields = options(rng)
    shape = (int(rng.integers(1, 3)), *(int(n) for n in rng.integers(14, 24, 2)), depth * groups)
    x = Spec(shape, dtype, random_scale(rng), zero_point(rng, dtype))
    w = filter_spec(rng, weights, (channels, *kernel, depth), 0, rng.random() < 0.7)
    bias, declaration = random_bias_type(rng, dtype)
    b = bias_spec(rng, x, w, channels, bias)
    y = Spec(
        output_shape(shape, kernel, channels, fields),
        dtype,
        output_scale(rng, x, w, depth * kernel[0] * kernel[1]),
        zero_point(rng, dtype),
    )
    fields |= declaration
    content = build("CONV_2D", [x, w, b], [y], fields, "Conv2DOptions", version=5)
    return content, random_codes(rng, shape, dtype)


def random_depthwise(
    rng: np.random.Generator, dtype: str, weights: str = "int8"
) -> tuple[bytes, np.ndarray]:
    """A DEPTHWISE_CONV_2D model and its input."""
    kernel = (int(rng.integers(1, 6)), int(rng.integers(1, 6)))
    depth, multiplier = int(rng.integers(1, 20)), int(rng.choice([1, 1, 1, 2, 3]))
    fields = options(rng) | {"depthMultiplier": multiplier}
    shape = (int(rng.integers(1, 3)), *(int(n) for n in rng.integers(14, 24, 2)), depth)
    channels = depth * multiplier
    x = Spec(shape, dtype, random_scale(rng), zero_point(rng, dtype))
    w = filter_spec(rng, weights, (1, *kernel, channels), 3, rng.random() < 0.7)
    b = bias_spec(rng, x, w, channels, "int64" if dtype == "int16" else "int32")
    y = Spec(
        output_shape(shape, kernel, channels, fields),
        dtype,
        output_scale(rng, x, w, kernel[0] * kernel[1]),
        zero_point(rng, dtype),
    )
    content = build("DEPTHWISE_CONV_2D", [x, w, b], [y], fields, "DepthwiseConv2DOptions", 6)
    return content, random_codes(rng, shape, dtype)


@pytest.mark.parametrize(
    ("make", "dtype", "weights"),
    [(make, *types) for make in (random_conv, random_depthwise) for types in TYPES]
    + [(random_conv, *FOUR_BITS)],
)
def test_random(engine: Engine, make: Any, dtype: str, weights: str) -> None:
    rng = np.random.default_rng(1)
    total = 0
    while total < OUTPUTS:
        content, x = make(rng, dtype, weights)
        total += assert_exact(content, [x], engine)


@pytest.mark.parametrize(("dtype", "weights"), TYPES)
def test_grouped(engine: Engine, dtype: str, weights: str) -> None:
    rng = np.random.default_rng(2)
    total = 0
    while total < OUTPUTS // 2:
        content, x = random_conv(rng, dtype, weights, groups=int(rng.integers(2, 5)))
        total += assert_exact(content, [x], engine)


@pytest.mark.parametrize("depth", [500, 520, 3000])
@pytest.mark.parametrize("code", [-128, 127])
def test_sums_around_the_float32_bound(engine: Engine, depth: int, code: int) -> None:
    """Every product at its largest: 2**24 lies between the first two depths."""
    w = Spec((1, 1, 1, depth), "int8", [0.5], 0, np.full((1, 1, 1, depth), code, np.int8))
    x = Spec((1, 2, 2, depth), "int8", 0.5, 127)
    b = Spec((1,), "int32", [0.25], 0, np.array([1], np.int32))
    y = Spec((1, 2, 2, 1), "int8", 2.0**17, 0)
    content = build("CONV_2D", [x, w, b], [y], {"strideH": 1, "strideW": 1}, "Conv2DOptions", 5)
    for fill in (-128, 127, 126):
        assert_exact(content, [np.full(x.shape, fill, np.int8)], engine)


def test_accumulator_wraps_like_int32(engine: Engine) -> None:
    w = Spec((2, 1, 1, 64), "int8", [0.5], 0, np.full((2, 1, 1, 64), 127, np.int8))
    x = Spec((1, 3, 3, 64), "int8", 0.5, -128)
    b = Spec((2,), "int32", [0.25], 0, np.array([2**31 - 5, -(2**31)], np.int32))
    y = Spec((1, 3, 3, 2), "int8", 2.0**23, 3)
    content = build("CONV_2D", [x, w, b], [y], {"strideH": 1, "strideW": 1}, "Conv2DOptions", 5)
    assert_exact(content, [random_codes(np.random.default_rng(3), x.shape, "int8")], engine)


def int16_conv(bias: Spec, scale: float = 1.0) -> tuple[bytes, np.ndarray]:
    x = Spec((1, 2, 2, 8), "int16", 1.0)
    w = Spec((2, 1, 1, 8), "int8", 1.0, 0, np.full((2, 1, 1, 8), 127, np.int8))
    y = Spec((1, 2, 2, 2), "int16", scale)
    fields = {"strideH": 1, "strideW": 1}
    content = build("CONV_2D", [x, w, bias], [y], fields, "Conv2DOptions", 5)
    return content, random_codes(np.random.default_rng(1), x.shape, "int16")


def test_int64_accumulator_does_not_wrap(engine: Engine) -> None:
    b = Spec((2,), "int64", 1.0, 0, np.array([2**40, -(2**40) + 1], np.int64))
    content, x = int16_conv(b, 2.0**28)
    assert_exact(content, [x], engine)


@pytest.mark.parametrize(
    ("bias", "scale", "reason"),
    [
        (Spec((2,), "int32", 1.0, 0, np.ones(2, np.int32)), 1.0, "reads the bias as int64"),
        (Spec((2,), "int64", 1.0, 0, np.full(2, 2**60)), 1.0, "may pass 2**53"),
        (Spec((2,), "int64", 1.0, 0, np.ones(2, np.int64)), 2.0**-14, "2**14 or more"),
    ],
)
def test_int16_not_replayed(bias: Spec, scale: float, reason: str) -> None:
    content, x = int16_conv(bias, scale)
    assert reason in reason_not_replayed(content, [x])


def test_depthwise_int16_by_int4_is_not_replayed() -> None:
    rng = np.random.default_rng(1)
    shape = (1, 3, 3, 4)
    x, y = (Spec(shape, "int16", 1.0) for _ in "xy")
    w = Spec((1, 1, 1, 4), "int4", 1.0, 0, np.array([0x21, 0x43], np.uint8))
    b = Spec((4,), "int64", 1.0, 0, np.ones(4, np.int64))
    fields = {"strideH": 1, "strideW": 1, "depthMultiplier": 1}
    content = build("DEPTHWISE_CONV_2D", [x, w, b], [y], fields, "DepthwiseConv2DOptions", 6)
    reason = reason_not_replayed(content, [random_codes(rng, shape, "int16")])
    assert reason.endswith("the runtime reads the weights as int8")
