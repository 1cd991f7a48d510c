"""MEAN against the engine."""

from __future__ import annotations

import numpy as np
import pytest

from tests.kernels.test_conv import OUTPUTS, zero_point
from tests.single_op import Spec, assert_exact, build, random_codes, random_scale
from tflreplay.engine import Engine

AXES = [(1, 2), (2, 1), (-2, -3), (1,), (0,), (3,), (-1,), (0, 1, 2, 3), (2, 3), (1, 1, 2)]


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_random(engine: Engine, dtype: str) -> None:
    rng = np.random.default_rng(1)
    total = 0
    while total < OUTPUTS:
        axes = AXES[int(rng.integers(len(AXES)))]
        shape = tuple(int(n) for n in rng.integers(1, 12, 4))
        keep = bool(rng.random() < 0.5)
        reduced = {axis % 4 for axis in axes}
        result = tuple(1 if i in reduced else n for i, n in enumerate(shape))
        if not keep:
            result = tuple(n for i, n in enumerate(shape) if i not in reduced)
        x = Spec(shape, dtype, random_scale(rng), zero_point(rng, dtype))
        factor = 2.0 ** rng.integers(-12, 12) if rng.random() < 0.5 else rng.uniform(0.1, 1.2)
        y = Spec(result, dtype, np.float32(x.scale * factor), zero_point(rng, dtype))
        indices = Spec((len(axes),), "int32", data=np.array(axes, np.int32))
        content = build("MEAN", [x, indices], [y], {"keepDims": keep}, "ReducerOptions", version=2)
        total += assert_exact(content, [random_codes(rng, shape, dtype)], engine)


def test_spatial_mean_as_networks_use_it(engine: Engine) -> None:
    rng = np.random.default_rng(2)
    axes = Spec((2,), "int32", data=np.array([1, 2], np.int32))
    for size in (1, 2, 3, 7, 8, 14, 56):
        x = Spec((1, size, size, 37), "int8", random_scale(rng), zero_point(rng, "int8"))
        for keep, shape in ((True, (1, 1, 1, 37)), (False, (1, 37))):
            y = Spec(shape, "int8", x.scale, x.zero_point)
            content = build("MEAN", [x, axes], [y], {"keepDims": keep}, "ReducerOptions", 2)
            assert_exact(content, [random_codes(rng, x.shape, "int8")], engine)
