"""``tflreplay check`` on the command line, and its reports."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from tests.check.models import INT8, conv, pair, softmax, with_numbers
from tflreplay.cli import command
from tflreplay.tools.check import RULES

SEVEN_OPS = Path(__file__).parents[2] / "models" / "seven_ops_int8.tflite"
LOW = ("int8", 1 / 256, -128)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, ["check", *arguments])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """With an error in the reference kernels, and a warning in all."""
    path = tmp_path / "add.tflite"
    path.write_bytes(pair("ADD", 1e6, 1e6, 0.1, table="AddOptions"))
    return path


def test_what_is_found_is_told_with_why_and_what_to_do(model: Path) -> None:
    result = run(str(model))
    assert result.exit_code == 1
    first, *others = result.output.splitlines()
    assert first.startswith("error: op 0 ADD: the engine aborts the process for an output multi")
    assert any(line.startswith("  do      ") for line in others)
    assert "  source  https://github.com/tensorflow/tensorflow/issues/60815" in others
    assert others[-1].startswith("add.tflite: 1 error, for the reference kernels of litert")


def test_alike_operators_are_told_together() -> None:
    result = run(str(SEVEN_OPS))
    assert result.exit_code == 0
    assert "hint: 3 ops CONV_2D (2, 6, 12): the fused RELU6 cuts nothing" in result.output


def test_what_fails_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "conv.tflite"
    path.write_bytes(conv(bias_zero=5))
    assert run(str(path)).exit_code == 0
    assert run(str(path), "--fail-on", "warning").exit_code == 1
    path.write_bytes(conv())
    assert run(str(path), "--fail-on", "hint").exit_code == 0
    assert "conv.tflite: nothing found, for the" in run(str(path)).output


def test_engines_without_their_runtime(model: Path) -> None:
    """TFLM's arithmetic is asked where TFLM is not installed, too."""
    result = run(str(model), "--engine", "xnnpack", "--engine", "tflm")
    assert "(xnnpack, tflm)" in " ".join(result.output.split())


def test_an_input_shows_more(tmp_path: Path) -> None:
    path, x = tmp_path / "softmax.tflite", tmp_path / "x.npy"
    path.write_bytes(softmax(("int8", 0.0001, 0), LOW, 600))
    np.save(x, np.zeros((1, 600), np.int8))
    assert run(str(path)).exit_code == 0
    result = run(str(path), "--input", str(x))
    assert result.exit_code == 1
    assert "this input shows it" in result.output


def test_written_as_json_sarif_and_markdown(tmp_path: Path, model: Path) -> None:
    for name in ("found.json", "found.sarif", "found.md"):
        result = run(str(model), "-o", str(tmp_path / name))
        assert f"findings: {tmp_path / name}" in result.output
    document = json.loads((tmp_path / "found.json").read_text())
    assert document["counts"] == {"error": 1, "warning": 0, "hint": 0}
    (found,) = document["findings"]
    assert (found["rule"], found["severity"], found["op_index"]) == ("defect", "error", 0)
    assert found["engines"] == ["reference"]
    text = (tmp_path / "found.md").read_text()
    assert text.startswith("**add.tflite: 1 error, for the reference kernels")
    assert "| error | op 0 ADD | the engine aborts" in text


def test_sarif_is_of_its_schema(tmp_path: Path, model: Path) -> None:
    """Required properties of SARIF 2.1.0, and what GitHub's code scanning asks for besides."""
    file = tmp_path / "found.sarif"
    run(str(model), "-o", str(file))
    sarif = json.loads(file.read_text())
    assert sarif["version"] == "2.1.0"
    (one,) = sarif["runs"]
    driver = one["tool"]["driver"]
    assert [rule["id"] for rule in driver["rules"]] == [rule.name for rule in RULES]
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"]
        assert rule["help"]["text"]
        assert rule["defaultConfiguration"]["level"] in ("error", "warning", "note")
    (result,) = one["results"]
    assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "defect"
    assert result["level"] == "error"
    assert result["message"]["text"].startswith("op 0 ADD: the engine aborts")
    (location,) = result["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == model.as_posix()
    assert location["logicalLocations"] == [{"name": "op 0 ADD"}]


def test_names_of_a_model_are_made_safe(tmp_path: Path) -> None:
    path = tmp_path / "transpose.tflite"
    content = with_numbers("TRANSPOSE", "TransposeOptions", INT8, ("int8", 0.5, 900), [1, 0])
    path.write_bytes(content.replace(b"t2", b"|\x1b"))
    result = run(str(path), "-o", str(tmp_path / "f.md"))
    assert "\x1b" not in result.output
    assert "\x1b" not in (tmp_path / "f.md").read_text()
    assert "\\|" in (tmp_path / "f.md").read_text()


def test_a_file_of_the_users_is_kept(tmp_path: Path, model: Path) -> None:
    mine = tmp_path / "found.json"
    mine.write_text("mine")
    assert run(str(model), "-o", str(mine)).exit_code != 0
    assert mine.read_text() == "mine"
    assert ".json, .sarif, .md" in str(run(str(model), "-o", str(tmp_path / "x.txt")).exception)
