from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.kernels.moving import case, exact, int32, values
from tflreplay.ground.engine import Engine


@pytest.mark.parametrize("size", [1, 2, 3])
def test_space_and_depth(engine: Engine, size: int) -> None:
    x = values((2, 2 * size, 3 * size, 5), "int8")
    exact(engine, case("SPACE_TO_DEPTH", x, table="SpaceToDepthOptions", blockSize=size))
    x = values((2, 2, 3, 5 * size**2), "int8")
    exact(engine, case("DEPTH_TO_SPACE", x, table="DepthToSpaceOptions", blockSize=size))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "float32"])
@pytest.mark.parametrize(
    ("shape", "block", "paddings"),
    [
        ((2, 4, 6, 3), (2, 3), ((0, 0), (0, 0))),
        ((1, 3, 4, 3), (2, 3), ((1, 0), (2, 3))),
        ((3, 5, 5, 2), (4, 1), ((0, 3), (2, 2))),
        ((2, 5, 3), (3,), ((0, 1),)),
    ],
)
def test_space_to_batch_nd(
    engine: Engine, shape: Any, block: Any, paddings: Any, dtype: str
) -> None:
    inputs = values(shape, dtype), int32(*block), np.array(paddings, np.int32)
    exact(engine, case("SPACE_TO_BATCH_ND", *inputs, fixed=(1, 2)))


@pytest.mark.parametrize(
    ("shape", "block", "crops"),
    [
        ((12, 2, 3, 4), (2, 3), ((0, 0), (0, 0))),
        ((12, 2, 3, 4), (2, 3), ((1, 1), (2, 4))),
        ((6, 5, 3, 2), (1, 3), ((2, 0), (0, 1))),
        ((6, 4, 3), (3,), ((2, 5),)),
    ],
)
def test_batch_to_space_nd(engine: Engine, shape: Any, block: Any, crops: Any) -> None:
    inputs = values(shape, "int8"), int32(*block), np.array(crops, np.int32)
    exact(engine, case("BATCH_TO_SPACE_ND", *inputs, fixed=(1, 2)))
