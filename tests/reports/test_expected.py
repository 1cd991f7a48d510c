"""What the terminal says about expectations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.reports.synthetic import Layer, few_layers, make_run
from tflreplay.judgement.expectations import read_expectations
from tflreplay.judgement.run import Asked, Run
from tflreplay.reports import expected

CODES = np.arange(12, dtype=np.int8).reshape(1, 3, 4)
OFF = Layer("ADD", "", CODES, CODES - np.int8(1))


def judged(text: str, layers: list[Layer]) -> Run:
    run = make_run(layers)
    return replace(run, asked=Asked(expectations=read_expectations(text, run.model)))


def test_failed_layers_are_named_with_what_was_expected() -> None:
    text = expected.render(judged("max_abs<=0, rate<=0.5", few_layers()))
    first, *lines = text.splitlines()
    assert first == "NOT AS EXPECTED by max_abs<=0, rate<=0.5 in 3 layers"
    assert max(map(len, lines)) <= expected.WIDTH
    told = " ".join(" ".join(lines).split())
    assert "op 6 ADD: " in told
    assert "by up to 1; expected max_abs<=0, rate<=0.5" in told


def test_no_more_than_are_shown() -> None:
    lines = expected.render(judged("exact", [OFF] * 15)).splitlines()
    assert lines[-1] == "... and 5 more: see junit.xml"
    assert sum(line.startswith("op ") for line in lines) == 10


def test_headlines() -> None:
    assert expected.headline(make_run([OFF])) == ""
    tolerant = judged("max_abs<=1", [OFF])
    assert expected.headline(tolerant) == "AS EXPECTED by max_abs<=1, which tolerates 1 layer"
    assert expected.render(tolerant) == expected.headline(tolerant)
    skipped = judged("exact", few_layers()[3:4])
    assert expected.headline(skipped) == (
        "NOT COMPARED in 1 layer of which something is expected by exact"
    )


def test_json() -> None:
    assert expected.document(make_run([OFF])) is None
    assert expected.document(judged("exact", [OFF, *few_layers()[3:4]])) == {
        "source": "exact",
        "met": False,
        "failed": [{"op_index": 0, "tensor": 1, "expected": "exact"}],
        "not_compared": [{"op_index": 1, "tensor": 2, "expected": "exact"}],
    }
    found = expected.document(judged("any", [OFF]))
    assert found is not None
    assert found["met"]
