from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.single_op import Spec, assert_exact, build, random_codes, random_scale
from tflreplay.engine import Engine

ACTIVATIONS = ["NONE", "RELU", "RELU6", "RELU_N1_TO_1"]


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("op", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
def test_pool(engine: Engine, op: str, dtype: str) -> None:
    rng = np.random.default_rng(13)
    info = np.iinfo(dtype)
    total = 0
    for trial in range(150):
        padding = ["SAME", "VALID"][trial % 2]
        height, width = rng.integers(1, 24, 2).tolist()
        fh, fw = rng.integers(1, 9, 2).tolist()
        if padding == "VALID":
            fh, fw = min(fh, height), min(fw, width)
        if trial % 10 == 1:
            fh, fw = height, width  # global
        shape = (int(rng.integers(1, 4)), height, width, int(rng.integers(1, 40)))
        activation = ACTIVATIONS[int(rng.integers(4))]
        quantized = (random_scale(rng), int(rng.integers(info.min, info.max)))
        content = build(
            op,
            [Spec(shape, dtype, *quantized)],
            [Spec((1, 1, 1, 1), dtype, *quantized)],
            {
                "padding": getattr(schema.Padding, padding),
                "strideH": int(rng.integers(1, 5)),
                "strideW": int(rng.integers(1, 5)),
                "filterHeight": fh,
                "filterWidth": fw,
                "fusedActivationFunction": getattr(schema.ActivationFunctionType, activation),
            },
            "Pool2DOptions",
        )
        x = random_codes(rng, shape, dtype)
        if trial % 7 == 0:
            x = np.full(shape, info.min, dtype)
        total += assert_exact(content, [x], engine)
    assert total >= 100_000
