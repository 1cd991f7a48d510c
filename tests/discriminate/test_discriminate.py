"""Inputs that tell rules apart, solved for and checked by the engine."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tflreplay
from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import InputError
from tflreplay.ground.rounding import RULES, Accumulation, Multiplier
from tflreplay.model.extraction import copies
from tflreplay.tools.discriminate import answers, discriminate
from tflreplay.tools.discriminate.accumulators import telling
from tflreplay.tools.discriminate.solve import solve


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-127, 127), min_size=1, max_size=40), st.data())
def test_solved_sums_are_exact(weights, data):
    weights = np.array(weights, np.int64)
    hidden = [data.draw(st.integers(-128, 127)) for _ in weights]
    total = int(weights @ np.array(hidden))
    found = solve(weights, total, -128, 127, np.random.default_rng(0))
    if found is not None:
        assert int(weights @ found) == total
        assert found.min() >= -128
        assert found.max() <= 127


def test_most_sums_are_solved():
    rng = np.random.default_rng(1)
    found = 0
    for _ in range(100):
        weights = rng.integers(-127, 128, 27)
        total = int(weights @ rng.integers(-128, 128, 27))
        found += solve(weights, total, -128, 127, rng) is not None
    assert found > 90


def test_telling_accumulators_are_all_there_are():
    """Every accumulator in reach tried by brute force, for two channels of different scale."""
    multiplier = Multiplier.of(np.array([3 / 512, 0.00917]))
    low, high = -30000, 30000
    rules = ("double", "double-up", "single", "float-even32")
    sums = {
        rule: (
            Accumulation(np.zeros((1, 2), np.int64), multiplier, 5, -128, 127, np.dtype(np.int8)),
            rule,
        )
        for rule in rules
    }
    found = telling(sums, np.array([[low, high]] * 2))
    every = np.arange(low, high + 1)
    for channel in (0, 1):
        codes = [
            np.clip(RULES[rule](every, Multiplier.of(multiplier.real[channel])) + 5, -128, 127)
            for rule in rules
        ]
        differ = every[(np.stack(codes) != codes[0]).any(axis=0)]
        assert differ.size
        np.testing.assert_array_equal(found.values[found.channels == channel], differ)


def ops(model, *names):
    return [op.index for op in model.main.operators if op.name in names]


@pytest.mark.parametrize("engine", ["reference", "xnnpack"])
@pytest.mark.parametrize("op", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "MEAN", "MUL"])
def test_the_engine_sides_with_its_own_arithmetic(seven_ops, op, engine):
    apart = 0
    for index in ops(seven_ops, op)[:1]:
        found = discriminate(seven_ops, index, Engine(engine))
        apart += found.discriminating
        theirs = answers(seven_ops, found)
        np.testing.assert_array_equal(found.outputs[found.names[0]], theirs)
    assert apart


def test_more_is_told_apart_than_by_random_inputs(seven_ops):
    """Of 5,900 random outputs about two tell double from single here."""
    found = discriminate(seven_ops, 13)
    assert found.differing("double", "single") >= 10
    assert found.discriminating >= 10
    assert found.accumulators is not None
    assert len(found.accumulators) > 1000


def test_pairs_that_accumulators_separate_are_separated_by_inputs(seven_ops):
    found = discriminate(seven_ops, 2)
    codes = found.accumulators.codes
    for one in codes:
        for other in codes:
            if not np.array_equal(codes[one], codes[other]):
                assert found.differing(one, other)


def test_copies_share_constants_and_compute_the_same(seven_ops):
    cut = copies(seven_ops, 2, 3)
    assert len(cut.main.operators) == 3
    assert len(cut.main.inputs) == 3
    assert sum(tensor.is_constant for tensor in cut.main.tensors) == 2
    rng = np.random.default_rng(0)
    codes = rng.integers(-128, 128, cut.main.tensors[cut.main.inputs[0]].shape).astype(np.int8)
    inputs = dict.fromkeys(cut.main.inputs, codes)
    run = tflreplay.replay(cut, inputs)
    outputs = [run.tensors[index] for index in cut.main.outputs]
    for output in outputs[1:]:
        np.testing.assert_array_equal(outputs[0], output)


def test_what_cannot_be_told_apart(seven_ops):
    with pytest.raises(InputError, match="layers 0 to 19"):
        discriminate(seven_ops, 20)
    mobile = copies(seven_ops, 10, 1)
    assert discriminate(mobile, 0).discriminating
