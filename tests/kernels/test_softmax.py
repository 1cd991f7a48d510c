from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kernels.common import reason_not_replayed
from tests.selected_rows import CONFIRMED
from tests.single_op import Spec, assert_exact, build, random_codes, random_scale, run_replay
from tflreplay.ground.engine import NEWEST, Engine
from tflreplay.ground.fixed_point import exp_on_negative_values, one_over_one_plus_x

LOWEST = {"int8": -128, "uint8": 0}


def _model(shape: tuple[int, ...], dtype: str, scale: float, beta: float = 1.0) -> bytes:
    return build(
        "SOFTMAX",
        [Spec(shape, dtype, scale, 3)],
        [Spec(shape, dtype, 1 / 256, LOWEST[dtype])],
        {"beta": beta},
        "SoftmaxOptions",
    )


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_softmax(engine: Engine, dtype: str) -> None:
    rng = np.random.default_rng(7)
    total = 0
    for trial in range(150):
        depth = int(rng.choice([1, 2, 10, 101, 511, rng.integers(1, 512)]))
        shape = [(depth,), (9, depth), (2, 3, depth), (1, 3, 2, depth)][trial % 4]
        x = random_codes(rng, shape, dtype)
        if trial % 3 == 0:  # many values near the maximum: a large sum
            x = (x // 16).astype(dtype)
        beta = float(rng.choice([1.0, 1.0, 0.3, 2.5]))
        total += assert_exact(
            _model(shape, dtype, random_scale(rng, 1e-5, 30.0), beta), [x], engine
        )
    assert total >= 100_000


@pytest.mark.parametrize("depth", [1, 2, 256, 511])
def test_equal_logits(engine: Engine, depth: int) -> None:
    for value in (-128, 0, 127):
        x = np.full((4, depth), value, np.int8)
        assert_exact(_model(x.shape, "int8", 0.1), [x], engine)


def test_a_sum_that_aborts_the_engine_is_not_replayed() -> None:
    content = _model((1, 512), "int8", 0.1)
    assert "512 or more" in reason_not_replayed(content, [np.zeros((1, 512), np.int8)])


def test_int16_in_tflm_as_recorded() -> None:
    """Rows of which LiteRT's tables, or its multiplier, give other codes, and some others.

    The codes were read from tflite-micro 0.dev20261023182759 on x86-64: ``Interpreter.from_bytes``,
    ``set_input``, ``invoke`` and ``get_output`` on each of these models.
    """
    recorded = np.load(Path(__file__).with_name("tflm_softmax_int16.npz"))
    engine = Engine("tflm", "tflm", NEWEST["tflm"])
    for model, (scale, beta) in enumerate(zip(recorded["scale"], recorded["beta"], strict=True)):
        x, theirs = recorded[f"x{model}"], recorded[f"y{model}"]
        source, target = (Spec(x.shape, "int16", unit, 0) for unit in (scale, 2.0**-15))
        fields = {"beta": float(beta)}
        content = build("SOFTMAX", [source], [target], fields, "SoftmaxOptions")
        CONFIRMED.engine_gave(engine, [theirs])
        np.testing.assert_array_equal(run_replay(content, [x], engine)[0], theirs)
        assert (run_replay(content, [x])[0] != theirs).any()


@given(st.integers(-(2**31), 0))
def test_fixed_point_exp(raw: int) -> None:
    ours = int(exp_on_negative_values(np.array([raw], np.int64))[0]) / 2**31
    assert ours == pytest.approx(math.exp(raw / 2**26), abs=1e-6)


@given(st.integers(0, 2**31 - 1))
def test_fixed_point_reciprocal(raw: int) -> None:
    ours = int(one_over_one_plus_x(np.array([raw], np.int64))[0]) / 2**31
    assert ours == pytest.approx(1 / (1 + raw / 2**31), abs=1e-7)
