from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.kernels.common import reason_not_replayed
from tests.kernels.moving import case, exact, int32, spec, values
from tests.single_op import Spec, assert_exact, build, random_codes, random_scale
from tflreplay.ground.engine import Engine


@pytest.mark.parametrize("index", ["int16", "int32", "int64"])
@pytest.mark.parametrize(
    ("indices", "axis", "batch_dims"),
    [
        (2, 0, 0),
        ((2,), 0, 0),
        ((2, 0, 2), 1, 0),
        ((1, 0, 1), -1, 0),
        (((1, 0), (2, 2)), 1, 0),
        (((1, 0), (2, 2)), 1, 1),
        (((1, 0), (2, 2)), 2, 1),
        (((1, 0), (2, 2)), 2, -1),
    ],
)
def test_gather(engine: Engine, indices: Any, axis: int, batch_dims: int, index: str) -> None:
    x = values((2, 3, 4), "int8") if batch_dims else values((3, 3, 4), "int8")
    options = {"axis": axis, "batchDims": batch_dims}
    exact(engine, case("GATHER", x, np.array(indices, index), table="GatherOptions", **options))


def test_gather_along_two_batch_dimensions(engine: Engine) -> None:
    indices = np.array([[[0, 3], [1, 1], [2, 0]], [[3, 3], [0, 1], [1, 2]]], np.int32)
    options = {"axis": 2, "batchDims": 2}
    exact(
        engine,
        case("GATHER", values((2, 3, 4, 5), "int8"), indices, table="GatherOptions", **options),
    )


@pytest.mark.parametrize("index", ["int16", "int32", "int64"])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_gather_nd(engine: Engine, depth: int, index: str) -> None:
    x = values((2, 3, 4), "int8")
    rng = np.random.default_rng(depth)
    indices = rng.integers(0, x.shape[:depth], (5, 2, depth)).astype(index)
    exact(engine, case("GATHER_ND", x, indices))


@pytest.mark.parametrize("dtype", ["int8", "int32", "float32", "bool"])
def test_scatter_nd_adds_up(engine: Engine, dtype: str) -> None:
    """Indices come again and again; integers wrap around."""
    rng = np.random.default_rng(20)
    shape = int32(3, 4, 5)
    for depth in (1, 2, 3):
        indices = rng.integers(0, shape[:depth], (50, depth)).astype(np.int32)
        updates = values((50, *shape[depth:].tolist()), dtype)
        exact(engine, case("SCATTER_ND", indices, updates, shape, fixed=(2,), outputs=(dtype,)))


@pytest.mark.parametrize("shape", [(7,), (3, 4), (2, 1, 3, 2)])
def test_where(engine: Engine, shape: tuple[int, ...]) -> None:
    exact(engine, case("WHERE", values(shape, "bool"), outputs=("int64",)))


@pytest.mark.parametrize("per_row", [False, True])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int4"])
@pytest.mark.parametrize("target", ["float32", "float16"])
def test_embedding_lookup_dequantizes(
    engine: Engine, dtype: str, per_row: bool, target: str
) -> None:
    rng = np.random.default_rng(21)
    total = 0
    for _ in range(3):
        rows = rng.integers(0, 50, 70).astype(np.int32)
        codes = random_codes(rng, (50, 40), "uint8" if dtype == "uint8" else "int8")
        stored = codes
        if dtype == "int4":
            stored = codes[:, ::2]
        scale = [random_scale(rng) for _ in range(50 if per_row else 1)]
        table = Spec(codes.shape, dtype, scale, 0, stored)
        content = build(
            "EMBEDDING_LOOKUP", [spec(rows), table], [Spec((70, 40), target)], version=3
        )
        total += assert_exact(content, [rows], engine)
    assert total == 8400


def test_embedding_lookup_without_scales() -> None:
    rows, table = int32(1), values((3, 4), "int8")
    inputs = [spec(rows), Spec((3, 4), "int8", data=table)]
    content = build("EMBEDDING_LOOKUP", inputs, [Spec((1, 4), "float32")])
    assert "EMBEDDING_LOOKUP of codes without scales" in reason_not_replayed(content, [rows])
