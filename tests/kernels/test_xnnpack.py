"""What only XNNPACK does: activation bounds, overflow, 4-bit weights, older versions.

The other kernel tests run on this engine too. In each comparison here the optimized arithmetic,
which an op falls back to, must fail.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.schema_py_generated import ActivationFunctionType, Padding

from tests.kernels.test_conv import ACTIVATIONS, OUTPUTS, bias_spec, output_scale, zero_point
from tests.kernels.test_elementwise import OPTIONS
from tests.single_op import Spec, assert_exact, build, random_codes, random_scale, run_replay
from tflreplay.ground.engine import Engine
from tflreplay.model import parse
from tflreplay.ops import logistic_tanh, row_of
from tflreplay.ops.conv.xnnpack import xnnpack_bias_alone
from tflreplay.ops.fully_connected.integer import xnnpack_ignoring_zero_point
from tflreplay.ops.mean import xnnpack_mean, xnnpack_mean_half_away, xnnpack_spatial_mean

XNNPACK = Engine("xnnpack")


class Check:
    """Compares models with the engine and counts where the optimized arithmetic differs."""

    def __init__(self) -> None:
        self.outputs = 0
        self.unlike_optimized = 0

    def __call__(self, content: bytes, *inputs: np.ndarray) -> None:
        self.outputs += assert_exact(content, inputs, XNNPACK)
        ours = run_replay(content, inputs, XNNPACK)[0]
        optimized = run_replay(content, inputs, Engine("optimized"))[0]
        self.unlike_optimized += int((ours != optimized).sum())


def tied_scale(rng: np.random.Generator) -> np.float32:
    """An output scale by which the bound 6 or 1 of an activation lies halfway between two codes."""
    bound = rng.choice([1.0, 6.0])
    return np.float32(bound / (int(rng.integers(1, 100)) + 0.5))


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("op", OPTIONS)
def test_elementwise_bounds_on_ties(op: str, dtype: str) -> None:
    rng = np.random.default_rng(1)
    check = Check()
    while check.outputs < OUTPUTS:
        shape = (8, 9, int(rng.integers(1, 41)))
        y = Spec(shape, dtype, tied_scale(rng), zero_point(rng, dtype))
        scale = np.sqrt(y.scale / 64) if op == "MUL" else y.scale
        a, b = (Spec(shape, dtype, scale, zero_point(rng, dtype)) for _ in range(2))
        fields = {"fusedActivationFunction": int(rng.choice(ACTIVATIONS[1:]))}
        content = build(op, [a, b], [y], fields, OPTIONS[op], version=2)
        check(content, *(random_codes(rng, shape, dtype) for _ in range(2)))
    assert check.unlike_optimized > 0


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("op", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"])
def test_weighted_bounds_on_ties(op: str, dtype: str) -> None:
    rng = np.random.default_rng(2)
    check = Check()
    while check.outputs < OUTPUTS:
        channels = int(rng.integers(1, 41))
        y_scale = tied_scale(rng)
        content, shape = weighted(rng, op, dtype, channels, y_scale, float(y_scale) / 40)
        check(content, random_codes(rng, shape, dtype))
    assert check.unlike_optimized > 0


def weighted(
    rng: np.random.Generator,
    op: str,
    dtype: str,
    channels: int,
    y_scale: float,
    product: float,
    y_zero_point: int | None = None,
    bias: np.ndarray | None = None,
    taps: tuple[int, int] = (3, 2),
    x_zero_point: int | None = None,
) -> tuple[bytes, tuple[int, ...]]:
    """A model whose input and weight scales multiply to ``product``; and its input's shape."""
    depth = int(rng.integers(1, 20))
    shape, filters = {
        "CONV_2D": ((1, 6, 6, depth), (channels, *taps, depth)),
        "DEPTHWISE_CONV_2D": ((1, 6, 6, channels), (1, *taps, channels)),
        "FULLY_CONNECTED": ((30, depth), (channels, depth)),
    }[op]
    if x_zero_point is None:
        x_zero_point = zero_point(rng, dtype)
    x = Spec(shape, dtype, np.sqrt(product), x_zero_point)
    zero = 0 if dtype == "int8" else zero_point(rng, dtype)
    w = Spec(filters, dtype, np.sqrt(product), zero, random_codes(rng, filters, dtype))
    codes = np.zeros(channels, np.int32) if bias is None else bias
    b = Spec((channels,), "int32", product, 0, codes)
    if y_zero_point is None:
        y_zero_point = zero_point(rng, dtype)
    y = Spec((*shape[:-1], channels), dtype, y_scale, y_zero_point)
    fields: dict[str, Any] = {"fusedActivationFunction": int(rng.choice(ACTIVATIONS[1:]))}
    if op != "FULLY_CONNECTED":
        fields |= {"padding": Padding.SAME, "strideH": 1, "strideW": 1}
    if op == "DEPTHWISE_CONV_2D":
        fields["depthMultiplier"] = 1
    options = {
        "CONV_2D": "Conv2DOptions",
        "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
        "FULLY_CONNECTED": "FullyConnectedOptions",
    }[op]
    return build(op, [x, w, b], [y], fields, options, version=5), shape


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_max_pool_bounds_on_ties(dtype: str) -> None:
    rng = np.random.default_rng(3)
    check = Check()
    while check.outputs < OUTPUTS:
        shape = (2, 9, 9, int(rng.integers(1, 41)))
        quantization = tied_scale(rng), zero_point(rng, dtype)
        fields = {
            "fusedActivationFunction": int(rng.choice(ACTIVATIONS[1:])),
            "padding": Padding.SAME,
            **dict.fromkeys(("filterHeight", "filterWidth"), int(rng.integers(1, 4))),
            **dict.fromkeys(("strideH", "strideW"), 1),
        }
        x, y = Spec(shape, dtype, *quantization), Spec((1, 1, 1, 1), dtype, *quantization)
        check(
            build("MAX_POOL_2D", [x], [y], fields, "Pool2DOptions"), random_codes(rng, shape, dtype)
        )
    assert check.unlike_optimized > 0


