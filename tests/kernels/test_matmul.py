"""Exact products by BLAS, and the precision of the real multiplier."""

from __future__ import annotations

import numpy as np
import pytest

from tests.single_op import Spec, assert_exact, build
from tflreplay.ground.rounding import RULES, Multiplier
from tflreplay.kernels.matmul import exact_matmul


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
