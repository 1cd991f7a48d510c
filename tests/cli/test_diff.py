"""``tflreplay diff`` as a user runs it, on real reports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.test_replay import one_line_error, run
from tflreplay.model import Model
from tflreplay.reports import json_report
from tflreplay.runtimes import Capture
from tflreplay.runtimes.inputs import Inputs
from tflreplay.tools.replay import run as replay


@pytest.fixture(scope="module")
def reports(
    tmp_path_factory: pytest.TempPathFactory,
    seven_ops: Model,
    seven_inputs: Inputs,
    seven_captured: Capture,
) -> Path:
    """exact.json, and single.json of a replay that rounds once."""
    directory = tmp_path_factory.mktemp("reports")
    for name, rule in (("exact", None), ("single", "single")):
        found = replay(seven_ops, seven_inputs, against=seven_captured, replay_as=rule)
        (directory / f"{name}.json").write_text(json_report.dumps(found))
    return directory


def test_worse_better_and_the_same(reports: Path) -> None:
    done = run("diff", "exact.json", "single.json", cwd=reports, code=1)
    assert "replayed: litert 2.3.0 reference -> litert 2.3.0 single" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("WORSE: ")
    (mean,) = (line for line in done.stdout.splitlines() if " 17  MEAN " in line)
    assert mean.split()[:5] == ["worse", "17", "MEAN", "0", "->"]
    assert "double" in mean
    back = run("diff", "single.json", "exact.json", cwd=reports)
    assert "NOT WORSE: 0 worse" in back.stdout
    assert "double" not in back.stdout  # nothing differs now, so there is no verdict


def test_a_report_without_layers_is_no_success(reports: Path, tmp_path: Path) -> None:
    document = json.loads((reports / "exact.json").read_text())
    (tmp_path / "none.json").write_text(json.dumps(document | {"layers": []}))
    for pair in (("exact.json", tmp_path / "none.json"), (tmp_path / "none.json", "exact.json")):
        assert "nothing can be compared" in one_line_error(run("diff", *pair, cwd=reports, code=2))


def test_what_is_no_report(reports: Path) -> None:
    error = one_line_error(run("diff", "exact.json", "none.json", cwd=reports, code=2))
    assert "none.json: cannot read it: No such file" in error
