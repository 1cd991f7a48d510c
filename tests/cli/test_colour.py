"""Colours are on a terminal only, and change no character."""

from __future__ import annotations

import sys

import click
import pytest

from tests.reports.synthetic import few_layers, make_run
from tflreplay.cli.colour import painter
from tflreplay.reports import table


@pytest.mark.parametrize(
    ("terminal", "no_color", "wanted"),
    [(True, "", True), (True, "1", False), (False, "", False)],
)
def test_colours(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, no_color: str, wanted: bool
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    monkeypatch.setenv("NO_COLOR", no_color)
    run = make_run(few_layers())
    text = table.render(run)
    found = table.render(run, painter())
    assert click.unstyle(found) == text
    assert (found != text) == wanted
    if wanted:
        lines = found.splitlines()
        for layer in run.comparison.layers:
            (line,) = (line for line in lines if line.startswith(f"  {layer.op_index}  "))
            colour = {"exact": "green", "mismatch": "red", "not replayed": "yellow"}[layer.status]
            assert click.style("", fg=colour, reset=False) in line
        assert lines[-1].startswith(click.style("MISMATCH", fg="red") + ": first divergence")
