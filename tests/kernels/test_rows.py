"""SOFTMAX, LOG_SOFTMAX and L2_NORMALIZATION of the types beside 8-bit SOFTMAX."""

from __future__ import annotations

import numpy as np
import pytest

from tests.kernels.common import OUTPUTS, assert_agrees, random_spec, random_values
from tests.single_op import Spec, build, random_scale
from tflreplay.ground.engine import Engine

SHAPES = ((300, 17), (5, 7, 100), (3, 2, 2, 400), (2000, 3), (1500,))
# Scale and zero point of the output, by op and type.
OUTPUT = {
    ("SOFTMAX", "int16"): (2.0**-15, 0),
    ("LOG_SOFTMAX", "int8"): (1 / 16, 127),
    ("LOG_SOFTMAX", "uint8"): (1 / 16, 255),
    ("L2_NORMALIZATION", "int8"): (1 / 128, 0),
    ("L2_NORMALIZATION", "uint8"): (1 / 128, 128),
    **{(op, "float32"): () for op in ("SOFTMAX", "LOG_SOFTMAX", "L2_NORMALIZATION")},
}
TABLES = {"SOFTMAX": "SoftmaxOptions", "L2_NORMALIZATION": "L2NormOptions"}


@pytest.mark.parametrize(("op", "dtype"), OUTPUT)
def test_random(engine: Engine, op: str, dtype: str) -> None:
    rng = np.random.default_rng(1)
    total = 0
    while total < OUTPUTS:
        for shape in SHAPES:
            x, values = random_spec(rng, shape, dtype), random_values(rng, shape, dtype)
            if rng.random() < 0.5 and dtype != "float32":  # close together: a large sum
                values = (values // 16).astype(dtype)
            y = Spec(shape, dtype, *OUTPUT[op, dtype])
            fields = {"beta": float(rng.choice([1.0, 0.5, 2.0]))} if op == "SOFTMAX" else {}
            content = build(op, [x], [y], fields, TABLES.get(op))
            total += assert_agrees(content, [values], engine)


@pytest.mark.parametrize("op", ["LOG_SOFTMAX", "L2_NORMALIZATION"])
def test_equal_and_single_elements(engine: Engine, op: str) -> None:
    for dtype in ("int8", "uint8"):
        for depth in (1, 2, 3000):
            for code in (0, 5, 120):
                values = np.full((2, depth), code, dtype)
                x, y = (
                    Spec(values.shape, dtype, 0.01, 5),
                    Spec(values.shape, dtype, *OUTPUT[op, dtype]),
                )
                assert_agrees(build(op, [x], [y], {}, TABLES.get(op)), [values], engine)


@pytest.mark.parametrize("zero_point", [0, -32768])
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_softmax_to_16_bits(engine: Engine, dtype: str, zero_point: int) -> None:
    """The reference kernel takes the zero point to be the lowest code, whatever it is."""
    rng = np.random.default_rng(2)
    total = 0
    while total < OUTPUTS:
        for shape in SHAPES:
            x = random_spec(rng, shape, dtype, random_scale(rng, 1e-3, 1))
            y = Spec(shape, "int16", 2.0**-16, zero_point)
            content = build("SOFTMAX", [x], [y], {"beta": 1.0}, "SoftmaxOptions")
            total += assert_agrees(content, [random_values(rng, shape, dtype)], engine)
