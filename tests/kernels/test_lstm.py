"""LSTM and UNIDIRECTIONAL_SEQUENCE_LSTM on int8 over consecutive inferences, against the engine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from tests.kernels.common import reason_not_replayed
from tests.kernels.recurrent import assert_inferences_exact, litert, replayed
from tests.single_op import REFERENCE_ENGINE, Op, Spec, build_side_by_side, random_codes
from tflreplay.ground.engine import Engine
from tflreplay.runtimes import resolve
from tflreplay.runtimes.packages import installed

INFERENCES = 3
OUTPUTS = 100_000
MODELS = 8  # of each kind, at least
TANH = 4
KINDS: dict[str, dict[str, bool]] = {
    "plain": {},
    "without an input gate": {"cifg": True},
    "peepholes": {"peepholes": True},
    "projection": {"projection": True},
    "normalization": {"normalization": True},
    "all": {"cifg": True, "peepholes": True, "projection": True, "normalization": True},
    "time first": {"time_major": True, "peepholes": True, "projection": True},
    "one step": {"sequence": False, "projection": True},
}


@dataclass(frozen=True)
class Kind:
    """What an LSTM has, and its sizes; ``outputs`` is that of ``cells`` without a projection."""

    batch: int
    steps: int
    depth: int
    cells: int
    outputs: int
    cifg: bool = False
    peepholes: bool = False
    projection: bool = False
    normalization: bool = False
    time_major: bool = False
    sequence: bool = True

    @property
    def input_shape(self) -> tuple[int, ...]:
        if not self.sequence:
            return self.batch, self.depth
        lead = (self.steps, self.batch) if self.time_major else (self.batch, self.steps)
        return (*lead, self.depth)


def random_kind(rng: np.random.Generator, projection: bool = False, **has: bool) -> Kind:
    depth, cells = (int(n) for n in rng.integers(1, 70, 2))
    outputs = int(rng.integers(1, cells + 1)) if projection else cells
    batch = int(rng.choice([1, rng.integers(2, 100)]))
    steps = int(rng.integers(1, 6))
    return Kind(batch, steps, depth, cells, outputs, projection=projection, **has)


def constant(data: np.ndarray, scale: Any) -> Spec:
    return Spec(data.shape, data.dtype.name, np.float32(scale), 0, data)


def random_lstm(rng: np.random.Generator, kind: Kind) -> Op:
    """Sums of a gate spread over a part of int16 or go far beyond it."""
    spread = float(np.exp(rng.uniform(np.log(0.2), np.log(20))))
    x_scale, h_scale = (np.float32(rng.uniform(0.5, 1.5) / 128) for _ in range(2))
    zero_points = [0, *rng.integers(-128, 128, 2), -128, 127]
    x_zero, h_zero = (int(rng.choice(zero_points)) for _ in range(2))
    present = [not (kind.cifg and gate == 0) for gate in range(4)]

    def weights(depth: int) -> Spec:
        # A uniform code is 74 codes from 0 in the mean square.
        scale = spread * rng.uniform(0.5, 1.5) / (np.sqrt(depth) * 74 * 74 * float(x_scale))
        if rng.random() < 0.3:
            scale = 2.0 ** np.round(np.log2(scale))
        return constant(random_codes(rng, (kind.cells, depth), "int8"), scale)

    def peephole() -> Spec:
        scale = rng.choice([2.0**-15, 2.0**-11, 1.7e-4])
        return constant(random_codes(rng, (kind.cells,), "int16"), scale)

    def norm() -> Spec:
        return constant(random_codes(rng, (kind.cells,), "int16"), rng.uniform(0.2, 4) / 32768)

    def bias(limit: float, size: int) -> Spec:
        return constant(rng.integers(-limit, limit, size).astype(np.int32), 1e-5)

    limit = 2**20 if kind.normalization else 20000 * np.sqrt(kind.depth)
    hidden = Spec((0,), "int8", h_scale, h_zero)
    projection: list[Spec | None] = [None, None]
    if kind.projection:
        hidden = Spec((0,), "int8", np.float32(rng.uniform(0.5, 1) / 128), int(rng.integers(-9, 9)))
        codes = random_codes(rng, (kind.outputs, kind.cells), "int8")
        projection[0] = constant(codes, 1 / (np.sqrt(kind.cells) * 74))
        projection[1] = bias(3000, kind.outputs) if rng.random() < 0.7 else None
    sums = Spec((0,), "int16", np.float32(rng.uniform(0.5, 2) * 2.0**-12 * max(1, spread / 8)))
    options = {
        "fusedActivationFunction": TANH,
        "cellClip": float(rng.choice([0, 0, rng.uniform(0.1, 3), 1e-9, 99])),
        "projClip": float(rng.choice([0, 0, rng.uniform(0.1, 1), 99])),
    }
    if kind.sequence:
        options["timeMajor"] = kind.time_major
    return Op(
        "UNIDIRECTIONAL_SEQUENCE_LSTM" if kind.sequence else "LSTM",
        [
            Spec(kind.input_shape, "int8", x_scale, x_zero),
            *(weights(kind.depth) if here else None for here in present),
            *(weights(kind.outputs) if here else None for here in present),
            *(peephole() if kind.peepholes and present[gate] else None for gate in (0, 1, 3)),
            *(bias(limit, kind.cells) if here else None for here in present),
            *projection,
            Spec((kind.batch, kind.outputs), "int8", h_scale, h_zero, variable=True),
            Spec(
                (kind.batch, kind.cells),
                "int16",
                np.float32(2.0 ** rng.integers(-15, -8)),
                variable=True,
            ),
            *(norm() if kind.normalization and here else None for here in present),
        ],
        [Spec((*kind.input_shape[:-1], kind.outputs), "int8", h_scale, h_zero)],
        options,
        "UnidirectionalSequenceLSTMOptions" if kind.sequence else "LSTMOptions",
        intermediates=[*[sums] * 4, hidden],
    )


def random_inputs(rng: np.random.Generator, op: Op, count: int = INFERENCES) -> list[np.ndarray]:
    source = op.inputs[0]
    assert source is not None
    inputs = [random_codes(rng, source.shape, source.dtype) for _ in range(count)]
    inputs[-1][:] = source.zero_point  # where only the state makes a difference
    return inputs


def with_input(op: Op, position: int, **changes: Any) -> Op:
    inputs = list(op.inputs)
    spec = inputs[position]
    assert spec is not None
    inputs[position] = replace(spec, **changes)
    return replace(op, inputs=inputs)


def plain(**changes: Any) -> tuple[np.random.Generator, Op]:
    rng = np.random.default_rng(1)
    kind = replace(Kind(2, 3, 5, 7, 7), **changes)
    return rng, random_lstm(rng, kind)


def with_codes(op: Op, position: int, low: int, high: int, rng: np.random.Generator) -> Op:
    """Constants drawn anew, from low to high."""
    spec = op.inputs[position]
    assert spec is not None
    return with_input(op, position, data=rng.integers(low, high + 1, spec.shape).astype(spec.dtype))


def cancelling(rng: np.random.Generator, cells: int) -> Op:
    """In its second inference both sums of the cell gate are large, and cancel.

    Each is rescaled before; so their last bits, where it shows how precisely the multipliers are
    computed, decide the output. The first inference saturates the hidden state at 127.
    """
    _, op = plain(batch=1, steps=1, cells=cells, outputs=cells)
    x, w, h, r = (np.float32(rng.uniform(1, 2) * s) for s in (2**-7, 2**-14, 2**-13, 2**-6))
    lowest = -128
    for position in range(1, 9):
        op = with_codes(op, position, 0, 0, rng)
        op = with_input(op, position, scale=w if position < 5 else r)
    recurrent = float(h) * float(r) * 2**12 * (127 - lowest)
    codes = rng.uniform(-32000, -20000, (cells, 1)) / recurrent / cells
    codes = np.round(codes + rng.uniform(-1, 1, (cells, cells))).clip(-127, 127).astype(np.int8)
    biases = np.full((4, cells), 30000.0)
    biases[1] = -30000
    biases[2] = -recurrent * codes.sum(axis=1, dtype=np.int64)
    for position, bias in enumerate(biases / (float(x) * float(w) * 2**12), 12):
        op = with_input(op, position, data=bias.astype(np.int32))
    op = with_input(op, 7, data=codes)
    op = with_input(op, 0, scale=x)
    op = with_input(op, 18, scale=h, zero_point=lowest)
    op = with_input(op, 19, scale=np.float32(2.0**-14))
    return replace(
        op,
        outputs=[replace(op.outputs[0], scale=h, zero_point=lowest)],
        options={**(op.options or {}), "cellClip": 0.0},
        intermediates=[*op.intermediates[:4], Spec((0,), "int8", h, lowest)],
    )


def reason(op: Op) -> str:
    return reason_not_replayed(
        build_side_by_side([op]), random_inputs(np.random.default_rng(2), op, 1)
    )


@pytest.mark.parametrize("has", KINDS.values(), ids=KINDS)
def test_integer(engine: Engine, has: dict[str, bool]) -> None:
    rng = np.random.default_rng(len(has))
    total = models = 0
    while models < MODELS or total < OUTPUTS // len(KINDS):
        models += 1
        op = random_lstm(rng, random_kind(rng, **has))
        total += assert_inferences_exact(build_side_by_side([op]), random_inputs(rng, op), engine)


def test_without_the_last_four_inputs() -> None:
    rng, op = plain()
    op = replace(op, inputs=op.inputs[:20])
    assert assert_inferences_exact(
        build_side_by_side([op]), random_inputs(rng, op), REFERENCE_ENGINE
    )


@pytest.mark.parametrize("scale", [2.0**-9, 2.0**-12])
def test_peepholes_and_small_sums(engine: Engine, scale: float) -> None:
    """Normalization makes a difference of 1 in a gate's sum large: ties that the peepholes round,
    and variances below 1.
    """
    rng, op = plain(batch=60, steps=5, cells=41, outputs=41, peepholes=True, normalization=True)
    for position in range(1, 9):
        op = with_input(op, position, scale=np.float32(1e-9))
    for position in (9, 10, 11):
        op = with_codes(op, position, -3, 3, rng)
        op = with_input(op, position, scale=np.float32(scale))
    for position in range(20, 24):
        op = with_input(op, position, scale=np.float32(1e-3))
    op = with_input(op, 19, scale=np.float32(2.0**-9))
    sums = replace(op.intermediates[0], scale=np.float32(2.0**-10))
    op = replace(op, intermediates=[*[sums] * 4, op.intermediates[4]])
    op = replace(op, options={**(op.options or {}), "cellClip": 0.0})
    assert assert_inferences_exact(build_side_by_side([op]), random_inputs(rng, op), engine)


def test_precision_of_multipliers() -> None:
    rng = np.random.default_rng(4)
    for _ in range(40):
        op = cancelling(rng, 500)
        assert assert_inferences_exact(
            build_side_by_side([op]), random_inputs(rng, op, 2), REFERENCE_ENGINE
        )


@pytest.mark.parametrize("exponent", [-9, -10, -11])
def test_cell_state_far_from_zero(exponent: int) -> None:
    """Beyond 16, which tanh doubles, gemmlowp's exponential is cut."""
    rng, op = plain(batch=9, steps=80, cells=30, outputs=30)
    for gate, low in enumerate((2**29, 2**29, -(2**29), -(2**16))):
        op = with_codes(op, 12 + gate, low, 2**29, rng)
    op = with_input(op, 19, scale=np.float32(2.0**exponent))
    op = replace(op, options={**(op.options or {}), "cellClip": 0.0})
    assert assert_inferences_exact(
        build_side_by_side([op]), random_inputs(rng, op), REFERENCE_ENGINE
    )


