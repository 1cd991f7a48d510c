"""Comparisons, logical ops and selection against the engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.kernels.common import (
    NUMBERS,
    OUTPUTS,
    QUANTIZED,
    SHAPES,
    assert_agrees,
    every_code,
    random_spec,
    random_values,
    reason_not_replayed,
)
from tests.single_op import Spec, build
from tflreplay.ground.engine import Engine

COMPARISONS = ("EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL")
TYPES = (*QUANTIZED, *NUMBERS)


def options(op: str) -> str:
    return f"{op.title().replace('_', '')}Options"


def model(op: str, a: Spec, b: Spec) -> bytes:
    output = Spec(np.broadcast_shapes(a.shape, b.shape), "bool")
    return build(op, [a, b], [output], {}, options(op), 4 if op == "EQUAL" else 1)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("op", COMPARISONS)
def test_comparison(engine: Engine, op: str, dtype: str) -> None:
    rng = np.random.default_rng(1)
    total = 0
    while total < OUTPUTS:
        for shapes in SHAPES:
            a, b = (random_spec(rng, shape, dtype) for shape in shapes)
            arrays = [random_values(rng, shape, dtype) for shape in shapes]
            total += assert_agrees(model(op, a, b), arrays, engine)


@pytest.mark.parametrize(
    "scales", [(1.01, 0.9), (1.5, 1.5), (100.0, 7.0), (0.99, 1e-5), (1e-12, 2)]
)
@pytest.mark.parametrize("op", ["EQUAL", "LESS", "GREATER_EQUAL"])
def test_every_pair_of_codes(engine: Engine, op: str, scales: tuple[float, float]) -> None:
    """Scales above 1 too, for which the kernel shifts by a negative number of bits."""
    rng = np.random.default_rng(2)
    for dtype in ("int8", "uint8"):
        codes = every_code(dtype)
        pair = [np.ascontiguousarray(v) for v in np.broadcast_arrays(codes[:, None], codes)]
        a, b = (random_spec(rng, (256, 256), dtype, scale) for scale in scales)
        assert_agrees(model(op, a, b), pair, engine)


def test_a_scale_of_1_is_not_replayed() -> None:
    spec = Spec((2,), "int8", 1.0)
    assert "aborts" in reason_not_replayed(model("LESS", spec, spec), [np.zeros(2, np.int8)] * 2)


@pytest.mark.parametrize("op", ["EQUAL", "NOT_EQUAL", "LOGICAL_AND", "LOGICAL_OR"])
def test_truth_values(engine: Engine, op: str) -> None:
    rng = np.random.default_rng(3)
    for shapes in SHAPES:
        arrays = [rng.random(shape) < 0.5 for shape in shapes]
        assert_agrees(model(op, *(Spec(shape, "bool") for shape in shapes)), arrays, engine)


CHOICES: dict[str, list[tuple[tuple[int, ...], ...]]] = {
    "SELECT": [((6, 7, 8),) * 3, ((6,), (6, 7, 8), (6, 7, 8)), ((), (6, 7), (6, 7))],
    "SELECT_V2": [
        ((6, 7, 8),) * 3,
        ((8,), (6, 7, 8), (7, 1)),
        ((6, 1, 1), (8,), ()),
        ((2, 1, 3, 1, 5), (1, 4, 3, 2, 1), (5,)),
    ],
}


@pytest.mark.parametrize("dtype", [*TYPES, "bool"])
@pytest.mark.parametrize("op", CHOICES)
def test_select(engine: Engine, op: str, dtype: str) -> None:
    rng = np.random.default_rng(4)
    for shapes in CHOICES[op]:
        condition, x, y = shapes
        quantized: dict[str, Any] = {"scale": 0.5} if dtype in QUANTIZED else {}
        specs = [Spec(condition, "bool"), Spec(x, dtype, **quantized), Spec(y, dtype, **quantized)]
        output = Spec(np.broadcast_shapes(*shapes) if op == "SELECT_V2" else x, dtype, **quantized)
        arrays = [random_values(rng, spec.shape, spec.dtype) for spec in specs]
        assert_agrees(build(op, specs, [output], {}, options(op)), arrays, engine)
