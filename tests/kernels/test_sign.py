from __future__ import annotations

import numpy as np
import pytest

from tests.kernels.common import OUTPUTS, random_values
from tests.single_op import Spec, build, run_engine, run_replay
from tflreplay.ground.engine import Engine

SHAPE = (4, 65, 130)
TELLING = {
    "float32": [np.nan, -np.nan, np.inf, -np.inf, 1e-45, -1e-45, 0.0, -0.0],
    "float64": [np.nan, -np.nan, np.inf, -np.inf, 5e-324, -5e-324, 0.0, -0.0],
    "int32": [2**31 - 1, -(2**31), 1, -1, 0],
}


@pytest.mark.parametrize("dtype", TELLING)
def test_sign(engine: Engine, dtype: str) -> None:
    """Bit for bit: of NaN, infinities, the smallest numbers and both zeros too."""
    rng = np.random.default_rng(1)
    content = build("SIGN", [Spec(SHAPE, dtype)], [Spec(SHAPE, dtype)])
    total = 0
    while total < OUTPUTS:
        x = random_values(rng, SHAPE, dtype).astype(dtype)
        x.flat[: len(TELLING[dtype])] = TELLING[dtype]
        (ours,), (theirs,) = (run(content, [x], engine) for run in (run_replay, run_engine))
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        np.testing.assert_array_equal(*(each.view(f"u{x.itemsize}") for each in (ours, theirs)))
        total += theirs.size
