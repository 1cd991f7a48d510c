"""``tflreplay probe`` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.cli.test_replay import one_line_error, run
from tflreplay.cli.probe import probe as command
from tflreplay.ground.engine import Engine
from tflreplay.tools import probe as probing
from tflreplay.tools.probe import Finding, Probe, Score


def test_one_engine(tmp_path: Path) -> None:
    done = run("probe", "--engine", "optimized", "-o", "found.json", cwd=tmp_path)
    assert "LiteRT" in done.stdout
    assert "CONV_2D: Computes double-up: it explains all" in " ".join(done.stdout.split())
    (found,) = json.loads((tmp_path / "found.json").read_text())["probes"]
    assert {op["unexplained"] for op in found["ops"]} == {0}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--engine", "fast"), "'fast' is unknown here"),
        (("--runtime", "torch"), "'torch' is unknown here"),
        (("-o", "found.txt"), "end it in .csv or .json"),
        (("-o", "there.csv"), "already there"),
    ],
)
def test_errors(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    (tmp_path / "there.csv").touch()
    assert message in one_line_error(run("probe", *arguments, cwd=tmp_path, code=2))


def finding(right: int, table: int, reason: str = "") -> Finding:
    scores = (Score("double", 9, table), Score("single", 9, right))
    return Finding("ADD", 9, 5, "double", table, scores, reason=reason)


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (finding(5, 0), 0),
        (finding(0, 5), 1),  # explained, but not as the table says
        (finding(2, 5), 1),
        (finding(5, 0, "not run"), 2),
    ],
)
def test_exit_codes(monkeypatch: pytest.MonkeyPatch, found: Finding, code: int) -> None:
    def made(runtime: str, engine: str, machine: str | None, types: tuple[str, ...]) -> Probe:
        return Probe(Engine(engine), (found,))

    monkeypatch.setattr(probing, "probe", made)
    done = CliRunner().invoke(command, ["--engine", "reference", "--engine", "xnnpack"])
    assert done.exit_code == code, done.output
    assert "xnnpack kernels    LiteRT 2.3.0\n---" in done.output  # of the matrix
