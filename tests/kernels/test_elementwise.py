"""ADD, SUB and MUL against the engine."""

from __future__ import annotations

import numpy as np
import pytest

from tests.kernels.test_conv import ACTIVATIONS, OUTPUTS, zero_point
from tests.single_op import Spec, assert_exact, build, random_codes, random_scale
from tflreplay.ground.engine import Engine

OPTIONS = {"ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions"}
SHAPES = [
    ((2, 5, 7, 3), (2, 5, 7, 3)),
    ((1, 9, 9, 16), (1, 1, 1, 16)),
    ((4, 1, 6, 5), (1, 8, 6, 1)),
    ((33, 17), ()),
    ((7,), (3, 11, 7)),
    ((150, 1000), (150, 1000)),  # enough elements for the table of all pairs
]


def specs(
    rng: np.random.Generator, op: str, dtype: str, shapes: tuple[tuple[int, ...], tuple[int, ...]]
) -> tuple[Spec, Spec, Spec]:
    """Two inputs and an output; output scales from far below the inputs' to far above."""
    a, b = (Spec(shape, dtype, random_scale(rng), zero_point(rng, dtype)) for shape in shapes)
    low, high = -6, 8
    scale = a.scale * b.scale * 128 if op == "MUL" else max(a.scale, b.scale)
    scale *= 2.0 ** rng.integers(low, high) if rng.random() < 0.5 else rng.uniform(0.3, 4)
    shape = np.broadcast_shapes(*shapes)
    return a, b, Spec(shape, dtype, np.float32(scale), zero_point(rng, dtype))


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("op", OPTIONS)
def test_random(engine: Engine, op: str, dtype: str) -> None:
    rng = np.random.default_rng(1)
    total = 0
    for repeat in range(24):
        for shapes in SHAPES[: None if repeat % 8 == 0 else -1]:
            a, b, y = specs(rng, op, dtype, shapes)
            fields = {"fusedActivationFunction": int(rng.choice(ACTIVATIONS))}
            content = build(op, [a, b], [y], fields, OPTIONS[op], version=2)
            total += assert_exact(
                content, [random_codes(rng, s.shape, dtype) for s in (a, b)], engine
            )
    assert total >= OUTPUTS


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("op", OPTIONS)
def test_every_pair_of_codes(engine: Engine, op: str, dtype: str) -> None:
    rng = np.random.default_rng(2)
    codes = np.arange(256, dtype=np.uint8).view(dtype)
    pairs = np.repeat(codes, 256), np.tile(codes, 256)
    for _ in range(4):
        a, b, y = specs(rng, op, dtype, ((65536,), (65536,)))
        assert_exact(build(op, [a, b], [y], {}, OPTIONS[op], version=2), list(pairs), engine)


@pytest.mark.parametrize("op", ["ADD", "SUB"])
def test_scales_in_small_ratios(engine: Engine, op: str) -> None:
    """Sums then lie on or next to ties, where every bit of the common scale matters."""
    rng = np.random.default_rng(4)
    codes = np.arange(256, dtype=np.uint8).view(np.int8)
    pairs = np.repeat(codes, 256), np.tile(codes, 256)
    for _ in range(8):
        sa = np.float32(rng.uniform(0.01, 1))
        sb, so = (np.float32(sa * rng.integers(1, 64) / part) for part in (64, 32))
        a, b, y = (Spec((65536,), "int8", scale, 0) for scale in (sa, sb, so))
        assert_exact(build(op, [a, b], [y], {}, OPTIONS[op], version=2), list(pairs), engine)


@pytest.mark.parametrize("op", OPTIONS)
def test_constant_operand(engine: Engine, op: str) -> None:
    rng = np.random.default_rng(3)
    a, b, y = specs(rng, op, "int8", ((1, 8, 8, 5), (5,)))
    b = Spec(b.shape, b.dtype, b.scale, b.zero_point, random_codes(rng, b.shape, "int8"))
    content = build(op, [a, b], [y], {}, OPTIONS[op], version=2)
    assert_exact(content, [random_codes(rng, a.shape, "int8")], engine)