@pytest.mark.parametrize("channels", range(1, 41))
def test_mean_of_any_axes(channels: int) -> None:
    rng = np.random.default_rng(channels)
    check = Check()
    while check.outputs < OUTPUTS / 25:
        axes = rng.permutation(3)[: rng.integers(1, 3)].astype(np.int32) - int(rng.choice([0, 4]))
        shape = (*(int(n) for n in rng.integers(1, 12, 3)), channels)
        result = tuple(1 if i in axes % 4 else n for i, n in enumerate(shape))
        x = Spec(shape, "int8", random_scale(rng), zero_point(rng, "int8"))
        # Powers of two make ties.
        factor = rng.choice([0.5, 1.0, rng.uniform(0.1, 1.2)])
        y = Spec(result, "int8", x.scale * factor, zero_point(rng, "int8"))
        indices = Spec(axes.shape, "int32", data=axes)
        content = build("MEAN", [x, indices], [y], {"keepDims": True}, "ReducerOptions", version=2)
        check(content, random_codes(rng, shape, "int8"))
    assert check.unlike_optimized > 0


@pytest.mark.parametrize("op", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"])
def test_the_multiplier_is_float32_throughout(op: str) -> None:
    """Sums, all of them the bias, as near to ties as integers come."""
    rng = np.random.default_rng(4)
    codes = np.arange(-127, 127)
    for _ in range(20):
        scale, y_scale = (np.float32(value) for value in rng.uniform([1e-7, 0.5], [1e-6, 1.0]))
        root = np.float32(np.sqrt(scale))
        bias = np.rint((codes + 0.5) / (root * root / y_scale)).astype(np.int32)
        content, shape = weighted(
            rng, op, "int8", codes.size, float(y_scale), float(scale), 0, bias, x_zero_point=5
        )
        assert assert_exact(content, [np.full(shape, 5, np.int8)], XNNPACK)


@pytest.mark.parametrize("y_zero_point", [-10, 10])
@pytest.mark.parametrize("taps", [(3, 2), (7, 5)])
@pytest.mark.parametrize("op", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"])
def test_products_below_int32(op: str, taps: tuple[int, int], y_zero_point: int) -> None:
    """A GEMM kernel wraps where the zero point is negative; a depthwise kernel saturates.

    There is no depthwise kernel for more than 25 taps.
    """
    rng = np.random.default_rng(5)
    for channels in (1, 5, 33):
        bias = np.where(np.arange(channels) % 2, 1, -1) * (2**31 - 10**7)
        content, shape = weighted(
            rng, op, "int8", channels, 1e-6, 1e-4, y_zero_point, bias.astype(np.int32), taps
        )
        assert assert_exact(content, [random_codes(rng, shape, "int8")], XNNPACK)


@pytest.mark.parametrize("per_channel", [False, True])
def test_four_bit_weights(per_channel: bool) -> None:
    rng = np.random.default_rng(6)
    total = 0
    while total < OUTPUTS:
        depth, units = 2 * int(rng.integers(1, 100)), int(rng.integers(1, 100))
        codes = rng.integers(-8, 8, (units, depth // 2, 2)).astype(np.uint8) & 15
        scale = [random_scale(rng) for _ in range(units if per_channel else 1)]
        w = Spec((units, depth), "int4", scale, 0, codes[..., 0] | codes[..., 1] << 4)
        x = Spec((40, depth), "int8", random_scale(rng), zero_point(rng, "int8"))
        scale = output_scale(rng, x, w, depth) / rng.choice([1, 12])
        y = Spec((40, units), "int8", scale, zero_point(rng, "int8"))
        fields = {"fusedActivationFunction": int(rng.choice(ACTIVATIONS))}
        inputs = [x, w, bias_spec(rng, x, w, units)]
        content = build("FULLY_CONNECTED", inputs, [y], fields, "FullyConnectedOptions", 12)
        total += assert_exact(content, [random_codes(rng, x.shape, "int8")], XNNPACK)


def kernel_in(content: bytes, runtime: str, version: str) -> object:
    graph = parse(content, Path("single_op.tflite")).main
    engine = Engine("xnnpack", runtime, version)
    return row_of(engine, graph, graph.operators[0]).kernel


@pytest.mark.parametrize(
    ("runtime", "version", "kernel"),
    [
        ("litert", "2.3.0", xnnpack_mean),
        ("litert", "2.1.3", xnnpack_mean),
        ("litert", "2.1.2", xnnpack_mean_half_away),
        ("litert", "1.1.1", xnnpack_mean_half_away),
        ("litert", "1.0.1", xnnpack_spatial_mean),
        ("tensorflow", "2.21.0", xnnpack_mean_half_away),
        ("tensorflow", "2.19.0", xnnpack_mean_half_away),
        ("tensorflow", "2.18.1", xnnpack_spatial_mean),
    ],
)
def test_mean_by_version(runtime: str, version: str, kernel: object) -> None:
    axes = Spec((2,), "int32", data=np.array([1, 2], np.int32))
    x, y = Spec((1, 3, 3, 4), "int8", 0.1), Spec((1, 4), "int8", 0.1)
    content = build("MEAN", [x, axes], [y], {"keepDims": False}, "ReducerOptions", 2)
    assert kernel_in(content, runtime, version) is kernel


def test_logistic_and_tanh_by_version() -> None:
    y = Spec((4,), "int8", 1 / 256, -128)
    content = build("LOGISTIC", [Spec((4,), "int8", 0.1)], [y])
    for runtime, version, kernel in (
        ("litert", "2.3.0", logistic_tanh.xnnpack_logistic),
        ("tensorflow", "2.21.0", logistic_tanh.xnnpack_logistic_half_away),
        ("tensorflow", "2.17.1", logistic_tanh.xnnpack_logistic_before_zero_point),
    ):
        assert kernel_in(content, runtime, version) is kernel


def test_corrected_bugs_by_version() -> None:
    x, y = Spec((1, 6, 6, 2), "int8", 0.1), Spec((1, 2, 2, 2), "int8", 0.1)
    w = Spec((2, 2, 2, 2), "int8", 0.1, 0, np.ones((2, 2, 2, 2), np.int8))
    b = Spec((2,), "int32", 0.01, 0, np.array([700, -300], np.int32))
    fields = {"padding": Padding.SAME, "strideH": 3, "strideW": 3}
    content = build("CONV_2D", [x, w, b], [y], fields, "Conv2DOptions", 5)
    old = Engine("xnnpack", "tensorflow", "2.21.0")
    assert kernel_in(content, "tensorflow", "2.21.0") is xnnpack_bias_alone
    assert kernel_in(content, "litert", "2.2.0") is not xnnpack_bias_alone
    codes = np.full(x.shape, 5, np.int8)
    assert run_replay(content, [codes], old)[0].tolist() == [[[[70, -30]] * 2] * 2]

    w = Spec((2, 2), "int8", 0.1, 7, np.ones((2, 2), np.int8))
    content = build(
        "FULLY_CONNECTED",
        [Spec((1, 2), "int8", 0.1), w, b],
        [Spec((1, 2), "int8", 0.01)],
        {"fusedActivationFunction": ActivationFunctionType.NONE},
        "FullyConnectedOptions",
        5,
    )
    assert kernel_in(content, "litert", "2.1.3") is xnnpack_ignoring_zero_point
    assert kernel_in(content, "litert", "2.3.0") is not xnnpack_ignoring_zero_point
    old = Engine("xnnpack", "litert", "2.1.3")
    assert run_replay(content, [np.array([[3, 4]], np.int8)], old)[0].tolist() == [[127, -128]]
