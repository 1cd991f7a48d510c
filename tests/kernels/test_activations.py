from __future__ import annotations

import numpy as np
import pytest

from tests.kernels.common import assert_unary_exact, reason_not_replayed
from tests.single_op import Spec, build
from tflreplay.ground.engine import Engine


def test_logistic(engine: Engine) -> None:
    output = {"int8": (1 / 256, -128), "uint8": (1 / 256, 0)}
    assert assert_unary_exact(engine, "LOGISTIC", 400, 1, output) >= 100_000


def test_tanh(engine: Engine) -> None:
    output = {"int8": (1 / 128, 0), "uint8": (1 / 128, 128)}
    total = assert_unary_exact(engine, "TANH", 200, 2, output)
    assert total + assert_unary_exact(engine, "TANH", 200, 3) >= 100_000


@pytest.mark.parametrize("op", ["RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1"])
def test_relu_family(engine: Engine, op: str) -> None:
    assert assert_unary_exact(engine, op, 400, 4) >= 100_000


def test_leaky_relu(engine: Engine) -> None:
    alphas = [0.0, 0.5, *np.random.default_rng(5).uniform(-1.5, 1.5, 98).tolist()]
    total = sum(
        assert_unary_exact(
            engine, "LEAKY_RELU", 4, seed, None, {"alpha": alpha}, "LeakyReluOptions"
        )
        for seed, alpha in enumerate(alphas)
    )
    assert total >= 100_000


def test_a_type_that_changes_is_not_replayed() -> None:
    content = build("RELU", [Spec((4,), "int8", 0.1)], [Spec((4,), "uint8", 0.1)])
    assert "RELU from int8 to uint8" in reason_not_replayed(content, [np.zeros(4, np.int8)])
