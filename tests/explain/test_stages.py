"""Algorithms of their own, told in stages."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from tests.explain.test_layer import check, layer_of
from tests.single_op import Spec, build
from tflreplay.ground.engine import Engine
from tflreplay.model import parse
from tflreplay.tools.explain import Layer


def test_a_hard_swish_from_a_forum() -> None:
    """tensorflow/tensorflow#40781: 46 by hand, 45 from the kernel."""
    source = Spec((1,), "uint8", 0.13308307528495789, 105)
    target = Spec((1,), "uint8", 0.075572937726974487, 5)
    content = build("HARD_SWISH", [source], [target])
    layer = layer_of((content, [np.array([128], "uint8")]), Engine())
    assert layer is not None
    found = layer.explain((0,))
    check(found)
    assert found.theirs == 45
    assert found.exact is not None
    assert round(found.exact.value) + 5 == 46
    out = [step for step in found.outcomes[0].steps if step.label == "out"]
    assert [step.result for step in out] == [2591, 40]


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_hard_swish_at_every_shift(dtype: str) -> None:
    """Every code; the layer holds each ledger to the kernel's code."""
    low = np.iinfo(dtype).min
    codes = np.arange(low, low + 256).astype(dtype)
    shifts, limited, wrapped = set(), 0, 0
    for k, ratio, zero in product(range(-12, 4), (0.02, 0.7, 127.99), (0, 200)):
        si = 2.0**k * 1.3
        source = Spec((256,), dtype, si, low + zero)
        content = build("HARD_SWISH", [source], [Spec((256,), dtype, si / ratio, low + 255)])
        model = parse(content, Path("single_op.tflite"))
        layer = Layer(model, {model.main.inputs[0]: codes})
        for i in range(256):
            (outcome,) = layer.explain((i,)).outcomes
            told = [(step.label, step.formula) for step in outcome.steps]
            for step in outcome.steps[:2]:
                name = step.label.removesuffix(" mantissa")
                assert any(f == name and f"* {step.result} / 2**15" in by for f, by in told)
            shifts.add(tuple(m.shift for m in outcome.multipliers))
            limited += any("limited" in step.how for step in outcome.steps)
            wrapped += outcome.unclamped != (outcome.unclamped + 2**15) % 2**16 - 2**15
    assert {gate for _, gate in shifts} >= {-5, 0, 1, 10}
    assert {value for value, _ in shifts} == {-12, -7, 0}
    assert limited > 100
    assert (wrapped > 5) == (dtype == "uint8")  # a zero point of 255
