"""ARG_MAX, ARG_MIN and CUMSUM against the engine."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert.schema_py_generated import TensorType

from tests.kernels.common import NUMBERS, OUTPUTS, assert_agrees, random_spec, random_values
from tests.single_op import Spec, build
from tflreplay.ground.engine import Engine

SHAPE = (5, 7, 11, 90)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "float32", "bool"])
@pytest.mark.parametrize(
    ("op", "table"), [("ARG_MAX", "ArgMaxOptions"), ("ARG_MIN", "ArgMinOptions")]
)
def test_arg(engine: Engine, op: str, table: str, dtype: str) -> None:
    rng = np.random.default_rng(1)
    for axis in range(-4, 4):
        target = ["int32", "int64"][axis % 2]
        y = Spec(tuple(np.delete(SHAPE, axis).tolist()), target)
        x = random_values(rng, SHAPE, dtype)
        if dtype != "bool":
            x = (x // 32).astype(dtype)  # several times the same
        inputs = [random_spec(rng, SHAPE, dtype), Spec((), "int32", data=np.int32(axis))]
        fields = {"outputType": getattr(TensorType, target.upper())}
        assert_agrees(build(op, inputs, [y], fields, table), [x], engine)


@pytest.mark.parametrize("dtype", NUMBERS)
def test_cumsum(engine: Engine, dtype: str) -> None:
    rng = np.random.default_rng(2)
    total = 0
    for axis in range(-4, 4):
        for exclusive, reverse in ((False, False), (True, False), (False, True), (True, True)):
            spec = Spec(SHAPE, dtype)
            x = random_values(rng, SHAPE, dtype)
            if dtype == "int32":
                x = x * np.int32(2**28)  # wraps
            content = build(
                "CUMSUM",
                [spec, Spec((), "int32", data=np.int32(axis))],
                [spec],
                {"exclusive": exclusive, "reverse": reverse},
                "CumsumOptions",
            )
            total += assert_agrees(content, [x], engine)
    assert total >= OUTPUTS
