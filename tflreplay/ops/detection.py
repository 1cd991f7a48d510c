"""TFLite_Detection_PostProcess: boxes decoded, and those that overlap a better one left out."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from flatbuffers import flexbuffers

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Array
from tflreplay.model import Tensor
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.loops import vector_body
from tflreplay.ops.base.words import finished

_COORDINATES = 4
_PER_CLASS = 100  # detections, where the options do not say


@dataclass(frozen=True)
class _Options:
    """What ``Init`` reads; ``scales`` are those of y, x, height and width, float32."""

    detections: int
    categories: int
    per_class: int
    regular: bool
    score: np.float32
    overlap: np.float32
    classes: int
    scales: Array

    @classmethod
    def of(cls, call: Call) -> _Options:
        """The custom options, a flexbuffer.

        Raises:
            NotReplayed: they are none, or lack one of them.
        """
        try:
            values: dict[str, Any] = flexbuffers.Loads(call.op.custom_options)
            return cls(
                values["max_detections"],
                values["max_classes_per_detection"],
                values.get("detections_per_class", _PER_CLASS),
                bool(values.get("use_regular_nms", False)),
                np.float32(values["nms_score_threshold"]),
                np.float32(values["nms_iou_threshold"]),
                values["num_classes"],
                np.array([values[f"{name}_scale"] for name in "yxhw"], np.float32),
            )
        except (KeyError, ValueError, TypeError, IndexError, struct.error) as error:
            raise NotReplayed(f"{call.op.name}: its options cannot be read ({error!r})") from None


def detections(call: Call, encodings: Array, scores: Array, anchors: Array) -> tuple[Array, ...]:
    """Boxes, classes, scores and number of what is left after non-maximum suppression.

    encodings: float32 or uint8 ``(1, n, 4 or more)``: y, x, h, w beside their anchors ``(n, 4)``;
    scores: float32 or uint8 ``(1, n, classes)``, with or without one of the background first.
    ``Eval`` in ``tflite/kernels/detection_postprocess.cc``.

    Raises:
        NotReplayed: what the kernel refuses, leaves unwritten, or sorts in no order of its own.
    """
    options = _Options.of(call)
    boxes = _decoded(
        _reals(call.input(0), encodings)[0, :, :_COORDINATES],
        _reals(call.input(2), anchors),
        options.scales,
    )
    if (boxes[:, :2] > boxes[:, 2:]).any():
        raise NotReplayed(f"{call.op.name} with a box whose ends are the wrong way round")
    offset = scores.shape[2] - options.classes
    likely = _likely(call.input(1), scores)[:, offset:]
    if options.regular:
        return _regular(call, options, boxes, likely)
    return _fast(call, options, boxes, likely)


def _reals(tensor: Tensor, codes: Array) -> Array:
    """``(float32 code - z) * s`` in float32: ``Dequantizer``."""
    if codes.dtype != np.uint8:
        return np.asarray(codes)
    centred = codes.astype(np.float32) - np.float32(tensor.zero_point)
    return np.asarray(centred * np.float32(tensor.scale))


def _likely(tensor: Tensor, codes: Array) -> Array:
    """The scores ``(n, classes)``, as the optimized DEQUANTIZE makes them of codes."""
    if codes.dtype != np.uint8:
        return np.asarray(codes[0])
    scale, zero_point = tensor.scale, tensor.zero_point
    body = codes.astype(np.float32) * np.float32(scale) + np.float32(-zero_point * scale)
    tail = (np.float64(scale) * (codes.astype(np.int64) - zero_point)).astype(np.float32)
    return np.asarray(np.where(vector_body(codes.shape, 8, codes.size), body, tail)[0])


def _decoded(encodings: Array, anchors: Array, scales: Array) -> Array:
    """ymin, xmin, ymax, xmax: float32 ``(n, 4)``.

    ``centre = e / scale * size of the anchor + its centre`` and ``half = 0.5 * exp(e / scale) *
    size``, each in float64 and rounded to float32; then their difference and sum.
    """
    e, a = (values.astype(np.float64) for values in (encodings, anchors))
    e = e / scales
    centre = (e[:, :2] * a[:, 2:] + a[:, :2]).astype(np.float32)
    exponential = np.array([math.exp(value) for value in e[:, 2:].ravel().tolist()])
    half = (0.5 * exponential.reshape(-1, 2) * a[:, 2:]).astype(np.float32)
    return np.hstack([centre - half, centre + half])


def _overlap(box: Array, others: Array) -> Array:
    """Intersection over union in float32; 0 where an area is not positive."""
    area = (box[2] - box[0]) * (box[3] - box[1])
    areas = (others[:, 2] - others[:, 0]) * (others[:, 3] - others[:, 1])
    ends = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.maximum(ends, np.float32(0)).prod(axis=1, dtype=np.float32)
    with np.errstate(invalid="ignore", divide="ignore"):
        union = shared / (area + areas - shared)
    return np.where((area <= 0) | (areas <= 0), np.float32(0), union)


def _kept(options: _Options, boxes: Array, scores: Array, most: int) -> list[int]:
    """The best boxes, without those that overlap a better one.

    ``NonMaxSuppressionSingleClassHelper``.
    """
    candidates = np.flatnonzero(scores >= options.score)
    candidates = candidates[np.argsort(-scores[candidates], kind="stable")]
    kept: list[int] = []
    while candidates.size and len(kept) < most:
        best, candidates = candidates[0], candidates[1:]
        kept.append(int(best))
        candidates = candidates[~(_overlap(boxes[best], boxes[candidates]) > options.overlap)]
    return kept


def _fast(call: Call, options: _Options, boxes: Array, scores: Array) -> tuple[Array, ...]:
    """Each box by its best class: ``NonMaxSuppressionMultiClassFastHelper``."""
    count = min(options.categories, options.classes)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    kept = _kept(options, boxes, scores.max(axis=1), options.detections)
    if count < options.categories:
        raise NotReplayed(
            f"{call.op.name} with {options.categories} classes for each detection, of {count}: the "
            "kernel leaves the rest of its outputs unwritten"
        )
    if len(kept) < options.detections:
        raise NotReplayed(
            f"{call.op.name} with {len(kept)} detections of at most {options.detections}: the "
            "kernel leaves the rest of its outputs unwritten"
        )
    classes = best[kept]
    of_best = np.take_along_axis(scores[kept], classes, axis=1)
    if count > 1:
        ranked = -np.sort(-scores[kept], axis=1)[:, : count + 1]
        if (ranked[:, 1:] == ranked[:, :-1]).any():
            raise NotReplayed(
                f"{call.op.name} with several classes of one score, whose order std::partial_sort "
                "leaves open"
            )
    return (
        np.repeat(boxes[kept], count, axis=0)[None],
        classes.reshape(1, -1).astype(np.float32),
        of_best.reshape(1, -1),
        np.array([len(kept)], np.float32),
    )


def _regular(call: Call, options: _Options, boxes: Array, scores: Array) -> tuple[Array, ...]:
    """Class by class, then the best of all: ``NonMaxSuppressionMultiClassRegularHelper``."""
    most = options.detections
    if options.categories != 1:
        raise NotReplayed(
            f"{call.op.name} with {options.categories} classes for each detection: the kernel "
            "leaves all but the first of them unwritten"
        )
    found: list[tuple[float, int, int]] = []
    for label in range(options.classes):
        kept = _kept(options, boxes, scores[:, label], min(options.per_class, most))
        found += [(float(scores[box, label]), box, label) for box in kept]
        found = sorted(found, key=lambda one: -one[0])[:most]
    if call.engine.threads > 1 and len({score for score, *_ in found}) < len(found):
        raise NotReplayed(f"{call.op.name} with equal scores, in several threads")
    outputs = np.zeros((most, _COORDINATES), np.float32), *np.zeros((2, most), np.float32)
    for place, (score, box, label) in enumerate(found):
        outputs[0][place], outputs[1][place], outputs[2][place] = boxes[box], label, score
    of_boxes, classes, of_scores = (output[None] for output in outputs)
    return of_boxes, classes, of_scores, np.array([len(found)], np.float32)


CARDS = (
    Card(
        "CUSTOM:TFLite_Detection_PostProcess",
        {
            "reference": (
                finished(
                    ("float32", "uint8"),
                    detections,
                    "float64 decoded to float32, non-maximum suppression in float32",
                    "detection_postprocess.cc",
                ),
            ),
        },
    ),
)
