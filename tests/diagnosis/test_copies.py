"""Outputs that were not computed, and outputs that are right but for one place."""

from __future__ import annotations

import numpy as np
import pytest

from tests.diagnosis.models import REFERENCE, Layer, built
from tests.diagnosis.port import Port
from tests.diagnosis.porter import ops
from tests.diagnosis.test_planted import expected
from tflreplay.judgement.diagnosis import diagnose
from tflreplay.judgement.diagnosis.place import place

Models = dict[str, tuple[Layer, ...]]


def test_one_value_everywhere(models: Models) -> None:
    layer = models["int8"][1]
    right = layer.computed(Port("double"))
    verdict = layer.verdict(np.full_like(right, 17))
    assert verdict.answer.startswith("constant output"), verdict.text
    assert "the code 17 everywhere" in verdict.text


def test_a_copy_of_an_input(models: Models) -> None:
    layer = next(layer for layer in models["int8"] if layer.op.name == "ADD")
    verdict = layer.verdict(layer.tensors[layer.op.inputs[0]].copy())
    assert any(said.name == "input copied" for fit in verdict.fits for said in fit.mistakes)


def test_a_place_is_said(models: Models) -> None:
    layer = models["int8"][1]
    produced = layer.computed(Port("double")).copy()
    rng = np.random.default_rng(0)
    produced[:, -1] = rng.integers(-128, 128, produced[:, -1].shape)
    verdict = layer.verdict(produced)
    assert verdict.kind == "unexplained"
    assert f"all of them in the last row ({produced.shape[1] - 1})" in verdict.text


def test_the_inference_before(models: Models) -> None:
    layer = models["int8"][1]
    graph, op = layer.model.main, layer.op
    (x, *_), (y,) = op.inputs, op.outputs
    produced = layer.computed(Port("double"))
    now = layer.tensors | {x: layer.tensors[x][:, ::-1]}
    verdict = diagnose(graph, op, now, produced, REFERENCE, before={y: produced})
    assert verdict is not None
    assert "output of the inference before" in [fit.named for fit in verdict.fits]
    first = diagnose(graph, op, now, produced, REFERENCE)
    assert first is not None
    assert "output of the inference before" not in [fit.named for fit in first.fits]


def test_a_state_of_an_inference_before_is_not_known() -> None:
    (layer,) = built("svdf", [op for op in ops(4) if op.name == "SVDF"])
    produced = expected(layer)
    graph, op = layer.model.main, layer.op
    assert diagnose(graph, op, layer.tensors, produced, REFERENCE) is not None
    assert diagnose(graph, op, layer.tensors, produced, REFERENCE, before={}) is None


HERE: dict[str, tuple[object, ...]] = {
    "in the last row (6) only": (slice(None), -1),
    "in channels 8 to 11, past the last multiple of 8 only": (..., slice(8, None)),
}


@pytest.mark.parametrize("words", HERE)
def test_a_mistake_in_one_place_only(models: Models, words: str) -> None:
    layer = models["int8"][1]
    produced = layer.computed(Port("double")).copy()
    wrong = layer.computed(Port("double", "zero point: output's"))
    produced[HERE[words]] = wrong[HERE[words]]
    verdict = layer.verdict(produced)
    assert verdict.kind == "mistake", verdict.text
    assert {fit.named for fit in verdict.fits} == {f"zero point of the output left out {words}"}


def test_one_place_constant_or_copied(models: Models) -> None:
    layer = models["int8"][1]
    right = layer.computed(Port("double"))
    constant, copied = right.copy(), right.copy()
    constant[:, -1] = 0
    copied[:, -1] = copied[:, -2]
    named = [[fit.named for fit in layer.verdict(codes).fits] for codes in (constant, copied)]
    assert named[0] == ["constant in the last row (6)"]
    assert "the last row (6) copied from row 5" in named[1]


def test_too_little_is_wrong_to_name_a_mistake_in_one_place(models: Models) -> None:
    layer = models["int8"][1]
    produced = layer.computed(Port("double")).copy()
    produced[0, 0, 0, :3] ^= 1
    assert layer.verdict(produced).kind == "unexplained"


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ((slice(None), 0), "the first row (0)"),
        ((slice(None), slice(None), 3), "column 3"),
        ((..., slice(8, None)), "channels 8 to 11, past the last multiple of 8"),
        ((0, slice(1, 3), slice(0, 2)), "rows 1 to 2, columns 0 to 1"),
        ((...,), ""),
    ],
)
def test_places(where: tuple[object, ...], words: str) -> None:
    wrong = np.zeros((1, 7, 6, 12), bool)
    wrong[where] = True  # type: ignore[index]
    assert place(wrong) == words
    assert place(np.zeros((2, 3), bool)) == ""
