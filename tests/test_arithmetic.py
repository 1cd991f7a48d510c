"""Which row of the tables an operator gets, by engine and version."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.single_op import Spec, build
from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import NotReplayed
from tflreplay.model import parse
from tflreplay.ops import Row, row_of
from tflreplay.ops.base.precision import Precision
from tflreplay.ops.leaky_relu import leaky_relu, leaky_relu_signed


def row(content: bytes, engine: Engine) -> Row:
    graph = parse(content, Path("single_op.tflite")).main
    return row_of(engine, graph, graph.operators[0])


@pytest.mark.parametrize(
    ("engine", "rule"),
    [
        (Engine("reference", "litert", "1.2.0"), "double"),
        (Engine("reference", "litert", "1.3.0"), "float-away64"),
        (Engine("reference", "tensorflow", "2.9.0"), "double"),
        (Engine("reference", "tensorflow", "2.19.1"), "double"),
        (Engine("reference", "tensorflow", "2.20.0"), "float-away64"),
        (Engine("reference", "tflite-runtime", "2.14.0"), "double"),
        (Engine("optimized", "tensorflow", "2.19.1"), "double-up"),
        (Engine("optimized", "litert", "2.3.0"), "double-up"),
    ],
)
def test_fully_connected(engine: Engine, rule: str) -> None:
    for scale, multiplier in (([0.5, 0.25], Precision.FLOAT64), ([0.5], Precision.FLOAT32_PRODUCT)):
        weights = Spec((2, 3), "int8", scale, 0, np.ones((2, 3), np.int8))
        inputs = [Spec((1, 3), "int8", 0.5), weights, None]
        found = row(build("FULLY_CONNECTED", inputs, [Spec((1, 2), "int8", 0.5)]), engine)
        assert found.rule == rule
        assert found.multiplier == (Precision.FLOAT64 if rule == "float-away64" else multiplier)


@pytest.mark.parametrize(
    ("engine", "kernel"),
    [
        (Engine("reference", "litert", "2.1.3"), leaky_relu_signed),
        (Engine("reference", "litert", "2.1.4"), leaky_relu),
        (Engine("optimized", "tensorflow", "2.21.0"), leaky_relu_signed),
    ],
)
def test_leaky_relu(engine: Engine, kernel: object) -> None:
    x = Spec((4,), "int8", 0.5)
    content = build("LEAKY_RELU", [x], [x], {"alpha": -0.5}, "LeakyReluOptions")
    assert row(content, engine).kernel is kernel


def test_a_version_that_cannot_be_compared_says_so() -> None:
    with pytest.raises(NotReplayed, match="'of unknown version' is not one"):
        Engine("reference", "litert", "of unknown version").at_least({"litert": "1.0"})


def test_a_version_whose_arithmetic_is_not_modelled_says_so() -> None:
    axes = Spec((1,), "int32", data=np.array([1], np.int32))
    content = build(
        "MEAN", [Spec((2, 3), "int8", 1.0), axes], [Spec((2,), "int8", 1.0)], {}, "ReducerOptions"
    )
    assert row(content, Engine("reference", "tensorflow", "2.13.1")).rule == "double"
    with pytest.raises(NotReplayed, match=r"not modelled for tensorflow 2\.12\.1"):
        row(content, Engine("reference", "tensorflow", "2.12.1"))