def test_state_is_carried_and_begins_anew() -> None:
    rng, op = plain()
    content = build_side_by_side([op])
    (x, *_) = random_inputs(rng, op)
    first, second = replayed(content, [x, x], REFERENCE_ENGINE)
    assert (first != second).any()
    np.testing.assert_array_equal(replayed(content, [x], REFERENCE_ENGINE)[0], first)


def test_single_rounding_differs() -> None:
    """The rule reaches the sums and the hidden state."""
    rng, op = plain(batch=50)
    content, inputs = build_side_by_side([op]), random_inputs(rng, op)
    theirs = litert(content, inputs, REFERENCE_ENGINE)
    ours = replayed(content, inputs, Engine("single"))
    assert any((a != b).any() for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("scale", [2.0**-8, 2.0**-16, 3e-4])
def test_cell_state_of_another_scale(scale: float) -> None:
    _, op = plain()
    assert "takes powers of two from 2**-15 to 2**-9" in reason(
        with_input(op, 19, scale=np.float32(scale))
    )


def test_peepholes_and_more_outputs_than_cells() -> None:
    _, op = plain(outputs=9, projection=True, peepholes=True)
    assert "reads past the end of the weights" in reason(op)


def test_sums_of_eight_bits() -> None:
    """The other kernel for LSTM, which reads outside of an array."""
    _, op = plain(sequence=False, projection=True)
    twelve = [*op.intermediates[:4]] * 3
    assert reason(replace(op, intermediates=twelve)) == "LSTM with 12 intermediate tensors, not 5"


def test_types() -> None:
    _, op = plain()
    cell = with_input(op, 19, dtype="int8", scale=np.float32(2.0**-12))
    assert reason(cell) == "UNIDIRECTIONAL_SEQUENCE_LSTM with a cell state of int8"
    weights = random_codes(np.random.default_rng(0), (7, 5), "uint8")
    by = with_input(op, 2, dtype="uint8", data=weights)
    assert reason(by) == "UNIDIRECTIONAL_SEQUENCE_LSTM of int8 activations by uint8 weights"


def of_tflm(op: Op, dtype: str, rng: np.random.Generator) -> Op:
    """As TFLM takes it: int16 activations go with int64 biases and no zero point."""
    op = with_input(op, 19, scale=np.float32(2.0 ** rng.integers(-17, -8)))
    if dtype == "int8":
        return op
    inputs: list[Spec | None] = list(op.inputs)
    for position in (0, 18):
        spec = inputs[position]
        assert spec is not None
        scale = np.float32(spec.scale / 256)
        inputs[position] = replace(spec, dtype="int16", scale=scale, zero_point=0)
    for position in range(12, 16):
        spec = inputs[position]
        assert spec is not None
        assert spec.data is not None
        data = spec.data.astype(np.int64) * int(rng.integers(1, 256))
        inputs[position] = replace(spec, dtype="int64", data=data)
    (output,) = op.outputs
    output = replace(output, dtype="int16", scale=inputs[18].scale, zero_point=0)
    return replace(op, inputs=inputs, outputs=[output])


@pytest.mark.skipif(not installed("tflm"), reason="TFLM is not installed")
@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_tflm(dtype: str) -> None:
    rng = np.random.default_rng(3)
    engine = resolve(engine="tflm")
    total = 0
    while total < OUTPUTS:
        kind = random_kind(rng, time_major=bool(rng.random() < 0.5))
        op = of_tflm(random_lstm(rng, kind), dtype, rng)
        total += assert_inferences_exact(build_side_by_side([op]), random_inputs(rng, op), engine)


@pytest.mark.skipif(not installed("tflm"), reason="TFLM is not installed")
def test_precision_of_multipliers_in_tflm() -> None:
    rng = np.random.default_rng(4)
    engine = resolve(engine="tflm")
    for _ in range(10):
        op = cancelling(rng, 500)
        content = build_side_by_side([op])
        assert assert_inferences_exact(content, random_inputs(rng, op, 2), engine)
