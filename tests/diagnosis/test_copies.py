"""Outputs that were not computed, and outputs that are right but for one place."""

from __future__ import annotations

import numpy as np
import pytest

from tests.diagnosis.models import Layer
from tests.diagnosis.port import Port
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
