"""Real models from a directory: ``TFLREPLAY_ZOO=DIR pytest tests/test_zoo.py``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tflreplay.errors import CaptureError
from tflreplay.inputs import random_inputs
from tflreplay.model import load
from tflreplay.pipeline import run

ZOO = os.environ.get("TFLREPLAY_ZOO")
MODELS = sorted(Path(ZOO).glob("*.tflite")) if ZOO else []
# Models made of ops that have a kernel: every layer must be replayed, and exact.
WHOLE = {
    "aeq__conv_fc_mnist_srq_a8w8",
    "coral__mobilenet_v1_0.25_128_quant",
    "coral__mobilenet_v2_1.0_224_quant",
    "coral__tf2_mobilenet_v2_1.0_224_ptq",
    "mlctiny__kws_ref_model",
    "mlctiny__model_ToyCar_quant_fullint_micro_intio",
    "mlctiny__pretrainedResnet_large_int8",
    "mlctiny__pretrainedResnet_quant",
    "mlctiny__vww_96_int8",
    "tflm__hello_world_int8",
    "tflm__micro_speech_quantized",
    "tflm__person_detect",
    "tinyengine__vww",
    "xmos__hello_world",
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
    comparison = result.comparison
    for layer in comparison.mismatched:
        pytest.fail(f"op {layer.op_index} {layer.op}: {layer.isolated}, {layer.chained}")
    assert all(layer.reason for layer in comparison.not_replayed)
    if path.stem in WHOLE:
        assert result.verdict == "exact"
    if path.stem == "tflm__keyword_scrambled_8bit":  # corrupts the heap of every runtime
        assert " died (SIG" in result.capture.failure
