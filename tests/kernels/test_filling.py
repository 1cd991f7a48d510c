from __future__ import annotations

import numpy as np
import pytest

from tests.kernels.moving import case, exact, int32, values
from tests.single_op import assert_exact
from tflreplay.ground.engine import Engine


@pytest.mark.parametrize("index", ["int32", "int64"])
@pytest.mark.parametrize("multiples", [(1, 1, 1), (2, 1, 3), (1, 4, 1)])
def test_tile(engine: Engine, multiples: tuple[int, ...], index: str) -> None:
    exact(engine, case("TILE", values((2, 3, 4), "int8"), np.array(multiples, index), fixed=(1,)))


@pytest.mark.parametrize("index", ["int32", "int64"])
@pytest.mark.parametrize(
    ("shape", "target"),
    [((), (2, 3)), ((1,), (4,)), ((3, 1), (2, 3, 4)), ((2, 1, 1, 3), (2, 5, 4, 3)), ((0,), (2, 0))],
)
def test_broadcast_to(
    engine: Engine, shape: tuple[int, ...], target: tuple[int, ...], index: str
) -> None:
    x = values(shape, "int8")
    moved = case("BROADCAST_TO", x, np.array(target, index), fixed=(1,), version=2)
    assert assert_exact(moved.model(), moved.feeds(), engine) == np.prod(target)


@pytest.mark.parametrize("index", ["int32", "int64"])
def test_fill(engine: Engine, index: str) -> None:
    dims = np.array((3, 1, 4), index)
    exact(engine, case("FILL", dims, values((), "float32"), fixed=(0,), outputs=("float32",)))


def test_range_of_integers(engine: Engine) -> None:
    for dtype in ("int32", "int64"):
        for start, limit, delta in ((0, 10, 3), (0, 9, 3), (5, -7, -4), (-3, -2, 100)):
            scalars = (np.array(n, dtype) for n in (start, limit, delta))
            exact(engine, case("RANGE", *scalars, fixed=(0, 1, 2)))


def test_range_of_real_numbers(engine: Engine) -> None:
    """Sums that round differently from products; counts near a whole number."""
    rng = np.random.default_rng(18)
    total = 0
    for _ in range(30):
        start, delta = rng.normal(size=2)
        limit = start + delta * rng.integers(1, 10_000)
        scalars = (np.array(n, np.float32) for n in (start, limit, delta))
        moved = case("RANGE", *scalars)
        total += assert_exact(moved.model(), moved.feeds(), engine)
    assert total > 100_000


@pytest.mark.parametrize("index", ["int32", "int64"])
@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_one_hot(engine: Engine, axis: int, index: str) -> None:
    inputs = (
        np.array([[0, 4, -1, 3], [2, 2, 7, 5]], index),
        int32(5).reshape(()),
        np.array(7, np.int8),
        np.array(-3, np.int8),
    )
    options = {"table": "OneHotOptions", "axis": axis}
    exact(engine, case("ONE_HOT", *inputs, fixed=(1, 2, 3), outputs=("int8",), **options))
