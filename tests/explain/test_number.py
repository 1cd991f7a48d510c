"""Numbers from forum posts."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import product
from typing import Any

import pytest

from tflreplay.ground.errors import InputError
from tflreplay.reports.explain import render
from tflreplay.tools.explain import explain_number

# tensorflow/tensorflow#102943: a Python port gives -119, the interpreter -120.
THREAD: Any = {"scales": (0.05296124517917633, 0.024093778803944588, 0.11484327912330627)}


def test_585_gives_minus_120() -> None:
    """Only XNNPACK's arithmetic does: in float32 the product is exactly 6.5, which goes to 6."""
    found = explain_number(585, -126, **THREAD, theirs=-120)
    assert found.exact is not None
    assert (found.exact.tie, found.exact.distance > 0) == (Fraction(13, 2), True)
    (only,) = found.reproducing
    assert only.name == "float-even32, multiplier float32 s1*s2/so"
    assert re.match("xnnpack .*CONV_2D", only.note)
    (step,) = only.steps
    assert step.stored == Fraction(13, 2)
    assert step.exact > Fraction(13, 2)
    assert {o.code for o in found.outcomes if o is not only} == {-119}


@pytest.mark.parametrize(
    ("acc", "bias", "code"),
    [(5907, None, 16), (-19651, None, -68), (-12264, None, -43), (5907, -885, 13)],
)
def test_a_quantized_multiplier(acc: int, bias: int | None, code: int) -> None:
    """The numbers of tensorflow/tensorflow#104605: all rules agree on each."""
    found = explain_number(acc, -3, quantized=(1805112064, -8), bias=bias)
    assert {outcome.code for outcome in found.outcomes} == {code}
    assert found.outcomes[0].accumulator == acc + (bias or 0)


def test_a_real_multiplier() -> None:
    found = explain_number(5, 10, real=0.5)
    codes = {outcome.name: outcome.code for outcome in found.outcomes}
    assert (codes["double"], codes["float-even64"], codes["single"]) == (13, 12, 13)
    assert found.exact is not None
    assert found.exact.distance == 0


def test_the_activation_range() -> None:
    found = explain_number(1000, 0, real=1.0, low=0, high=255)
    assert {(outcome.unclamped, outcome.code) for outcome in found.outcomes} == {(1000, 255)}


