"""A dataset comes to what its inputs come to one by one, and explains more than one of them."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import SEVEN_OPS
from tests.diagnosis.port import Port
from tests.kernels.test_svdf import random_svdf
from tests.single_op import build_side_by_side
from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import InputError
from tflreplay.judgement.comparison import Comparison
from tflreplay.judgement.dataset import Classes, InputResult, chosen, classes
from tflreplay.judgement.run import Run
from tflreplay.model import Model, parse
from tflreplay.ops import row_of
from tflreplay.ops.seam import call_of
from tflreplay.replayer.loop import replay, replay_ops
from tflreplay.runtimes import capture
from tflreplay.runtimes.dataset import Dataset, read_dataset
from tflreplay.runtimes.inputs import read_inputs
from tflreplay.runtimes.saved import save
from tflreplay.tools.dataset import run_dataset
from tflreplay.tools.replay import run

INPUTS = 6


def write_codes(model: Model, path: Path, inputs: int = INPUTS, seed: int = 0) -> Dataset:
    """A dataset of random codes."""
    shape = model.main.tensors[model.main.inputs[0]].shape
    codes = np.random.default_rng(seed).integers(-128, 128, (inputs, *shape), np.int8)
    np.save(path, codes)
    return read_dataset(model, str(path))


@pytest.fixture
def dataset(seven_ops: Model, tmp_path: Path) -> Dataset:
    return write_codes(seven_ops, tmp_path / "x.npy")


def alone(model: Model, dataset: Dataset, replay_as: str | None) -> list[Run]:
    return [
        run(model, read_inputs(model, sample.sources), replay_as=replay_as)
        for sample in dataset.samples
    ]


def counts(comparison: Comparison) -> list[tuple[object, ...]]:
    return [
        (layer.key, layer.status, layer.kind, layer.inputs, layer.elements, mode)
        + ((d.mismatches, d.plus_one, d.minus_one, d.max_abs, d.total, d.histogram) if d else ())
        for layer in comparison.layers
        for mode, d in (("isolated", layer.isolated), ("chained", layer.chained))
    ]


@pytest.mark.parametrize("replay_as", [None, "single"])
def test_it_is_the_sum_of_its_inputs(
    seven_ops: Model, dataset: Dataset, replay_as: str | None
) -> None:
    found = run_dataset(seven_ops, dataset, replay_as=replay_as)
    runs = alone(seven_ops, dataset, replay_as)
    assert counts(found.comparison) == counts(reduce(add, (one.comparison for one in runs)))
    assert found.dataset is not None
    for line, one in zip(found.dataset.inputs, runs, strict=True):
        assert line.elements == one.elements
        assert line.mismatches == one.mismatches("isolated")
        assert line.chained[:, 1].sum() == one.mismatches("chained")
        assert line.status == one.verdict
        first = one.comparison.first_divergence
        assert line.first == (None if first is None else one.comparison.layers.index(first))
    assert found.exit_code == (1 if replay_as else 0)


def test_several_inputs_explain_together(seven_ops: Model, dataset: Dataset) -> None:
    found = run_dataset(seven_ops, dataset, replay_as="single")
    assert found.dataset is not None
    assert len(found.dataset.evidence) == 5
    assert found.dataset.together
    (worst,) = (one for one in found.dataset.inputs if one.number == found.dataset.evidence[0])
    single = run(seven_ops, read_inputs(seven_ops, (worst.name,)), replay_as="single")
    for index in found.dataset.together:
        verdict = found.verdicts[index]
        assert verdict.elements == 5 * single.verdicts[index].elements
        assert "double" in {fit.arithmetic for fit in verdict.fits}
    assert found.notes[-1].startswith("in all of these at once for op ")


def test_a_state_is_that_of_a_first_inference(tmp_path: Path) -> None:
    op = random_svdf(np.random.default_rng(3), "int16")
    model = parse(build_side_by_side([op]), SEVEN_OPS)
    found = run_dataset(model, write_codes(model, tmp_path / "x.npy", 4))
    assert found.verdict == "exact"


def test_dumps_of_a_dataset(seven_ops: Model, dataset: Dataset, tmp_path: Path) -> None:
    """One of them holds a layer that differs."""
    paths = []
    last = seven_ops.main.outputs[0]
    for sample in dataset.samples:
        inputs = read_inputs(seven_ops, sample.sources).arrays
        captured = capture(seven_ops, inputs)
        if sample.number == 4:
            captured.tensors[last] = captured.tensors[last] ^ 1
        paths.append(tmp_path / f"{sample.number}.npz")
        save(captured, paths[-1], seven_ops, inputs)
    found = run_dataset(seven_ops, dataset, against=paths, single_commands=("replay", "explain"))
    assert found.dataset is not None
    assert [one.number for one in found.dataset.differing] == [4]
    command = found.dataset.worst[0].command
    assert command.startswith("replay --input ")
    assert command.endswith(f" --against {paths[4]}")
    assert found.dataset.evidence == (4, 0, 1)
    (detail,) = found.findings.details.values()
    assert detail.input == dataset.samples[4].name
    assert detail.explain_command.startswith("explain --input ")


def test_what_is_asked_of_classes_needs_some(seven_ops: Model, dataset: Dataset) -> None:
    labelled = replace(
        dataset, samples=tuple(replace(sample, label=0) for sample in dataset.samples)
    )
    scores = classes(seven_ops, *[{seven_ops.main.outputs[0]: np.zeros((1, 4), np.int8)}] * 2)
    assert scores == Classes((0, 1, 2, 3), (0, 1, 2, 3))
    with pytest.raises(InputError, match=r"x.npy\[0\]: a label is of classes, and there are none"):
        run_dataset(seven_ops, labelled, modes=("isolated",))
    with pytest.raises(InputError, match=r"--expect changed is of classes"):
        run_dataset(seven_ops, dataset, modes=("isolated",), expect="any,changed<=0")


def test_the_likeliest_class_is_the_first_of_equals(seven_ops: Model) -> None:
    index = seven_ops.main.outputs[0]
    ours, theirs = (
        np.array([row], np.uint8) for row in ([3, 255, 0, 255, 7, 1], [9, 1, 2, 3, 4, 5])
    )
    found = classes(seven_ops, {index: ours}, {index: theirs}, 3)
    assert found == Classes((1, 3, 4, 0, 5), (0, 5, 4, 3, 2), 3)
    assert found.changed
    assert classes(seven_ops, {index: ours}, {}) is None
    grid = np.zeros((1, 2, 6), np.uint8)
    assert classes(seven_ops, {index: grid}, {index: grid}) is None


def line(number: int, *made: tuple[int, int]) -> InputResult:
    rows = np.array(made, np.int64).reshape(-1, 2)
    return InputResult(number, str(number), 100, 0, 1, rows, rows[:0])


def test_the_inputs_that_are_looked_at() -> None:
    """The worst one, the worst of each layer, the next worst, and some in which nothing differs."""
    inputs = [line(0), line(1, (5, 9)), line(2, (3, 1), (5, 2)), line(3), line(4, (7, 50)), line(5)]
    assert chosen(inputs, 5, 2) == (4, 2, 1, 0, 3)
    assert chosen(inputs, 2, 1) == (4, 2, 0)
    assert chosen([line(0), line(1)], 5, 2) == (0,)


def ported(model: Model, inputs: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
    """What a port gives whose op 12 sums in 16 bits: enough for dark inputs."""
    tensors = dict(replay(model, inputs).tensors)
    op, *later = model.main.operators[12:]
    call, arrays = call_of(model.main, op, tensors, Engine(), row_of(Engine(), model.main, op))
    made = Port("double", "accumulator: int16 wraps").kernels[op.name](call, *arrays)
    tensors[op.outputs[0]] = made.astype(np.int8)
    return tensors | replay_ops(model, later, tensors, Engine())


def test_a_mistake_that_shows_in_few_inputs_is_named(seven_ops: Model, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(-128, -120, (9, 1, 48, 48, 3), np.int8)
    bright = (3, 7)
    codes[list(bright)] = rng.integers(-128, 128, (2, 1, 48, 48, 3), np.int8)
    np.save(tmp_path / "x.npy", codes)
    dataset = read_dataset(seven_ops, str(tmp_path / "x.npy"))
    dumps = []
    for sample in dataset.samples:
        inputs = read_inputs(seven_ops, sample.sources).arrays
        dumps.append(tmp_path / f"{sample.number}.npz")
        arrays = {str(index): array for index, array in ported(seven_ops, inputs).items()}
        np.savez(dumps[-1], **arrays)
    found = run_dataset(seven_ops, dataset, against=dumps, single_commands=("x", ""))
    assert found.dataset is not None
    assert tuple(one.number for one in found.dataset.differing) == bright
    own = [layer for layer in found.comparison.layers if layer.kind == "own"]
    assert [layer.op_index for layer in own] == [12]
    assert (found.dataset.evidence[2:], found.dataset.together) == ((0, 1), (12,))
    assert found.dataset.worst[0].number in bright
    verdict = found.verdicts[12]
    assert (verdict.kind, verdict.fits[0].mistake) == ("mistake", "accumulator of 16 bits")
    assert verdict.elements == 4 * own[0].elements // 9


def test_what_is_known_to_be_wrong_is_foretold(
    seven_ops: Model, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tflreplay.tools.dataset.foretold", lambda model, engine: "it dies")
    told: list[str] = []
    found = run_dataset(
        seven_ops, replace(dataset, samples=dataset.samples[:1]), foretell=told.append
    )
    assert told == ["it dies"]
    assert found.asked.foretold == "it dies"
