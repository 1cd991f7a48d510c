"""SVDF over consecutive inferences, against the engine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.kernels.common import reason_not_replayed
from tests.kernels.recurrent import assert_inferences_close, assert_inferences_exact
from tests.single_op import REFERENCE_ENGINE, Op, Spec, build_side_by_side, random_codes
from tflreplay.ground.engine import Engine
from tflreplay.ops import card
from tflreplay.runtimes import resolve
from tflreplay.runtimes.packages import installed

INFERENCES = 5
OUTPUTS = 100_000
RELU, RELU6, TANH = 1, 3, 4
(TOLERANCE,) = {row.tolerance for row in card("SVDF").rows() if row.types == ("float32",)}


def constant(data: np.ndarray, scale: float) -> Spec:
    return Spec(data.shape, data.dtype.name, np.float32(scale), 0, data)


def random_svdf(rng: np.random.Generator, state: str) -> Op:
    """With time weights and a state of this type; now and then the values pass their types."""
    batch = int(rng.choice([1, rng.integers(2, 100)]))
    depth, units, memory = (int(n) for n in rng.integers(1, 50, 3))
    rank = int(rng.integers(1, 4))
    filters = units * rank
    x_scale, w_scale, t_scale = (float(np.exp(rng.uniform(-6, -2))) for _ in range(3))
    features = random_codes(rng, (filters, depth), "int8")
    times = random_codes(rng, (filters, memory), state)
    half = 2.0 ** (8 * times.itemsize - 1)
    spread = float(rng.choice([0.3, 1, 5]))
    s_scale = np.sqrt(depth) * 74 * 74 * x_scale * w_scale / half / spread
    if rng.random() < 0.3:
        s_scale = 2.0 ** np.round(np.log2(s_scale))
    s_scale, t_scale = np.float32(s_scale), np.float32(t_scale)
    total = np.sqrt(memory * rank) * half * 0.5 * half * 0.5 * float(s_scale) * float(t_scale)
    out_scale = np.float32(total / 64 * rng.choice([0.3, 1, 5]))
    bias = rng.normal(0, total / float(s_scale * t_scale), units).clip(-(2.0**30), 2.0**30)
    return Op(
        "SVDF",
        [
            Spec((batch, depth), "int8", np.float32(x_scale), int(rng.integers(-128, 128))),
            constant(features, w_scale),
            constant(times, t_scale),
            constant(bias.astype(np.int32), s_scale * t_scale) if rng.random() < 0.8 else None,
            Spec(
                (batch, filters * memory),
                state,
                s_scale,
                int(rng.integers(-128, 128)) if state == "int8" else 0,
                variable=True,
            ),
        ],
        [Spec((batch, units), "int8", out_scale, int(rng.integers(-128, 128)))],
        {"rank": rank, "fusedActivationFunction": RELU},
        "SVDFOptions",
    )


def random_inputs(rng: np.random.Generator, op: Op) -> list[np.ndarray]:
    source = op.inputs[0]
    assert source is not None
    return [random_codes(rng, source.shape, "int8") for _ in range(INFERENCES)]


def test_integer(engine: Engine) -> None:
    rng = np.random.default_rng(1)
    total = 0
    while total < OUTPUTS:
        op = random_svdf(rng, "int16")
        total += assert_inferences_exact(build_side_by_side([op]), random_inputs(rng, op), engine)


def test_precision_of_multipliers() -> None:
    """A bias lets the output show the last bits of a large state."""
    rng = np.random.default_rng(5)
    for _ in range(40):
        content, inputs = telling_svdf(rng, 3000)
        assert assert_inferences_exact(content, inputs, REFERENCE_ENGINE)


def telling_svdf(rng: np.random.Generator, units: int) -> tuple[bytes, list[np.ndarray]]:
    depth = 50
    x_scale, w_scale = (np.float32(rng.uniform(1, 2)) for _ in range(2))
    s_scale = np.float32(float(x_scale) * float(w_scale) / rng.uniform(0.4, 0.8))
    features = random_codes(rng, (units, depth), "int8")
    x = random_codes(rng, (1, depth), "int8")
    sums = features.astype(np.int64) @ x[0].astype(np.int64)
    state = sums * float(x_scale) * float(w_scale) / float(s_scale)
    op = Op(
        "SVDF",
        [
            Spec(x.shape, "int8", x_scale, 0),
            constant(features, w_scale),
            constant(np.ones((units, 1), np.int16), 1.0),
            constant(-np.round(state).astype(np.int32), s_scale),
            Spec((1, units), "int16", s_scale, 0, variable=True),
        ],
        [Spec((1, units), "int8", s_scale, 0)],
        {"rank": 1, "fusedActivationFunction": RELU},
        "SVDFOptions",
    )
    return build_side_by_side([op]), [x]


@pytest.mark.skipif(not installed("tflm"), reason="TFLM is not installed")
@pytest.mark.parametrize("state", ["int8", "int16"])
def test_tflm(state: str) -> None:
    """TFLM wants a bias, of about the right scale."""
    rng = np.random.default_rng(2)
    engine = resolve(engine="tflm")
    total = 0
    while total < OUTPUTS:
        op = random_svdf(rng, state)
        if op.inputs[3] is not None:
            total += assert_inferences_exact(
                build_side_by_side([op]), random_inputs(rng, op), engine
            )


def test_eight_bit_state() -> None:
    """LiteRT reads past its end, and dies."""
    rng = np.random.default_rng(3)
    op = random_svdf(rng, "int8")
    reason = reason_not_replayed(build_side_by_side([op]), random_inputs(rng, op)[:1])
    assert reason == (
        "SVDF with int8 activations and a tensor of int8 as input 2: "
        "its kernel reads int16, past the end of the data"
    )


def floating(op: Op, rng: np.random.Generator, hybrid: bool) -> Op:
    """The same op on float32 activations, with weights of float32 or, hybrid, as they are."""
    inputs: list[Spec | None] = []
    for position, spec in enumerate(op.inputs):
        if spec is not None and not (hybrid and position in (1, 2)):
            data = None if spec.data is None else rng.normal(0, 1, spec.shape).astype(np.float32)
            spec = Spec(spec.shape, "float32", data=data, variable=spec.variable)
        inputs.append(spec)
    options = {
        **(op.options or {}),
        "fusedActivationFunction": int(rng.choice([0, RELU, RELU6, TANH])),
        "asymmetricQuantizeInputs": bool(rng.random() < 0.5),
    }
    (output,) = op.outputs
    return replace(op, inputs=inputs, outputs=[Spec(output.shape, "float32")], options=options)


@pytest.mark.parametrize("hybrid", [False, True], ids=["float32", "hybrid"])
def test_floating_point(engine: Engine, hybrid: bool) -> None:
    rng = np.random.default_rng(4)
    total = 0
    while total < OUTPUTS:
        op = floating(random_svdf(rng, "int8"), rng, hybrid)
        source = op.inputs[0]
        assert source is not None
        x = [rng.normal(0, 1, source.shape).astype(np.float32) for _ in range(INFERENCES)]
        x[1][0] = 0
        total += assert_inferences_close(build_side_by_side([op]), x, engine, TOLERANCE)
