"""Exact products by BLAS, and the precision of the real multiplier."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.schema_py_generated import TensorType

from tests.single_op import Spec, assert_exact, build
from tflreplay.ground.engine import NEWEST, Engine
from tflreplay.ground.rounding import RULES, Accumulation, Multiplier
from tflreplay.model import parse
from tflreplay.ops import row_of
from tflreplay.ops.base.sums import exact_matmul
from tflreplay.ops.seam import call_of, first_half


@pytest.mark.parametrize("depth", [500, 515, 517, 1040, 9000, 140_000])
@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_largest_products(depth: int, dtype: type) -> None:
    """Around 2**24, where float32 ends, and around 2**31, where int32 does."""
    rng = np.random.default_rng(depth)
    info = np.iinfo(dtype)
    x = np.full((3, depth), info.min, dtype)
    x[1:] = info.max
    x[2, ::2] -= 1
    low, high = (-255, 255) if dtype == np.uint8 else (-128, 127)
    weights = rng.choice([low, high, high - 2], (depth, 5)).astype(np.int16)
    weights[:, 0], weights[:, 1] = low, high
    bias = rng.integers(-(2**31), 2**31, 5).astype(np.int32)
    for zero_point in (info.min, info.max, 3):
        exact = (x.astype(object) - zero_point) @ weights.astype(object) + bias
        wrapped = (exact + 2**31) % 2**32 - 2**31
        ours = exact_matmul(x, weights, zero_point, bias)
        assert ours.astype(np.int64).tolist() == wrapped.tolist()


def telling_accumulators(a: float, b: float) -> np.ndarray:
    """Accumulators that two multipliers requantize to different codes."""
    double = RULES["double"]
    ties = (np.arange(-255, 255) + 0.5) / a
    near = np.unique((np.round(ties)[:, None] + np.arange(-2, 3)).astype(np.int64))
    near = near[np.abs(near) < 2**31]
    return near[double(near, Multiplier.of(a)) != double(near, Multiplier.of(b))].astype(np.int32)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_precision_of_the_multiplier(dtype: str) -> None:
    """Accumulators, given as biases, on which float32 and float64 products of scales differ."""
    rng = np.random.default_rng(1)
    told = 0
    zero_point = 0 if dtype == "int8" else 128
    while told < 300:
        s1, s2, so = (np.float32(s) for s in rng.uniform([1e-3, 1e-4, 1.0], [0.1, 1e-2, 30.0]))
        bias = telling_accumulators(
            float(s1) * float(s2) / float(so), float(np.float32(s1 * s2)) / float(so)
        )[:64]
        if not bias.size:
            continue
        told += bias.size
        shape = (bias.size, 1, 1, 1)
        content = build(
            "CONV_2D",
            [
                Spec((1, 1, 1, 1), dtype, s1, zero_point),
                Spec(shape, dtype, s2, zero_point, np.ones(shape, dtype)),
                Spec((bias.size,), "int32", s1 * s2, 0, bias),
            ],
            [Spec((1, 1, 1, bias.size), dtype, so, zero_point)],
            {"strideH": 1, "strideW": 1},
            "Conv2DOptions",
            version=3,
        )
        assert_exact(content, [np.full((1, 1, 1, 1), zero_point, dtype)])


def accumulator_bits(content: bytes, x: np.ndarray, name: str) -> int:
    """By the engine's kernel of a model's only op; all of its inputs hold the same codes."""
    engine = Engine(name, "tflm", NEWEST["tflm"]) if name == "tflm" else Engine(name)
    graph = parse(content, Path("single_op.tflite")).main
    (op,) = graph.operators
    tensors = dict.fromkeys(graph.inputs, x)
    sums = first_half(*call_of(graph, op, tensors, engine, row_of(engine, graph, op)))
    assert isinstance(sums, Accumulation)
    return sums.bits


@pytest.mark.parametrize(("dtype", "bits"), [("int8", 32), ("int16", 64)])
@pytest.mark.parametrize("engine", ["reference", "optimized", "xnnpack", "tflm"])
def test_width_of_a_product_of_matrices(engine: str, dtype: str, bits: int) -> None:
    x = Spec((2, 2), dtype, 0.5)
    content = build("BATCH_MATMUL", [x, x], [x], {}, "BatchMatMulOptions", version=2)
    assert accumulator_bits(content, np.ones((2, 2), dtype), engine) == bits


@pytest.mark.parametrize(
    ("engine", "dtype", "declared", "bits"),
    [
        ("reference", "int8", False, 32),
        ("reference", "int16", False, 64),
        ("reference", "int16", True, 32),
        ("optimized", "int16", True, 32),
        ("tflm", "int8", False, 32),
        ("tflm", "int16", False, 64),
        ("tflm", "int16", True, 64),
    ],
)
def test_width_of_a_transposed_convolution(
    engine: str, dtype: str, declared: bool, bits: int
) -> None:
    """Without a bias; TFLM does not look at what is declared."""
    shape = (1, 2, 2, 1)
    size = Spec((4,), "int32", data=np.array(shape, np.int32))
    w = Spec((1, 1, 1, 1), "int8", [0.5], 0, np.ones((1, 1, 1, 1), np.int8))
    x = Spec(shape, dtype, 0.5)
    fields = {"strideH": 1, "strideW": 1}
    if declared:
        fields["quantizedBiasType"] = TensorType.INT32
    content = build("TRANSPOSE_CONV", [size, w, x], [x], fields, "TransposeConvOptions", version=3)
    assert accumulator_bits(content, np.ones(shape, dtype), engine) == bits
