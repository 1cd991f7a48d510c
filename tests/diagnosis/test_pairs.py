"""Two mistakes in one port are both named, or among those named; neither is named needlessly."""

from __future__ import annotations

import numpy as np
import pytest

from tests.diagnosis.models import Layer
from tests.diagnosis.port import SLIPS, Port

Models = dict[str, tuple[Layer, ...]]
PAIRS = [
    ("CONV_2D", 1, "double", "layout: HWIO", "bias: none"),
    ("CONV_2D", 1, "double", "layout: NCHW input", "layout: OIHW"),
    ("CONV_2D", 2, "double", "padding: more before", "shift: >>"),
    ("CONV_2D", 1, "double", "scale: the first", "accumulator: int16 wraps"),
    ("DEPTHWISE_CONV_2D", 0, "double", "layout: CHW", "padding: code 0"),
    ("DEPTHWISE_CONV_2D", 1, "double", "depthwise: input j % C", "clamp: no activation"),
    ("FULLY_CONNECTED", 0, "float-away64", "layout: depth by units", "product: floor"),
    ("FULLY_CONNECTED", 0, "double", "zero point: first input's, padded by it", "shift: >>"),
    ("ADD", 0, "double", "zero point: second operand's", "high-mul: only >>"),
]


@pytest.mark.parametrize(("op", "number", "rule", "one", "other"), PAIRS)
def test_both_mistakes_are_named(
    models: Models, op: str, number: int, rule: str, one: str, other: str
) -> None:
    layer = [layer for layer in models["int8"] if layer.op.name == op][number]
    produced = layer.computed(Port(rule, one, other))
    for fewer in ((one,), (other,)):
        assert not np.array_equal(produced, layer.computed(Port(rule, *fewer)))
    verdict = layer.verdict(produced)
    named = [{said.name for said in fit.mistakes} for fit in verdict.fits]
    assert {SLIPS[one], SLIPS[other]} in named, verdict.text
    assert all(len(fit.mistakes) == 2 for fit in verdict.fits), verdict.text


def test_what_one_mistake_explains_is_no_pair(models: Models) -> None:
    for layer in models["int8"][:6]:
        produced = layer.computed(Port("double", "zero point: output's"))
        for fit in layer.verdict(produced).fits:
            assert len(fit.mistakes) < 2, fit.name


def test_noise_is_no_pair(models: Models) -> None:
    """Two mistakes are no catch-all: an output with random errors stays unexplained."""
    rng = np.random.default_rng(0)
    for layer in (models["int8"][1], models["int8"][5], models["int8"][13]):
        right = layer.computed(Port("double"))
        noise = rng.random(right.shape) < 0.1
        produced = (right.astype(np.int16) + noise).clip(-128, 127).astype(np.int8)
        assert layer.verdict(produced).kind == "unexplained"
