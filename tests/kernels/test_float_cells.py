"""LSTM and RNN on float32 over consecutive inferences, against the engine, within the tolerance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.kernels.common import reason_not_replayed
from tests.kernels.recurrent import assert_inferences_close
from tests.kernels.test_lstm import INFERENCES, KINDS, Kind, random_kind
from tests.single_op import Op, Spec, build_side_by_side
from tflreplay.ground.engine import Engine
from tflreplay.ops import card

OUTPUTS = 100_000
RELU, RELU_N1_TO_1, RELU6, TANH = 1, 2, 3, 4
(TOLERANCE,) = {
    row.tolerance for row in card("UNIDIRECTIONAL_SEQUENCE_RNN").rows() if row.types == ("float32",)
}


def normal(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> Spec:
    return Spec(shape, "float32", data=rng.normal(0, scale, shape).astype(np.float32))


def random_lstm(rng: np.random.Generator, kind: Kind, activation: int) -> Op:
    """Recurrent weights are small: the state must not amplify a difference in the last bit."""
    present = [not (kind.cifg and gate == 0) for gate in range(4)]

    def weights(rows: int, columns: int, spread: float) -> Spec:
        return normal(rng, rows, columns, scale=spread / np.sqrt(columns))

    def vector() -> Spec:
        return normal(rng, kind.cells)

    projection: list[Spec | None] = [None, None]
    if kind.projection:
        projection[0] = weights(kind.outputs, kind.cells, 1)
        projection[1] = normal(rng, kind.outputs) if rng.random() < 0.7 else None
    options: dict[str, Any] = {
        "fusedActivationFunction": activation,
        "cellClip": float(rng.choice([0, 1])),
        "projClip": float(rng.choice([0, 1])),
    }
    if kind.sequence:
        options["timeMajor"] = kind.time_major
    return Op(
        "UNIDIRECTIONAL_SEQUENCE_LSTM" if kind.sequence else "LSTM",
        [
            Spec(kind.input_shape, "float32"),
            *(weights(kind.cells, kind.depth, 3) if here else None for here in present),
            *(weights(kind.cells, kind.outputs, 0.3) if here else None for here in present),
            *(vector() if kind.peepholes and present[gate] else None for gate in (0, 1, 3)),
            *(vector() if here else None for here in present),
            *projection,
            Spec((kind.batch, kind.outputs), "float32", variable=True),
            Spec((kind.batch, kind.cells), "float32", variable=True),
            *(vector() if kind.normalization and here else None for here in present),
        ],
        [Spec((*kind.input_shape[:-1], kind.outputs), "float32")],
        options,
        "UnidirectionalSequenceLSTMOptions" if kind.sequence else "LSTMOptions",
    )


def random_rnn(rng: np.random.Generator, kind: Kind, activation: int) -> Op:
    units = kind.cells
    return Op(
        "UNIDIRECTIONAL_SEQUENCE_RNN",
        [
            Spec(kind.input_shape, "float32"),
            normal(rng, units, kind.depth, scale=1 / np.sqrt(kind.depth)),
            normal(rng, units, units, scale=0.7 / np.sqrt(units)),
            normal(rng, units),
            Spec((kind.batch, units), "float32", variable=True),
        ],
        [Spec((*kind.input_shape[:-1], units), "float32")],
        {"fusedActivationFunction": activation, "timeMajor": kind.time_major},
        "SequenceRNNOptions",
    )


def compared(rng: np.random.Generator, op: Op, engine: Engine) -> int:
    source = op.inputs[0]
    assert source is not None
    x = [rng.normal(0, 1, source.shape).astype(np.float32) for _ in range(INFERENCES)]
    x[-1][:] = 0
    return assert_inferences_close(build_side_by_side([op]), x, engine, TOLERANCE)


@pytest.mark.parametrize("has", KINDS.values(), ids=KINDS)
def test_lstm(engine: Engine, has: dict[str, bool]) -> None:
    rng = np.random.default_rng(len(has))
    total = 0
    while total < OUTPUTS // len(KINDS):
        activation = int(rng.choice([TANH, TANH, RELU, RELU6, RELU_N1_TO_1]))
        total += compared(rng, random_lstm(rng, random_kind(rng, **has), activation), engine)


def test_rnn(engine: Engine) -> None:
    rng = np.random.default_rng(5)
    total = 0
    while total < OUTPUTS:
        kind = random_kind(rng, time_major=bool(rng.random() < 0.5))
        activation = int(rng.choice([0, TANH, RELU, RELU6, RELU_N1_TO_1]))
        total += compared(rng, random_rnn(rng, kind, activation), engine)


@pytest.mark.parametrize("make", [random_lstm, random_rnn])
def test_integer_weights(make: Any) -> None:
    op = make(np.random.default_rng(6), Kind(2, 3, 5, 7, 7), TANH)
    codes = Spec((7, 5), "int8", np.float32(0.1), 0, np.ones((7, 5), np.int8))
    inputs = [codes if spec is not None and spec.shape == (7, 5) else spec for spec in op.inputs]
    content = build_side_by_side([Op(op.name, inputs, op.outputs, op.options, op.options_type)])
    x = [np.ones((2, 3, 5), np.float32)]
    assert reason_not_replayed(content, x) == f"{op.name} of float32 activations by int8 weights"


def test_lstm_without_an_activation() -> None:
    """The engine's gate is then whatever its memory held."""
    op = random_lstm(np.random.default_rng(7), Kind(2, 3, 5, 7, 7), 0)
    x = [np.ones((2, 3, 5), np.float32)]
    reason = reason_not_replayed(build_side_by_side([op]), x)
    assert reason == "UNIDIRECTIONAL_SEQUENCE_LSTM with a fused NONE"
