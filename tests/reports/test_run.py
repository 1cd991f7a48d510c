"""The sentences: verdict, headline, and a layer's story."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.reports.synthetic import Capture, Layer, few_layers, make_run
from tflreplay.judgement.run import Findings, story
from tflreplay.reports import table

CODES = np.arange(12, dtype=np.int8).reshape(1, 3, 4)
EXACT = Layer("CONV_2D", "exact", CODES, CODES, CODES)
SKIPPED = Layer("FOO", "skipped", None, shape=(1, 4), reason="no kernel for FOO")


def test_exact():
    run = make_run([EXACT, EXACT])
    assert run.verdict == "exact"
    assert run.headline == (
        "EXACT: 2 of 2 layers, 24 elements, 0 mismatches, chained and isolated, "
        "against LiteRT 2.3.0 reference kernels"
    )


def test_mismatch_names_the_first_divergence():
    run = make_run(few_layers())
    assert run.verdict == "mismatch"
    assert run.headline == (
        "MISMATCH: first divergence at op 1 CONV_2D, 4 of 7 layers differ, "
        "1 of 7 layers not replayed; against LiteRT 2.3.0 reference kernels"
    )


@pytest.mark.parametrize(
    ("layers", "capture", "expected"),
    [
        ([EXACT, SKIPPED], Capture(), "1 of 2 layers are exact, 1 of 2 layers not replayed"),
        ([EXACT], Capture(failure="died at op 3"), "the runtime failed"),
        ([], Capture(), "no comparison"),
    ],
)
def test_a_run_that_compared_only_a_part_is_never_called_exact(layers, capture, expected):
    run = make_run(layers, capture)
    assert run.verdict == "incomplete"
    assert run.headline.startswith("INCOMPLETE: ")
    assert expected in run.headline


def test_counts_that_were_not_computed_are_none():
    run = make_run([Layer("ADD", "", CODES, None, CODES)])
    assert run.mismatches("isolated") is None
    assert run.mismatches("chained") == 0
    assert ", chained, against" in run.headline


def test_stories():
    layers = make_run(few_layers()).comparison.layers
    assert story(layers[0]) == "Exact: all 144 elements identical, isolated and chained."
    assert "the difference is made here" in story(layers[1])
    assert story(layers[2]).startswith("Fed the captured inputs, this op is exact.")
    assert "all of it comes from earlier layers" in story(layers[2])
    assert story(layers[3]) == "Not replayed: no kernel for CUSTOM:</script>."
    assert "1 of 10 elements differs (1 further apart)" in story(layers[4])
    assert story(layers[6]).startswith("In the chained replay, ")


def test_table_fits_the_terminal_and_shows_every_layer_of_a_short_model():
    text = table.render(make_run(few_layers()))
    *body, headline = text.splitlines()
    assert max(map(len, body)) <= table.WIDTH
    assert headline.startswith("MISMATCH")
    lines = [line.split() for line in body]
    assert ["0", "CONV_2D", "1", "1x6x6x4", "0", "0", "0/0", "0"] in lines
    assert ["3", "CUSTOM:</script>", "4", "1x7", "-", "-", "-", "-"] in lines
    assert "Not replayed: #3: no kernel for CUSTOM:</script>" in body


def test_table_of_a_long_model_sums_up_and_lists_what_differs():
    off = CODES + np.int8(1)
    inherits = Layer("MUL", "", CODES, CODES, off)
    makes = Layer("ADD", "", CODES, off, off)
    text = table.render(make_run([EXACT] * 10 + [inherits] * 40 + [makes] * 3))
    lines = [line.split() for line in text.splitlines()]
    assert ["CONV_2D", "10", "10", "120", "0", "0"] in lines
    assert ["MUL", "40", "0", "480", "0", "480"] in lines
    assert ["ADD", "3", "0", "36", "36", "36"] in lines
    listed = [line[0] for line in lines if len(line) > 1 and line[0].isdigit()]
    # Layers that make a difference are listed before those that inherit one fill the list.
    assert listed == [str(index) for index in (*range(10, 37), 50, 51, 52)]
    assert "... and 13 more: see layers.csv" in text


def test_control_characters_of_a_model_do_not_reach_the_terminal():
    layer = Layer("CUSTOM:\x1b[2Jx", "", None, shape=(1,), reason="no kernel for \x1b[2J")
    off = Layer("CUSTOM:\x1b[31m", "", CODES, CODES + np.int8(1))
    run = make_run([layer, off])
    assert "\x1b" not in table.render(run)
    assert "\x1b" not in run.headline


def test_a_diagnosis_that_failed_is_among_the_notes():
    run = replace(
        make_run([EXACT]), findings=Findings(undiagnosed=("op 0 CONV_2D has no verdict",))
    )
    assert run.notes[-1] == "op 0 CONV_2D has no verdict"
