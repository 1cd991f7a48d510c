"""Other people's models: no error that is not so. Each was looked at, and run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tflreplay.ground.engine import NEWEST, Engine
from tflreplay.model import load
from tflreplay.tools.check import Severity, check

ZOO = os.environ.get("TFLREPLAY_ZOO")
LITE = tuple(Engine(name) for name in ("reference", "optimized", "xnnpack"))
TFLM = Engine("tflm", "tflm", NEWEST["tflm"])
# LiteRT reads the state as int16; multiplies by 0; refuses the file.
ERRORS = {
    "tflm__keyword_scrambled_8bit": {("defect", "SVDF")},
    "litert__static_w8_a16_quantized_q_einsum": {("defect", "BATCH_MATMUL")},
    "tflm__person_detect": {("axis", "")},
}
# That TFLM does not run, as it was seen: uint8 and hybrid ops, and matrices of two types.
NOT_IN_TFLM = {
    "aeq__partly_quantized_mnist",
    "coral__mobilenet_v1_0.25_128_quant",
    "coral__mobilenet_v2_1.0_224_quant",
    "coral__movenet_single_pose_lightning_ptq",
    "coral__split_concat",
    "litert__static_w8_a16_quantized_q_einsum",
    "mlctiny__kws_ref_model_float32",
}


@pytest.mark.skipif(not ZOO, reason="TFLREPLAY_ZOO names no directory of models")
def test_errors_are_true() -> None:
    found: dict[str, set[tuple[str, str]]] = {}
    refused = set()
    for path in sorted(Path(ZOO or "").glob("*.tflite")):
        model = load(path)
        errors = [one for one in check(model, LITE) if one.severity is Severity.ERROR]
        if errors:
            found[path.stem] = {(one.rule, one.op) for one in errors}
        if any(one.severity is Severity.ERROR for one in check(model, [TFLM])):
            refused.add(path.stem)
    assert found == ERRORS
    assert refused == NOT_IN_TFLM
