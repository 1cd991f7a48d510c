"""summary.md: short, and valid whatever a model is called."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.reports.synthetic import Capture, Layer, few_layers, make_run
from tests.reports.test_junit import VERDICT
from tflreplay.judgement.expectations import Expectations
from tflreplay.judgement.run import Asked, Findings
from tflreplay.reports import summary

CODES = np.arange(12, dtype=np.int8).reshape(1, 3, 4)


def test_says_what_was_run_and_what_differs() -> None:
    run = replace(make_run(few_layers()), findings=Findings(verdicts={1: VERDICT}))
    text = summary.render(run)
    assert text.startswith(f"**{run.headline}**\n\n- command: `{run.asked.command}`\n")
    assert f"sha256 `{run.model.sha256}`" in text
    assert "- compared with: LiteRT 2.3.0 reference kernels\n" in text
    assert "- input: img.npy: float32" in text
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 2 + 4
    diff = run.comparison.layers[1].isolated
    assert diff is not None
    cells = [cell.strip() for cell in table[2].split("|")[1:-1]]
    assert cells[:5] == [
        "1", "CONV_2D", "2 `<script>alert(1)</script>`", "1x6x6x8", f"{diff.mismatches} of 288",
    ]  # fmt: skip
    assert cells[6:] == [f"{diff.plus_one}/{diff.minus_one}", "2", "double"]
    assert table[3].endswith("| - |")  # it only inherits
    explanation, untried = run.explanations
    assert explanation in text
    assert untried in text


def test_a_long_one_stays_short() -> None:
    off = Layer("ADD", "efficientnetb0/" * 20, CODES, CODES + np.int8(1))
    text = summary.render(make_run([off] * 100))
    assert len(text) < 2000
    assert text.count("`efficientnetb0/efficientnetb0/efficie...`") == 5
    assert "... and 95 more layers that differ." in text


def test_an_exact_run_has_no_table() -> None:
    text = summary.render(make_run([Layer("ADD", "x", CODES, CODES, CODES)]))
    assert text.startswith("**EXACT: 1 of 1 layers")
    assert "|" not in text


def test_what_was_expected_and_a_failure_are_told() -> None:
    layer = Layer("ADD", "x", CODES, CODES + np.int8(1))
    run = replace(
        make_run([layer], Capture(failure="died")), asked=Asked(expectations=Expectations("a.toml"))
    )
    text = summary.render(run)
    assert "- failure: died\n" in text
    assert "**NOT AS EXPECTED by a.toml in 1 layer**" in text


def test_names_are_text_not_markdown() -> None:
    name = "``a`|b"
    layer = Layer("CUSTOM:*a*|<b>", name, CODES, CODES + np.int8(1))
    run = make_run([layer])
    run = replace(
        run,
        model=replace(run.model, path=Path("`m`.tflite")),
        asked=replace(run.asked, inputs=("[x](y) <z>",)),
    )
    text = summary.render(run)
    assert "- model: `` `m`.tflite ``, " in text
    assert r"- input: \[x\](y) \<z\>" in text
    (row,) = (line for line in text.splitlines() if line.startswith("| 0 |"))
    assert r"| CUSTOM:\*a\*\|\<b\> | 1 ``` ``a`\|b ``` |" in row
