"""The steps against the rules on whole arrays, and against what they claim to be."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from tflreplay.ground import rounding
from tflreplay.ground.errors import NotReplayed, TflreplayError
from tflreplay.ground.rounding import INT32_MAX, INT32_MIN, RULES, Multiplier, Rule, VectorRule
from tflreplay.ops.base.step import AWAY, EVEN, ROUND, TIES, UP
from tflreplay.tools.explain.steps import FLOORED, steps_of

PLAIN = [rule for rule in (*RULES.values(), FLOORED) if not isinstance(rule, VectorRule)]


def accumulators(rng: np.random.Generator, count: int) -> list[int]:
    """Of every size, and the extremes."""
    sizes = np.exp2(rng.uniform(0, 31, count))
    signs = rng.choice([-1, 1], count)
    return [0, 1, -1, INT32_MAX, INT32_MIN, *(sizes * signs).astype(np.int64).tolist()]


@pytest.mark.parametrize("rule", PLAIN, ids=lambda rule: rule.name)
def test_every_step_follows(rule: Rule) -> None:
    """2,000 accumulators and multipliers, one in two of which makes ties likely."""
    rng = np.random.default_rng(1)
    ties = 0
    for acc in accumulators(rng, 2000):
        real = np.exp2(rng.uniform(-31, 14))
        if rng.random() < 0.5:
            real = rng.integers(1, 16) * 2.0 ** rng.integers(-12, 4)
            acc %= 2**14
        steps, result = steps_of(rule, acc, Multiplier.of(real))
        assert steps[-1].result == result
        for step in steps:
            number = step.exact if step.stored is None else step.stored
            if step.how in TIES:
                assert abs(number - step.result) <= Fraction(1, 2)
            if step.tie and step.how in TIES:
                ties += 1
                up = step.result > number
                away = abs(step.result) > abs(number)
                assert {UP: up, AWAY: away, EVEN: step.result % 2 == 0}[step.how]
    assert ties > 20


def test_a_rule_of_unknown_steps() -> None:
    rule = Rule("truncating", lambda acc, m: (acc * m.real).astype(np.int64), lambda m: m.real)
    assert steps_of(rule, -7, Multiplier.of(0.25)) == ((), -1)


def test_the_flooring_port_is_one_too_low_on_some_negative_products() -> None:
    m = Multiplier.of(0.3)
    rng = np.random.default_rng(2)
    found = [
        (acc, steps_of(RULES["double"], acc, m)[1], steps_of(FLOORED, acc, m)[1])
        for acc in rng.integers(-(2**20), 2**20, 2000).tolist()
    ]
    assert {right - wrong for acc, right, wrong in found if acc >= 0} == {0}
    assert {right - wrong for acc, right, wrong in found if acc < 0} == {0, 1}


def test_a_multiplier_too_large_for_a_rule() -> None:
    m = Multiplier.of(2.0**15)
    with pytest.raises(NotReplayed, match="reduced16 is not defined"):
        steps_of(RULES["reduced16"], 5, m)
    assert steps_of(RULES["double"], 5, m)[1] == 5 * 2**15


def test_an_accumulator_too_large_for_a_rule() -> None:
    """Of int16 activations it may have 64 bits, which only some rules take."""
    m = Multiplier.of(2.0**-20)
    for name in ("double", "double-up", "single", "single-away"):
        with pytest.raises(NotReplayed, match=f"{name} is not defined for an accumulator"):
            steps_of(RULES[name], 2**31, m)
    assert steps_of(RULES["reduced16"], 2**40, m)[1] == 2**20


def test_steps_that_end_elsewhere_are_a_bug() -> None:
    """As where a rule was changed and its steps were not."""
    wrong = replace(RULES["double"], apply=rounding.double)
    off = Multiplier(np.asarray(0.3), np.asarray(2**30), np.asarray(0))
    steps_of(wrong, 10, off)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ROUND, UP, lambda x: int(x) + 7)
        with pytest.raises(TflreplayError, match="please report"):
            steps_of(wrong, 10, off)
