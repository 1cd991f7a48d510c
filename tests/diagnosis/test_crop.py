"""A few lines of an op are what the whole op gives there."""

from __future__ import annotations

import numpy as np
import pytest

from tests.diagnosis.models import (
    REFERENCE,
    Layer,
    built,
    convolution,
    fully_connected,
    mean,
    pair,
)
from tests.single_op import Op
from tflreplay.ground.rounding import Array
from tflreplay.ops import card, row_of
from tflreplay.ops.base.call import Call
from tflreplay.ops.seam import call_of, compute

RNG = np.random.default_rng(4)
OPS = {
    "SAME, stride 2": convolution(RNG, (2, 8, 7, 3), (3, 3), 5, stride=2),
    "VALID, stride 3": convolution(RNG, (1, 9, 11, 3), (2, 4), 5, stride=3, padding="VALID"),
    "SAME, dilation 2": convolution(RNG, (1, 6, 5, 2), (3, 2), 4, dilation=2),
    "VALID, dilation 3": convolution(
        RNG, (2, 9, 9, 2), (3, 2), 4, dilation=3, padding="VALID", activation="RELU6"
    ),
    "groups": convolution(RNG, (1, 6, 6, 8), (3, 3), 4, groups=2),
    "uint8": convolution(
        RNG,
        (1, 6, 6, 2),
        (3, 3),
        4,
        dtype="uint8",
        per_channel=False,
        weight_zero_point=130,
        zero_points=(120, 100),
    ),
    "depthwise": convolution(RNG, (2, 7, 7, 3), (3, 3), 3, stride=2, depthwise=True),
    "depthwise, multiplier": convolution(RNG, (1, 8, 6, 2), (3, 2), 6, depthwise=True),
    "depthwise, dilation": convolution(
        RNG, (1, 8, 8, 2), (2, 3), 4, dilation=2, depthwise=True, padding="VALID"
    ),
    "FULLY_CONNECTED": fully_connected(RNG, 7, 12, 5),
    "ADD": pair("ADD", ((3, 4, 5), (3, 4, 5)), (0.1, 0.2, 0.3)),
    "SUB, broadcast": pair("SUB", ((3, 1, 5), (4, 1)), (0.1, 0.2, 0.3)),
    "MUL, one value": pair("MUL", ((2, 3, 5), (1,)), (0.1, 0.2, 0.03)),
}


@pytest.mark.parametrize("op", OPS.values(), ids=OPS)
def test_the_lines_of_the_whole(op: Op) -> None:
    (layer,) = built("whole", [op])
    call, arrays = handed(layer)
    whole = compute(call, arrays)[0]
    lines = whole.reshape(-1, whole.shape[-1])
    chosen = np.array([0, 2, len(lines) // 2, len(lines) - 1])
    crop = card(call.op.name).lines
    assert crop is not None
    cropped = crop(call, tuple(arrays), chosen)
    (some,) = compute(cropped[0], list(cropped[1]))
    np.testing.assert_array_equal(some.reshape(-1, some.shape[-1]), lines[chosen])


def test_a_mean_has_no_short_cut() -> None:
    (layer,) = built("mean", [mean((1, 4, 4, 3), (0.1, 0.1))])
    assert card(layer.op.name).lines is None


def handed(layer: Layer) -> tuple[Call, list[Array | None]]:
    graph, op = layer.model.main, layer.op
    row = row_of(REFERENCE, graph, op)
    return call_of(graph, op, layer.tensors, REFERENCE, row)
