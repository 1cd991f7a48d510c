"""The ledger's text: every line of it computed again."""

from __future__ import annotations

import json
import re
from fractions import Fraction

import numpy as np
import pytest

from tests.explain.algorithms import ALGORITHMS
from tests.explain.models import BY_RULE, OTHERS
from tests.explain.test_layer import layer_of, some
from tests.explain.test_number import THREAD
from tflreplay.ground.engine import Engine
from tflreplay.reports.explain import document, dumps, render
from tflreplay.tools.explain import Explanation, explain_number

_NUMBER = r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?"
_DECIMAL = r"-?\d+(?:\.\d+)?(?:\.\.\.)?"
_LINE = re.compile(
    r"^ +(?:[\w/() *+-]+: |[ab]\[[\d,]*\] = |[ab]\[[\d,]*\]   |where m.*: )?"
    rf"(?P<formula>[-(\d][-\d.e+*/() ]*?) += (?P<exact>{_DECIMAL})"
    rf"(?: ~ (?P<stored>{_DECIMAL}))?(?: -> (?P<result>{_NUMBER}))?(?:   .*)?$"
)
_TERM = re.compile(
    r"^ +[xab]\[[\d,]*\](?: \* (?:[wb]|alpha)\[[\d,]*\])?"
    r"  +(?P<formula>\(?-?\d.*?)  +(?P<value>-?\d+)$"
)
# What may keep a step from the nearest integer.
_OTHERWISE = (
    *("+ 1 - 2**30", "limited", "wraps", "int32", "at most", "cut to", "up too", "bits"),
    *("   down", "toward zero", "read as", "Newton"),
)


def largest_of(formula: str) -> Fraction:
    """Of a sum of decimals, the largest term: the last digit of the sum is its last digit."""
    if "." not in formula or " + " not in formula or "(" in formula:
        return Fraction(0)
    return max(abs(value_of(term)) for term in formula.split(" + "))


def value_of(formula: str) -> Fraction:
    """What a calculator makes of it."""
    assert re.fullmatch(r"[-\d.e+*/() ]+", formula)
    literals = re.sub(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?", lambda n: f"Fraction('{n[0]}')", formula)
    return Fraction(eval(literals, {"Fraction": Fraction}))


def matches(printed: str, value: Fraction, exact: bool, largest: Fraction) -> bool:
    """Digits that are cut off end in dots. A formula with decimals is right to float64's digits."""
    slack = Fraction(0) if exact else max(abs(value), largest) / 2**50
    if not printed.endswith("..."):
        return abs(Fraction(printed) - value) <= slack
    digits = printed[:-3]
    unit = Fraction(1, 10 ** len(digits.split(".")[1]))
    return abs(Fraction(digits)) - slack <= abs(value) <= abs(Fraction(digits)) + unit + slack


def checked_lines(text: str) -> int:
    """The lines that can be computed, every one of which must be right."""
    count = 0
    for line in re.sub(r"\n {20,}(?! )", "   ", text).splitlines():  # a remark below its line
        if found := _LINE.match(line):
            value = value_of(found["formula"])
            exact = "." not in found["formula"]
            assert matches(found["exact"], value, exact, largest_of(found["formula"])), line
            if found["result"] is not None and not any(word in line for word in _OTHERWISE):
                stored = Fraction((found["stored"] or found["exact"]).removesuffix("..."))
                unit = abs(stored) / 2**24 if "in float32" in line else Fraction(1, 2)
                assert abs(Fraction(found["result"]) - stored) <= unit, line
        elif found := _TERM.match(line):
            assert value_of(found["formula"]) == int(found["value"]), line
        else:
            continue
        count += 1
    return count


def test_every_line_can_be_computed_again() -> None:
    rng = np.random.default_rng(3)
    for name, make in (BY_RULE | OTHERS | ALGORITHMS).items():
        for engine in ("reference", "optimized", "xnnpack"):
            if (name, engine) == ("ELU", "reference"):
                continue  # BUILTIN_REF has none
            layer = layer_of(make(rng), Engine(engine))
            for found in some(layer, rng, 6) if layer is not None else ():
                text = render(found)
                least = 8 if name in BY_RULE or name == "HARD_SWISH" else 0
                assert checked_lines(text) >= least, text
                assert max(map(len, text.splitlines())) <= 100, text


def test_a_wrong_line_is_noticed() -> None:
    text = render(explain_number(585, -126, **THREAD))
    assert checked_lines(text) > 20
    with pytest.raises(AssertionError):
        checked_lines(text.replace("416.00002995", "416.00002994"))


def thread(theirs: int | None = None) -> Explanation:
    return explain_number(585, -126, **THREAD, theirs=theirs)


def test_codes_and_the_engine_s_mark() -> None:
    text = render(thread(-120))
    first, second = re.findall(r"^Code (.*)$", text, re.MULTILINE)
    assert first == "-120: rounded to 6, below the tie 6.5  <- the engine's value"
    assert second == "-119: rounded to 7, above the tie 6.5"
    assert "4.67748e-07 codes above the nearest tie, 6.5" in text
    assert "= 6.500000157393... ~ 6.5 -> 6   ~ float32, a tie: to even" in text
    assert "negative goes right" in text
    verdict = (
        r"Of \d+ ways tried, 1 gives that: float-even32, multiplier float32 s1\*s2/so \(xnnpack"
    )
    assert re.search(verdict, " ".join(text.split()))


def test_a_number_that_nothing_gives() -> None:
    text = " ".join(render(explain_number(5907, -3, quantized=(1805112064, -8), theirs=13)).split())
    assert "Nothing that is tried here gives 13." in text
    assert "it takes an accumulator from 4721 to 5025, not 5907" in text
    for acc in (4721, 5025):
        assert 13 in {o.code for o in explain_number(acc, -3, quantized=(1805112064, -8)).outcomes}
    for acc in (4720, 5026):
        found = explain_number(acc, -3, quantized=(1805112064, -8))
        assert 13 not in {o.code for o in found.outcomes}


def test_a_number_on_which_all_agree() -> None:
    found = explain_number(100, 0, real=0.3, theirs=30)
    assert "this element tells nothing apart" in " ".join(render(found).split())


def test_json_has_the_same_ledger() -> None:
    rng = np.random.default_rng(4)
    for make in (BY_RULE | OTHERS).values():
        layer = layer_of(make(rng), Engine())
        assert layer is not None
        (found,) = some(layer, rng, 1)
        told = json.loads(dumps(found))
        assert told == document(found)
        assert told["format_version"] == 1
        assert told["theirs"] == found.theirs
        assert [outcome["code"] for outcome in told["outcomes"]] == [
            outcome.code for outcome in found.outcomes
        ]
    told = json.loads(dumps(thread()))
    assert told["exact"]["tie"] == {"fraction": "13/2", "decimal": "6.5"}
    assert told["place"] is None
