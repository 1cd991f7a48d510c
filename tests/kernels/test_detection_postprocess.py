"""TFLite_Detection_PostProcess against the engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flatbuffers import flexbuffers

from tests.kernels.common import random_codes
from tests.single_op import Spec, build, run_engine
from tflreplay.ground.engine import Engine
from tflreplay.model import parse
from tflreplay.replayer.loop import replay

OP = "CUSTOM:TFLite_Detection_PostProcess"
OPTIONS: dict[str, Any] = {
    "max_detections": 10,
    "max_classes_per_detection": 1,
    "nms_score_threshold": 0.0,
    "nms_iou_threshold": 0.6,
    "num_classes": 5,
    "y_scale": 10.0,
    "x_scale": 10.0,
    "h_scale": 5.0,
    "w_scale": 5.0,
}


def encoded(options: dict[str, Any]) -> bytes:
    builder = flexbuffers.Builder()
    builder.MapFromElements(options)
    return bytes(builder.Finish())


def made(
    rng: np.random.Generator, dtype: str, boxes: int, background: bool, ties: bool, **options: Any
) -> tuple[bytes, list[np.ndarray]]:
    """Anchors all over the image, boxes near them, and scores, some of them alike."""
    chosen = OPTIONS | options
    classes = chosen["num_classes"] + background
    length = int(rng.choice([4, 4, 6]))
    anchors = np.hstack([rng.random((boxes, 2)), rng.uniform(0.02, 0.4, (boxes, 2))])
    encodings = rng.normal(0, 2, (1, boxes, length))
    scores = rng.random((1, boxes, classes))
    if ties:
        scores = np.round(scores * 16) / 16
    specs = [Spec(a.shape, "float32") for a in (encodings, scores, anchors)]
    arrays = [a.astype(np.float32) for a in (encodings, scores, anchors)]
    if dtype == "uint8":
        scales = ((0.07, 120), (1 / 256 if ties else 0.0043, 3), (0.004, 0))
        specs = [Spec(a.shape, dtype, *of) for a, of in zip(arrays, scales, strict=True)]
        arrays = [random_codes(rng, a.shape, dtype) for a in arrays]
    count = chosen["max_detections"] * chosen["max_classes_per_detection"]
    sizes = ((1, count, 4), (1, count), (1, count), (1,))
    outputs = [Spec(size, "float32") for size in sizes]
    content = build(OP, specs, outputs, custom_options=encoded(chosen))
    return content, arrays


def replayed(content: bytes, arrays: list[np.ndarray], engine: Engine) -> list[np.ndarray] | str:
    parsed = parse(content, Path("detection.tflite"))
    found = replay(parsed, dict(zip(parsed.main.inputs, arrays, strict=True)), engine)
    if found.not_replayed:
        return found.not_replayed[0]
    return [found.tensors[index] for index in parsed.main.outputs]


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize("regular", [False, True])
def test_random(engine: Engine, regular: bool, dtype: str) -> None:
    """Of 300 models nearly all are replayed, and all of those are exact."""
    rng = np.random.default_rng(1)
    exact = 0
    for trial in range(300):
        options = {
            "use_regular_nms": regular,
            "max_detections": int(rng.integers(1, 20)),
            "max_classes_per_detection": 1 if regular else int(rng.choice([1, 1, 2, 3])),
            "detections_per_class": int(rng.integers(1, 30)),
            "num_classes": int(rng.choice([3, 5, 12])),
            "nms_iou_threshold": float(rng.choice([0.2, 0.5, 1.0])),
            # The last one is a score where scores are tied.
            "nms_score_threshold": float(rng.choice([0.0, 0.3, 1e-8, *[15 / 16] * regular])),
        }
        ties = trial % 2 == 0 and options["max_classes_per_detection"] == 1
        boxes = int(rng.integers(60, 300))
        content, arrays = made(rng, dtype, boxes, trial % 3 == 0, ties, **options)
        ours = replayed(content, arrays, engine)
        if isinstance(ours, str):
            assert "leaves" in ours
            continue
        for mine, theirs in zip(ours, run_engine(content, arrays, engine), strict=True):
            np.testing.assert_array_equal(mine, theirs, strict=True)
        exact += 1
    assert exact >= (300 if regular else 200)


@pytest.mark.parametrize(
    ("options", "ties", "reason"),
    [
        ({"nms_score_threshold": 2.0}, False, "leaves the rest of its outputs unwritten"),
        ({"max_classes_per_detection": 3}, True, "whose order std::partial_sort leaves open"),
        ({"use_regular_nms": True, "max_classes_per_detection": 2}, False, "all but the first"),
    ],
)
def test_not_replayed(options: dict[str, Any], ties: bool, reason: str) -> None:
    content, arrays = made(np.random.default_rng(2), "float32", 200, True, ties, **options)
    found = replayed(content, arrays, Engine())
    assert isinstance(found, str)
    assert reason in found


def test_options_that_are_none() -> None:
    content, arrays = made(np.random.default_rng(2), "float32", 200, True, False)
    parsed = parse(content, Path("detection.tflite"))
    (op,) = parsed.main.operators
    for options in (b"", b"x", encoded({"max_detections": 3})):
        graph = replace(parsed.main, operators=(replace(op, custom_options=options),))
        model = replace(parsed, subgraphs=(graph,))
        feeds = dict(zip(model.main.inputs, arrays, strict=True))
        assert "its options cannot be read" in replay(model, feeds).not_replayed[0]
