"""Annotations: one line each, whatever a model is called."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.reports.synthetic import Layer, few_layers, make_run
from tests.reports.test_junit import VERDICT
from tflreplay.judgement.run import Findings
from tflreplay.reports import github

CODES = np.arange(12, dtype=np.int8).reshape(1, 3, 4)


def test_the_verdict_then_the_layers_that_make_a_difference() -> None:
    run = replace(make_run(few_layers()), findings=Findings(verdicts={1: VERDICT}))
    lines = github.render(run).splitlines()
    assert lines[0] == f"::error title=tflreplay made_up_int8.tflite::{run.headline}"
    heads = [line.split("::")[1] for line in lines[1:]]
    assert [head.rpartition("%3A ")[2] for head in heads] == [
        "op 1 CONV_2D", "op 4 DEQUANTIZE", "op 6 ADD",
    ]  # fmt: skip
    assert "Explained by double rounding (double): all 288 elements" in lines[1]


def test_no_more_than_are_shown() -> None:
    off = Layer("ADD", "", CODES, CODES + np.int8(1))
    lines = github.render(make_run([off] * 20)).splitlines()
    assert len(lines) == 10


def test_a_name_cannot_end_the_title_or_the_line() -> None:
    layer = Layer("CUSTOM:a::b,c%0A\n::warning::x", "", CODES, CODES + np.int8(1))
    run = make_run([layer])
    run = replace(run, model=replace(run.model, path=Path("a,b:100%.tflite")))
    first, second = github.render(run).splitlines()
    assert first.startswith("::error title=tflreplay a%2Cb%3A100%25.tflite::MISMATCH: ")
    title, text = second.removeprefix("::error title=").split("::", 1)
    assert ":" not in title
    assert "," not in title
    assert "CUSTOM%3Aa%3A%3Ab%2Cc%250A" in title
    assert text == "12 of 12 elements differ (12 +1), by up to 1."
