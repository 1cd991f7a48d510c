from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.kernels.common import QUANTIZED, assert_agrees, random_spec, random_values
from tests.single_op import build
from tflreplay.ground.engine import Engine

ACTIVATIONS = ["NONE", "RELU", "RELU6", "RELU_N1_TO_1"]


@pytest.mark.parametrize(
    ("op", "dtype"),
    [
        *((op, t) for op in ("AVERAGE_POOL_2D", "MAX_POOL_2D") for t in (*QUANTIZED, "float32")),
        ("L2_POOL_2D", "float32"),
    ],
)
def test_pool(engine: Engine, op: str, dtype: str) -> None:
    rng = np.random.default_rng(13)
    total = 0
    for trial in range(60):
        padding = ["SAME", "VALID"][trial % 2]
        height, width = rng.integers(1, 24, 2).tolist()
        fh, fw = rng.integers(1, 9, 2).tolist()
        if padding == "VALID":
            fh, fw = min(fh, height), min(fw, width)
        if trial % 10 == 1:
            fh, fw = height, width  # global
        shape = (int(rng.integers(1, 4)), height, width, int(rng.integers(1, 150)))
        activation = ACTIVATIONS[int(rng.integers(4))]
        spec = random_spec(rng, shape, dtype)
        content = build(
            op,
            [spec],
            [replace(spec, shape=(1, 1, 1, 1))],
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
        x = random_values(rng, shape, dtype)
        if trial % 7 == 0:
            x = np.full(shape, x.min(), dtype)
        total += assert_agrees(content, [x], engine)
    assert total >= 100_000
