"""Real models from a directory: ``TFLREPLAY_ZOO=DIR pytest tests/test_zoo.py``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.promises import broken_promises
from tflreplay.ground.errors import CaptureError
from tflreplay.model import load
from tflreplay.runtimes import installed
from tflreplay.runtimes.inputs import random_inputs
from tflreplay.tools.replay import run

ZOO = os.environ.get("TFLREPLAY_ZOO")
MODELS = sorted(Path(ZOO).glob("*.tflite")) if ZOO else []
# Why not every layer of a model can be compared, by engine; all other models must be whole.
PARTS = {
    # Its SVDF has an int8 state, which LiteRT reads as int16: it overwrites memory and dies.
    "tflm__keyword_scrambled_8bit": ("reference", "optimized", "xnnpack"),
}

pytestmark = pytest.mark.skipif(not ZOO, reason="TFLREPLAY_ZOO names no directory of models")


@pytest.mark.parametrize("engine", ["reference", "optimized", "xnnpack"])
@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_every_replayed_layer_is_exact(path: Path, engine: str) -> None:
    model = load(path)
    try:
        result = run(model, random_inputs(model), engine=engine)
    except CaptureError as error:
        pytest.skip(str(error))
    assert not broken_promises(result)
    comparison = result.comparison
    for layer in comparison.mismatched:
        pytest.fail(f"op {layer.op_index} {layer.op}: {layer.isolated}, {layer.chained}")
    assert all(layer.reason for layer in comparison.not_replayed)
    assert (result.verdict == "exact") == (engine not in PARTS.get(path.stem, ()))
    if path.stem == "tflm__keyword_scrambled_8bit":  # corrupts the heap of every runtime
        assert " died (SIG" in result.capture.failure


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_tflm_replays_what_is_promised(path: Path) -> None:
    if not installed("tflm"):
        pytest.skip("TFLM is not installed")
    model = load(path)
    try:
        result = run(model, random_inputs(model), engine="tflm")
    except CaptureError as error:
        pytest.skip(str(error))
    assert not result.comparison.mismatched
    assert not broken_promises(result)


@pytest.mark.parametrize("engine", ["reference", "optimized", "xnnpack"])
def test_a_streaming_model_keeps_its_state(engine: str) -> None:
    path = next((path for path in MODELS if path.stem == "mww__okay_nabu"), None)
    if path is None:
        pytest.skip("the directory has no streaming model")
    model = load(path)
    result = run(model, random_inputs(model, steps=20), engine=engine)
    assert result.verdict == "exact"
    assert result.inference == (20, 20)
