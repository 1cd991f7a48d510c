from __future__ import annotations

import numpy as np
import pytest

from tests.kernels.common import reason_not_replayed
from tests.kernels.moving import ENUM, case, exact, values
from tests.single_op import random_codes
from tflreplay.ground.engine import Engine


@pytest.mark.parametrize("index", ["int16", "int32"])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int64", "float32"])
def test_topk_v2(engine: Engine, dtype: str, index: str) -> None:
    """Few different values, so that ties abound; the extremes among them."""
    rng = np.random.default_rng(22)
    for shape in ((60,), (40, 50), (2, 3, 300)):
        x = values(shape, dtype)
        x = rng.choice(np.unique(x)[[0, 1, 5, -2, -1]], shape)
        for k in (1, int(shape[-1]) // 2, shape[-1]):
            outputs = (dtype, index)
            exact(engine, case("TOPK_V2", x, np.array(k, index), fixed=(1,), outputs=outputs))


def test_topk_v2_of_special_numbers(engine: Engine) -> None:
    x = np.array([np.nan, 0.0, -np.inf, -0.0, np.inf, np.nan, 1e-45, 2, np.inf], np.float32)
    for k in (3, 9):
        exact(engine, case("TOPK_V2", x, np.array(k, np.int32), outputs=("float32", "int32")))


@pytest.mark.parametrize("index", ["int32", "int64"])
@pytest.mark.parametrize("dtype", ["int8", "int64", "float32"])
def test_unique(engine: Engine, dtype: str, index: str) -> None:
    rng = np.random.default_rng(23)
    for size in (1, 7, 5000):
        x = (random_codes(rng, (size,), "int8") // 2).astype(dtype)
        options = {"table": "UniqueOptions", "idxOutType": ENUM[index]}
        exact(engine, case("UNIQUE", x, outputs=(dtype, index), **options))


def test_unique_of_nan() -> None:
    x = np.array([1, np.nan], np.float32)
    moved = case("UNIQUE", x, outputs=("float32", "int32"), table="UniqueOptions", idxOutType=2)
    assert reason_not_replayed(moved.model(), [x]) == "UNIQUE of NaN"
