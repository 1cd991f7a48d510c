"""BATCH_MATMUL against the engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.kernels.common import reason_not_replayed
from tests.kernels.test_conv import OUTPUTS, output_scale, zero_point
from tests.kernels.test_matmul import telling_accumulators
from tests.single_op import Spec, assert_exact, build, random_codes, random_scale, run_replay
from tflreplay.ground.engine import Engine
from tflreplay.model import parse
from tflreplay.replayer.loop import replay


def random_shapes(rng: np.random.Generator) -> tuple[tuple[int, ...], ...]:
    """Batch dimensions of both sides, which broadcast, and of the output."""
    ranks = rng.integers(0, 4, 2)
    output = [int(n) for n in rng.integers(1, 5, ranks.max())]
    sides = [
        [size if rng.random() < 0.7 else 1 for size in output[len(output) - rank :]]
        for rank in ranks
    ]
    return (*(tuple(side) for side in sides), np.broadcast_shapes(*sides))


def random_model(
    rng: np.random.Generator, dtype: str, weights: str, **chosen: Any
) -> tuple[bytes, list[np.ndarray]]:
    """A model and its inputs."""
    left, right, batches = random_shapes(rng)
    rows, columns, depth = (int(rng.integers(1, top)) for top in (24, 24, 60))
    fields = {name: bool(rng.random() < 0.5) for name in ("adjX", "adjY")}
    a_shape = (*left, depth, rows) if fields["adjX"] else (*left, rows, depth)
    b_shape = (*right, columns, depth) if fields["adjY"] else (*right, depth, columns)
    a = Spec(a_shape, dtype, random_scale(rng), zero_point(rng, dtype))
    constant = random_codes(rng, b_shape, weights)
    b = Spec(
        b_shape,
        weights,
        random_scale(rng),
        zero_point(rng, weights) if dtype == "int8" and rng.random() < 0.5 else 0,
        constant if rng.random() < 0.5 else None,
    )
    scale = output_scale(rng, a, b, depth) * (256 if weights == "int16" else 1)
    y = Spec((*batches, rows, columns), dtype, scale, zero_point(rng, dtype))
    content = build("BATCH_MATMUL", [a, b], [y], fields, "BatchMatMulOptions", 4)
    inputs = [random_codes(rng, a_shape, dtype)]
    return content, inputs if b.data is not None else [*inputs, constant]


@pytest.mark.parametrize(
    ("dtype", "weights"), [("int8", "int8"), ("int16", "int16"), ("int16", "int8")]
)
def test_random(engine: Engine, dtype: str, weights: str) -> None:
    rng = np.random.default_rng(1)
    total = 0
    while total < OUTPUTS:
        content, inputs = random_model(rng, dtype, weights)
        total += assert_exact(content, inputs, engine)


def columns_that_sum_to(sums: np.ndarray, depth: int) -> np.ndarray:
    """int8 ``(depth, sums)`` that the row ``[1, 127, ..., 127]`` multiplies to these sums."""
    rest = np.abs(sums)
    columns = [rest % 127]
    rest = rest // 127
    for _ in range(depth - 1):
        columns.append(np.minimum(rest, 127))
        rest = rest - columns[-1]
    assert not rest.any()
    return (np.array(columns) * np.sign(sums)).astype(np.int8)


def test_precision_of_the_multiplier(engine: Engine) -> None:
    """Sums on which float32 and float64 products of the scales differ."""
    rng = np.random.default_rng(1)
    depth, told = 1000, 0
    row = np.full((1, depth), 127, np.int8)
    row[0, 0] = 1
    while told < 100:
        s1, s2, so = (np.float32(s) for s in rng.uniform([1e-3, 1e-3, 1.0], [0.1, 1e-2, 30.0]))
        sums = telling_accumulators(
            float(s1) * float(s2) / float(so), float(np.float32(s1 * s2)) / float(so)
        )
        sums = sums[np.abs(sums) < 127 * 127 * (depth - 1)][:64]
        if not sums.size:
            continue
        told += sums.size
        a, b = Spec(row.shape, "int8", s1), Spec((depth, sums.size), "int8", s2)
        y = Spec((1, sums.size), "int8", so)
        content = build("BATCH_MATMUL", [a, b], [y], {}, "BatchMatMulOptions", 2)
        assert_exact(content, [row, columns_that_sum_to(sums, depth)], engine)


def test_a_scale_for_each_channel(engine: Engine) -> None:
    """The runtime reads none of them: every output is the zero point."""
    rng = np.random.default_rng(2)
    for dtype in ("int8", "int16"):
        a = Spec((2, 5, 7), dtype, 0.1, zero_point(rng, dtype))
        data = random_codes(rng, (7, 3), "int8")
        b = Spec(data.shape, "int8", [0.1, 0.2, 0.3], 0, data, 1)
        y = Spec((2, 5, 3), dtype, 0.01, zero_point(rng, dtype))
        content = build("BATCH_MATMUL", [a, b], [y], {}, "BatchMatMulOptions", 4)
        x = random_codes(rng, a.shape, dtype)
        assert assert_exact(content, [x], engine) == 30
        assert (run_replay(content, [x], engine)[0] == y.zero_point).all()


def test_accumulator_wraps_like_int32(engine: Engine) -> None:
    a, b = (
        Spec(shape, "int8", 0.5, zero) for shape, zero in (((2, 33_100), 127), ((33_100, 2), 0))
    )
    y = Spec((2, 2), "int8", 2.0**22, 3)
    content = build("BATCH_MATMUL", [a, replace(b, zero_point=0)], [y], {}, "BatchMatMulOptions", 2)
    low = np.full(a.shape, -128, np.int8)
    assert_exact(content, [low, low.T.copy()], engine)


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("2.1.4", "BATCH_MATMUL with adj_x of several matrices by one: litert 2.1.4 mixes them up"),
        ("2.1.5", None),
    ],
)
def test_versions_that_mix_up_batches(version: str, reason: str | None) -> None:
    a, b = Spec((3, 4, 2), "int8", 0.1), Spec((1, 4, 5), "int8", 0.1)
    y = Spec((3, 2, 5), "int8", 0.5)
    content = build("BATCH_MATMUL", [a, b], [y], {"adjX": True}, "BatchMatMulOptions", 2)
    parsed = parse(content, Path("single_op.tflite"))
    inputs = dict(enumerate([np.ones(a.shape, np.int8), np.ones(b.shape, np.int8)]))
    for name in ("reference", "optimized"):
        result = replay(parsed, inputs, Engine(name, "litert", version))
        assert result.not_replayed.get(0) == reason


def test_not_replayed() -> None:
    a, b = Spec((2, 3), "int8", 0.1), Spec((3, 2), "int8", 0.1)
    y = Spec((2, 2), "int32", 0.5)
    content = build("BATCH_MATMUL", [a, b], [y], {}, "BatchMatMulOptions", 2)
    inputs = [np.ones(a.shape, np.int8), np.ones(b.shape, np.int8)]
    assert reason_not_replayed(content, inputs) == "BATCH_MATMUL of int8 by int8 to int32"
