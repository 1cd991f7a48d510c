from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.kernels.moving import case, exact, int32, values
from tests.single_op import assert_exact
from tflreplay.ground.engine import Engine


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_unpack(engine: Engine, axis: int) -> None:
    x = values((4, 4, 4), "uint8")
    options = {"outputs": ("uint8",) * 4, "table": "UnpackOptions", "num": 4, "axis": axis}
    exact(engine, case("UNPACK", x, **options))


def test_unpack_a_vector(engine: Engine) -> None:
    options = {"outputs": ("int8",) * 4, "table": "UnpackOptions", "num": 4, "axis": 0}
    exact(engine, case("UNPACK", values((4,), "int8"), **options))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_split(engine: Engine, axis: int) -> None:
    x = values((4, 8, 12), "int8")
    options = {"outputs": ("int8",) * 4, "table": "SplitOptions", "numSplits": 4}
    exact(engine, case("SPLIT", int32(axis), x, fixed=(0,), **options))


@pytest.mark.parametrize("index", ["int32", "int64"])
@pytest.mark.parametrize("sizes", [(1, 2, 5), (3, -1, 1), (8,)])
def test_split_v(engine: Engine, sizes: tuple[int, ...], index: str) -> None:
    inputs = (values((3, 8), "int8"), np.array(sizes, index), int32(-1))
    outputs = ("int8",) * len(sizes)
    options = {"table": "SplitVOptions", "numSplits": len(sizes)}
    exact(engine, case("SPLIT_V", *inputs, fixed=(1, 2), outputs=outputs, **options))


@pytest.mark.parametrize("index", ["int32", "int64"])
@pytest.mark.parametrize(
    ("begin", "size", "shape"),
    [((1, 0, 2), (2, -1, 4), (2, 5, 4)), ((3, 4, 5), (-1, 1, -1), (1, 1, 1))],
)
def test_slice(engine: Engine, begin: Any, size: Any, shape: Any, index: str) -> None:
    bounds = np.array(begin, index), np.array(size, index)
    exact(engine, case("SLICE", values((4, 5, 6), "int8"), *bounds, fixed=(1, 2), shape=shape))


@pytest.mark.parametrize("index", ["int32", "int64"])
@pytest.mark.parametrize(
    ("shape", "begin"),
    [((2, 3), (1, 1)), ((2, 3), (-5, 9)), ((4, 5), (2, 2)), ((1, 1), (3, 4)), ((0, 3), (1, 1))],
)
def test_dynamic_update_slice(engine: Engine, shape: Any, begin: Any, index: str) -> None:
    x, update = values((4, 5), "int8"), values(shape, "int8", 1)
    moved = case("DYNAMIC_UPDATE_SLICE", x, update, np.array(begin, index))
    assert assert_exact(moved.model(), moved.feeds(), engine) == 20
