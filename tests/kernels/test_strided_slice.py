from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.kernels.common import reason_not_replayed
from tests.kernels.moving import case, values
from tests.single_op import assert_exact
from tflreplay.ground.engine import Engine


def _model(x: np.ndarray, spec: np.ndarray, masks: dict[str, int]) -> bytes:
    options = {f"{name}Mask": bits for name, bits in masks.items()}
    return case(
        "STRIDED_SLICE", x, *spec, fixed=(1, 2, 3), table="StridedSliceOptions", **options
    ).model()


def test_strided_slice(engine: Engine) -> None:
    """Random positions, strides of both signs and all five masks."""
    rng = np.random.default_rng(16)
    outputs = replayed = 0
    for _ in range(400):
        rank = int(rng.integers(1, 5))
        x = values(tuple(rng.integers(1, 7, rank).tolist()), "int8")
        positions = int(rng.integers(1, rank + 1))
        begin, end = rng.integers(-8, 9, (2, positions))
        strides = rng.choice([1, 1, 1, 2, 3, -1, -2], positions)
        masks = {
            name: int(rng.integers(2**positions) & rng.integers(2**positions))
            for name in ("begin", "end", "shrinkAxis")
        }
        masks["newAxis"] = 0
        if rank + 1 <= 4 and rng.random() < 0.5:
            masks["newAxis"] = 1 << int(rng.integers(positions))
        masks["ellipsis"] = 1 << int(rng.integers(positions)) if rng.random() < 0.5 else 0
        content = _model(x, np.stack([begin, end, strides]).astype(np.int32), masks)
        try:
            outputs += assert_exact(content, [x], engine)
        except AssertionError as error:
            if "STRIDED_SLICE that takes no element" not in str(error):
                raise
        else:
            replayed += 1
    assert replayed > 200
    assert outputs > 1000


@pytest.mark.parametrize(
    ("spec", "masks"),
    [
        (((0,), (0,), (-1,)), {"begin": 1, "end": 1}),
        (((1, 2, 3), (0, 0, 0), (1, 1, 1)), {"shrinkAxis": 7}),
        (((-1, 9), (0, 9), (1, 1)), {"ellipsis": 2, "shrinkAxis": 1}),
        (((0, 0, 1), (0, 0, 2), (1, 1, 1)), {"ellipsis": 1, "newAxis": 2}),
        (((0, 0, 0, -1), (0, 0, 0, -3), (1, 1, 1, -1)), {"ellipsis": 4, "newAxis": 3}),
    ],
)
def test_strided_slice_masks(engine: Engine, spec: Any, masks: dict[str, int]) -> None:
    x = values((3, 4, 5), "int8")
    assert assert_exact(_model(x, np.array(spec, np.int32), masks), [x], engine) > 0


@pytest.mark.parametrize(
    ("spec", "masks"),
    [
        (((9,), (10,), (1,)), {"shrinkAxis": 1}),
        (((2,), (3,), (-1,)), {"shrinkAxis": 1}),
        (((0, 0, 0, 0), (1, 1, 1, 1), (1, 1, 1, 1)), {"ellipsis": 1}),
    ],
)
def test_strided_slice_that_the_engine_gets_wrong(spec: Any, masks: dict[str, int]) -> None:
    x = values((3, 4, 5), "int8")
    content = _model(x, np.array(spec, np.int32), masks)
    assert "STRIDED_SLICE" in reason_not_replayed(content, [x])
