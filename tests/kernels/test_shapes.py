from __future__ import annotations

import numpy as np
import pytest

from tests.kernels.moving import ENUM, case, exact, int32, values
from tflreplay.ground.engine import Engine


@pytest.mark.parametrize("target", [(6, 4), (2, -1), (-1,), (1, 2, 3, 4)])
def test_reshape(engine: Engine, target: tuple[int, ...]) -> None:
    x = values((2, 3, 4), "int8")
    exact(engine, case("RESHAPE", x, int32(*target), fixed=(1,)))
    exact(engine, case("RESHAPE", x, table="ReshapeOptions", newShape=list(target)))


def test_reshape_to_a_scalar(engine: Engine) -> None:
    x = values((1, 1), "int8")
    exact(engine, case("RESHAPE", x, table="ReshapeOptions", newShape=[0]))
    exact(engine, case("RESHAPE", x, int32(), fixed=(1,)))  # a constant that holds nothing


@pytest.mark.parametrize("dims", [[], [0], [0, 2], [-1]])
def test_squeeze(engine: Engine, dims: list[int]) -> None:
    x = values((1, 3, 1, 4, 1), "int8")
    exact(engine, case("SQUEEZE", x, table="SqueezeOptions", squeezeDims=dims))


@pytest.mark.parametrize("index", ["int32", "int64"])
@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_expand_dims(engine: Engine, axis: int, index: str) -> None:
    exact(engine, case("EXPAND_DIMS", values((3, 4), "int8"), np.array([axis], index), fixed=(1,)))


@pytest.mark.parametrize("index", ["int32", "int64"])
def test_shape(engine: Engine, index: str) -> None:
    x = values((2, 3, 5), "int8")
    exact(engine, case("SHAPE", x, outputs=(index,), table="ShapeOptions", outType=ENUM[index]))


@pytest.mark.parametrize(
    ("a", "b"), [((), (3,)), ((1,), (0,)), ((3, 1), (1, 4)), ((5,), (2, 1)), ((2, 3), (2, 3))]
)
def test_broadcast_args(engine: Engine, a: tuple[int, ...], b: tuple[int, ...]) -> None:
    exact(engine, case("BROADCAST_ARGS", int32(*a), int32(*b)))