def test_the_sum_with_the_bias_wraps() -> None:
    found = explain_number(2**31 - 1, 0, real=2.0**-24, bias=1)
    assert found.outcomes[0].accumulator == -(2**31)
    assert found.outcomes[0].code == -128


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "the multiplier: give"),
        ({"real": 0.5, "quantized": (2**30, 0)}, "the multiplier: give"),
        ({"real": -0.5}, "--real-multiplier: a real multiplier of -0.5"),
        ({"real": float("nan")}, "--real-multiplier"),
        ({"real": 1e300}, "--real-multiplier"),
        ({"quantized": (-1, 0)}, "--multiplier -1"),
        ({"quantized": (2**31, 0)}, "--multiplier 2147483648"),
        ({"quantized": (2**30, 31)}, "--shift 31"),
        ({"scales": (0.1, 0.0, 0.1)}, "--filter-scale 0.0"),
        ({"scales": (1e39, 0.1, 0.1)}, r"--input-scale 1e\+39"),
        ({"scales": (1e38, 1e38, 1e-38)}, "the scales"),
        ({"real": 0.5, "low": 5, "high": 4}, "--low 5 is above --high 4"),
        ({"real": 0.5, "acc": 2**47}, "--acc 140737488355328: does not fit into 48 bits"),
        ({"real": 0.5, "bias": -(2**47) - 1}, "--bias"),
        ({"real": 0.5, "acc": 2**47 - 5, "bias": 5}, "--acc with --bias"),
        ({"real": 0.5, "scales": (0.1, 0.1, 0.1)}, "the multiplier: give"),
    ],
)
def test_wrong_numbers(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        explain_number(given.pop("acc", 5), 0, **given)


def test_a_sum_that_32_bits_do_not_hold() -> None:
    """64 bits, where an engine or a rule has them: 2**31 + 1024 is 32.00002, wrapped -31.99998."""
    found = explain_number(2**31 - 1, 0, real=2.0**-26, bias=1025)
    codes = {o.name: (o.sum and o.sum.bits, o.code) for o in found.outcomes}
    assert codes["double"] == codes["single"] == codes["float-away64"] == (32, -32)
    assert codes["reduced16"] == codes["float-away64 of a 64-bit sum"] == (64, 32)
    assert "double of a 64-bit sum" not in codes


@pytest.mark.parametrize(("acc", "bias"), [(2**40, None), (2**40, -(2**40) + 7), (7, 2**40)])
def test_an_accumulator_of_64_bits(acc: int, bias: int | None) -> None:
    """As int16 ops have it. What takes 32 bits is not tried."""
    found = explain_number(acc, 0, real=2.0**-38, bias=bias)
    assert {(o.sum.bits, o.accumulator) for o in found.outcomes if o.sum} == {
        (64, acc + (bias or 0))
    }
    names = {outcome.name for outcome in found.outcomes}
    assert names == {"reduced16"} | {
        f"float-{ties}{width} of a 64-bit sum"
        for ties, width in product(("away", "even", "up"), (32, 64))
    }


@pytest.mark.parametrize(
    ("quantized", "told"),
    [
        ((1527099593, -6), None),
        ((1527099520, -6), None),  # in float32
        ((1527099521, -6), "this mantissa is not what the scales give (1527099593, shift -6 or"),
        ((1527099593, -5), "this shift is not what the scales give (1527099593, shift -6 or"),
    ],
)
def test_a_multiplier_beside_the_scales(quantized: tuple[int, int], told: str | None) -> None:
    found = explain_number(585, -126, **THREAD, quantized=quantized)
    text = " ".join(render(found).split())
    assert ("not what the scales give" in text) == (told is not None)
    assert told is None or told in text
    assert {(o.scaling.mantissa, o.scaling.shift) for o in found.outcomes if o.scaling} == {
        quantized
    }
    assert [p.role for p in found.parameters] == ["input", "filter", "output"]


@pytest.mark.parametrize(
    ("quantized", "acc", "words"),
    [
        ((1073, 7), 585, "not normalised, below 2**30"),
        ((1717986918, 7), 2000, "to the right it is --shift -7"),
        ((1717986918, -7), 2000, ""),
        ((1717986918, 2), 10, ""),  # it fits as it is
    ],
)
def test_a_multiplier_that_looks_wrong(quantized: tuple[int, int], acc: int, words: str) -> None:
    text = render(explain_number(acc, 0, quantized=quantized))
    assert words in text
    assert ("normalised" in text or "to the right" in text) == bool(words)


def test_a_code_that_no_accumulator_gives() -> None:
    """One step of the accumulator is 100 codes."""
    text = " ".join(render(explain_number(1, 0, real=100.0, low=0, high=255, theirs=50)).split())
    assert "With this multiplier and zero point no accumulator gives it" in text


@pytest.mark.parametrize(
    ("theirs", "low", "high", "fits"),
    [
        (127, -128, 127, True),
        (128, -128, 127, False),
        (255, 0, 127, True),  # int8 or uint8
        (-128, 0, 127, True),
        (256, 0, 127, False),
        (-1, 0, 255, False),
        (300, -300, 300, True),
        (32768, -300, 300, False),
    ],
)
def test_a_code_outside_the_type(theirs: int, low: int, high: int, fits: bool) -> None:
    if fits:
        explain_number(1, 0, real=1.0, low=low, high=high, theirs=theirs)
        return
    with pytest.raises(InputError, match=f"--engine-value {theirs}: no code of the type"):
        explain_number(1, 0, real=1.0, low=low, high=high, theirs=theirs)


def test_an_op_of_two_multipliers_is_told_with_its_types() -> None:
    found = explain_number(585, -126, scales=(0.05, 0.02, 0.1))
    users = {outcome.name: outcome.note for outcome in found.outcomes}
    assert "CONV_2D (int8, uint8 by version, int16)" in users["double"]
    product = next(note for name, note in users.items() if "(float32 s1*s2)/so" in name)
    assert "CONV_2D (uint8)" in product
    assert "tflm BATCH_MATMUL (by version), FULLY_CONNECTED (by version), MUL, " in users["double"]
