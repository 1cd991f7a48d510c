from __future__ import annotations

import numpy as np
import pytest

from tests.kernels.moving import case, exact, values
from tests.single_op import Spec, assert_exact, build
from tflreplay.ground.engine import Engine


@pytest.mark.parametrize("index", ["int32", "int64"])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "float32"])
def test_pad(engine: Engine, dtype: str, index: str) -> None:
    rng = np.random.default_rng(15)
    for rank in range(1, 6):
        x = values(tuple(rng.integers(1, 6, rank).tolist()), dtype)
        paddings = rng.integers(0, 4, (rank, 2), index)
        exact(engine, case("PAD", x, paddings, fixed=(1,)))
        exact(engine, case("PADV2", x, paddings, np.array([77], dtype), fixed=(1, 2)))


def test_pad_of_quantized_int16(engine: Engine) -> None:
    x = values((3, 4), "int16")
    paddings = Spec((2, 2), "int32", data=np.ones((2, 2), np.int32))
    tensors = [Spec(shape, "int16", 0.5) for shape in ((3, 4), (5, 6))]
    content = build("PAD", [tensors[0], paddings], tensors[1:])
    assert assert_exact(content, [x], engine) == 30


@pytest.mark.parametrize("index", ["int32", "int64"])
@pytest.mark.parametrize(("mode", "most"), [(0, -1), (1, 0)])
def test_mirror_pad(engine: Engine, mode: int, most: int, index: str) -> None:
    """REFLECT can mirror one element fewer than SYMMETRIC."""
    rng = np.random.default_rng(19)
    for rank in range(1, 5):
        x = values(tuple(rng.integers(1, 6, rank).tolist()), "int8")
        sizes = np.array(x.shape)[:, None] + most
        for paddings in (rng.integers(0, sizes, (rank, 2), endpoint=True), sizes.repeat(2, 1)):
            inputs = (x, paddings.astype(index))
            exact(
                engine, case("MIRROR_PAD", *inputs, fixed=(1,), table="MirrorPadOptions", mode=mode)
            )
