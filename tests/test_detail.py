"""What is kept of a layer that differs, against plain loops."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from tflreplay.ground.rounding import RULES, Accumulation
from tflreplay.judgement.comparison import LayerDiff
from tflreplay.judgement.detail import BINS, SAMPLE, WORST, Detail, detail
from tflreplay.judgement.difference import difference
from tflreplay.judgement.run import Run
from tflreplay.model import Model, Quantization, Tensor
from tflreplay.ops import row_of
from tflreplay.ops.seam import call_of
from tflreplay.runtimes.inputs import Inputs
from tflreplay.tools.replay import run


def of(
    ours: np.ndarray, theirs: np.ndarray, quantized: bool = True, tolerance: float = 0
) -> Detail:
    quantization = Quantization(np.array([0.5], np.float32), np.array([3]), axis=0)
    shape, dtype = ours.shape, ours.dtype.name
    tensor = Tensor(1, "", shape, shape, dtype, 0, quantization if quantized else None)
    diff = difference(ours, theirs, max(ours.ndim - 1, 0), tolerance)
    layer = LayerDiff(0, "ADD", tensor, shape, max(ours.ndim - 1, 0), "", diff, None)
    return detail(layer, ours, theirs, "isolated")


@pytest.mark.parametrize(
    "shape", [(1, 5, 7, 3), (2, 64, 64, 1), (2, 130, 65, 2), (1, 1, 200, 2), (1, 2, 1, 1)]
)
def test_heat_map(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    theirs = rng.integers(-100, 100, shape, np.int8)
    ours = theirs + rng.integers(-1, 2, shape, np.int8)
    ours.reshape(-1)[0] = theirs.reshape(-1)[0] + 1
    found = of(ours, theirs).heat
    assert found is not None
    expected: dict[tuple[int, int], int] = {}
    for _, row, column, _ in np.argwhere(ours != theirs):
        place = int(row) // found.size[0], int(column) // found.size[1]
        expected[place] = expected.get(place, 0) + 1
    bins = found.mismatches
    assert {tuple(map(int, at)): bins[tuple(at)] for at in np.argwhere(bins)} == expected
    for length, size, number in zip(shape[1:3], found.size, bins.shape, strict=True):
        assert number <= BINS
        assert (number - 1) * size < length <= number * size
        assert size == 1 or length > BINS


def test_no_heat_map_without_height_and_width() -> None:
    for shape in ((1, 4), (1, 1, 1, 4), ()):
        array = np.zeros(shape, np.int8)
        assert of(array + np.int8(1), array).heat is None


def test_worst_elements_come_first() -> None:
    theirs = np.zeros((3, 40), np.int8)
    ours = theirs.copy()
    for place, (at, value) in enumerate([((2, 5), -120), ((0, 7), 90), ((1, 1), -90)]):
        ours[at] = value
        assert len(of(ours, theirs).worst) == place + 1
    ours[2, 20:] = 1
    worst = of(ours, theirs).worst
    assert [(e.index, e.ours, e.theirs) for e in worst[:4]] == [
        ((2, 5), -120, 0), ((0, 7), 90, 0), ((1, 1), -90, 0), ((2, 20), 1, 0)
    ]  # fmt: skip
    assert len(worst) == WORST
    assert all(type(value) is int for e in worst for value in (*e.index, e.ours, e.theirs))


def test_worst_floating_point_elements() -> None:
    theirs = np.array([0, 1, 100, 3], np.float32)
    ours = np.array([1e-3, np.nan, 101, 3], np.float32)
    assert [e.index for e in of(ours, theirs, quantized=False).worst] == [(1,), (2,), (0,)]
    # Within tolerance is no mismatch.
    assert [e.index for e in of(ours, theirs, False, tolerance=1e-4).worst] == [(1,), (2,)]


def test_saturation() -> None:
    theirs = np.array([-128, -128, 0, 127, 5], np.int8)
    ours = np.array([-128, -127, 0, 127, 127], np.int8)
    found = of(ours, theirs).saturation
    assert found is not None
    assert (found.codes, found.ours, found.theirs) == ((-128, 127), (1, 2), (2, 1))
    assert of(ours, theirs, quantized=False).saturation is None


def test_a_run_keeps_details_of_what_differs(seven_ops: Model, seven_inputs: Inputs) -> None:
    found = run(seven_ops, seven_inputs, replay_as="single")
    mismatched = found.comparison.mismatched
    assert mismatched
    assert set(found.findings.details) == {
        (layer.op_index, layer.tensor.index) for layer in mismatched
    }
    checked = 0
    for layer in mismatched:
        near = found.findings.details[layer.op_index, layer.tensor.index]
        assert near.mode == ("isolated" if not layer.isolated.exact else "chained")
        diff = getattr(layer, near.mode)
        if near.heat is not None:
            assert near.heat.mismatches.sum() == diff.mismatches
        assert len(near.worst) == min(diff.mismatches, WORST)
        assert max(abs(e.ours - e.theirs) for e in near.worst) == diff.max_abs
        if near.fractions is not None:
            checked += check_fractions(near, layer, found, seven_inputs)
    assert checked


def check_fractions(near: Detail, layer: LayerDiff, found: Run, inputs: Inputs) -> int:
    """Every pair belongs to an element, by exact fractions; how many differ."""
    wrong = near.fractions[near.fractions[:, 1] != 0]
    assert len(wrong) == min(layer.isolated.mismatches, SAMPLE)
    same = layer.isolated.elements - layer.isolated.mismatches
    assert len(near.fractions) - len(wrong) == min(same, SAMPLE)
    assert ((near.fractions[:, 0] >= 0) & (near.fractions[:, 0] < 1)).all()

    sums = accumulators(layer, found, inputs)
    check_exact(near, sums)
    # Double and single rounding part next to a half only; how near, the shift says.
    near_half = RULES["double"].slack(sums.multiplier).max() + 1e-5
    assert (np.abs(wrong[:, 0] - 0.5) <= near_half).all()
    return len(wrong)


def accumulators(layer: LayerDiff, found: Run, inputs: Inputs) -> Accumulation:
    tensors = {**inputs.arrays, **found.capture.tensors}
    graph, engine = found.model.main, found.engine
    op = graph.operators[layer.op_index]
    row = row_of(engine, graph, op)
    call, arrays = call_of(graph, op, tensors, engine, row)
    sums = row.kernel(call, *arrays)
    assert isinstance(sums, Accumulation)
    return sums


def check_exact(near: Detail, sums: Accumulation) -> None:
    """Every fraction is that of some element."""
    real = np.broadcast_to(sums.multiplier.real, sums.values.shape)
    exact = {
        int(Fraction(int(acc)) * Fraction(float(m)) % 1 * 10**6)
        for acc, m in zip(sums.values.reshape(-1).tolist(), real.reshape(-1), strict=True)
    }
    for fraction in near.fractions[:, 0]:
        assert {round(fraction * 1e6) + step for step in (-1, 0, 1)} & exact


def test_an_exact_run_keeps_none(seven_ops: Model, seven_inputs: Inputs) -> None:
    assert run(seven_ops, seven_inputs).findings.details == {}


def test_fractions_of_a_users_kernel_are_of_the_engines_accumulators(
    seven_ops: Model, seven_inputs: Inputs
) -> None:
    kernels = {"MUL": lambda call, a, b: np.zeros(call.output.shape, np.int8)}
    found = run(seven_ops, seven_inputs, kernels=kernels)
    assert found.comparison.mismatched
    for layer in found.comparison.mismatched:
        near = found.findings.details[layer.op_index, layer.tensor.index]
        assert near.fractions is not None
        check_exact(near, accumulators(layer, found, seven_inputs))
