"""Algorithms of their own, told in stages."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from tests.explain.algorithms import add_of_a_fine_output
from tests.explain.test_layer import check, layer_of, some
from tests.kernels.test_conv import ACTIVATIONS
from tests.single_op import Spec, build, random_codes
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


@pytest.mark.parametrize(
    ("op", "engine"), [("MEAN", "xnnpack"), ("SUM", "xnnpack"), ("SUM", "optimized")]
)
def test_a_sum_in_float32(op: str, engine: str) -> None:
    """The engine's own codes, 60 of each, ties among them."""
    rng = np.random.default_rng(5)
    ties = done = 0
    while done < 60:
        size = int(rng.integers(2, 9))
        source = Spec((4, size), "int8", 2.0**-4, int(rng.integers(-9, 9)))
        axes = Spec((1,), "int32", data=np.array([1], np.int32))
        target = Spec((4, 1), "int8", 2.0**-3, int(rng.integers(-9, 9)))
        content = build(op, [source, axes], [target], {"keepDims": True}, "ReducerOptions", 2)
        codes = rng.integers(-40, 40, source.shape).astype(np.int8)
        layer = layer_of((content, [codes]), Engine(engine))
        assert layer is not None
        for row in range(4):
            found = layer.explain((row, 0))
            check(found)
            ours = found.outcomes[0]
            assert ours.sum is not None
            assert ours.accumulator == int(codes[row].sum())
            assert ours.steps
            ties += ours.steps[-1].tie
            done += 1
    assert ties > 5


@pytest.mark.parametrize("op", ["ADD", "SUB"])
def test_scales_that_are_powers_of_two(op: str) -> None:
    """16-bit sums that saturate, the activations' range after that."""
    rng = np.random.default_rng(6)
    saturated = 0
    for exponents in ((-15, -15, -15), (-15, -13, -13), (-12, -15, -12)):
        for activation in ACTIVATIONS:
            a, b, y = (Spec((5, 15), "int16", 2.0**e) for e in exponents)
            fields = {"potScaleInt16": True, "fusedActivationFunction": int(activation)}
            content = build(op, [a, b], [y], fields, f"{op.title()}Options")
            codes = [random_codes(rng, a.shape, "int16") for _ in range(2)]
            layer = layer_of((content, codes), Engine())
            assert layer is not None
            for found in some(layer, rng, 20):
                check(found)
                steps = found.outcomes[0].steps
                assert [step.label for step in steps] == ["a", "b", "sum"]
                saturated += "limited" in steps[-1].how
    assert saturated > 10


def test_the_vector_body_of_an_add() -> None:
    """All elements of 12 layers whose output shows the last bit of a rescaled input."""
    rng = np.random.default_rng(7)
    places: set[str] = set()
    for _ in range(12):
        content, codes = add_of_a_fine_output(rng)
        model = parse(content, Path("single_op.tflite"))
        feeds = dict(zip(model.main.inputs, codes, strict=True))
        layer = Layer(model, feeds, Engine("optimized"), others=())
        for index in np.ndindex(layer.output.shape):
            places.add(layer.explain(index).outcomes[0].note.split()[-1])
    assert places == {"body", "tail"}
