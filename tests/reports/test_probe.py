"""What a probe's reports say, from made-up findings."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import OutputError
from tflreplay.reports import probe as report
from tflreplay.tools.probe import Finding, Probe, Score

SCORES = (Score("double", 90, 4), Score("single", 90, 0), Score("double-up", 30, 0))
FINDINGS = (
    Finding("ADD", 90, 12, "double", 4, SCORES),
    Finding("MUL", 90, 12, "double", 0, (Score("double", 90, 0), Score("single", 90, 7))),
    Finding("SUB", 90, 0, "double", 0, (Score("double", 90, 0), Score("single", 90, 0))),
    Finding("MEAN", 90, 12, "double", 5, (Score("double", 90, 5), Score("single", 90, 3))),
    Finding("TANH", 90, 9, "a", 0, (Score("a", 90, 0), Score("b", 90, 0), Score("c", 90, 9))),
    Finding("RELU6", reason="the op was not run"),
)
PROBES = (
    Probe(Engine(), FINDINGS),
    Probe(Engine("reference", "tensorflow", "2.17.1"), FINDINGS[:3]),
    Probe(Engine("tflm", "tflm", "1"), FINDINGS[1:2]),
)


def cells(line: str) -> list[str]:
    return [cell for cell in line.split("  ") if cell]


def test_text() -> None:
    text = report.render(PROBES[0])
    title, _, *lines = text.splitlines()
    assert title == "LiteRT 2.3.0, reference kernels"
    table = {line.split()[0]: [cell.strip() for cell in cells(line)] for line in lines[3:9]}
    assert table["ADD"] == ["ADD", "single", "90", "12", "4", "0", "CONTRADICTED by 4"]
    assert table["MUL"] == ["MUL", "double", "90", "12", "7", "0", "agrees"]
    assert table["SUB"] == ["SUB", "not told apart", "90", "0", "0"]
    assert table["MEAN"] == ["MEAN", "UNEXPLAINED", "90", "12", "3", "CONTRADICTED by 5"]
    assert table["TANH"] == ["TANH", "a (or 1 more)", "90", "9", "9", "0", "agrees"]
    assert table["RELU6"][:2] == ["RELU6", "not probed"]
    said = " ".join(text.split())
    assert (
        "ADD: Computes single: it explains all 90 outputs, 12 of them discriminating. Outputs "
        "against every other candidate: double 4. THIS CONTRADICTS THE TABLE of tflreplay, which "
        "says double: 4 outputs are not what that gives." in said
    )
    assert "TANH: Computes a, or what gives the same on every output (b): it explains" in said
    assert "RELU6: Not probed: the op was not run." in said


def test_matrix() -> None:
    first, second = report.matrix(PROBES).split("\n\n")
    assert cells(first.splitlines()[0])[0] == "reference kernels"
    assert "LiteRT 2.3.0" in first
    assert "TensorFlow 2.17.1" in first
    mul = next(line for line in first.splitlines() if line.startswith("MUL"))
    assert mul.split() == ["MUL", "double", "double"]
    assert "CONTRADICTS" in first
    assert second.splitlines()[-1].split() == ["MUL", "double"]


def test_csv() -> None:
    rows = list(csv.DictReader(io.StringIO(report.csv_text(PROBES))))
    assert tuple(rows[0]) == report.COLUMNS
    assert rows[0] == {
        "runtime": "litert",
        "version": "2.3.0",
        "engine": "reference",
        "machine": "x86-64",
        "op": "ADD",
        "outputs": "90",
        "discriminating": "12",
        "candidate": "double",
        "in_table": "1",
        "tried": "90",
        "wrong": "4",
    }
    (left_out,) = (row for row in rows if row["op"] == "RELU6")
    assert set(left_out.values()) == {"litert", "2.3.0", "reference", "x86-64", "RELU6", ""}


def test_json() -> None:
    document = json.loads(report.dumps(PROBES))
    assert document["format_version"] == report.FORMAT_VERSION
    first = document["probes"][0]
    assert (first["runtime"], first["version"], first["engine"]) == ("litert", "2.3.0", "reference")
    assert first["machine"] == "x86-64"
    add, *_, relu6 = first["ops"]
    assert add["computes"] == ["single"]
    assert (add["expected"], add["contradicting"], add["unexplained"]) == ("double", 4, 0)
    assert add["candidates"][2] == {"name": "double-up", "tried": 30, "wrong": 0}
    assert relu6["reason"] == "the op was not run"
    assert relu6["outputs"] is None


def test_files(tmp_path: Path) -> None:
    report.write(PROBES, tmp_path / "a.csv")
    report.write(PROBES, tmp_path / "a.json")
    assert (tmp_path / "a.json").read_text() == report.dumps(PROBES)
    with pytest.raises(OutputError, match="already there"):
        report.write(PROBES, tmp_path / "a.csv")
    report.write(PROBES[1:], tmp_path / "a.csv", overwrite=True)
    assert (tmp_path / "a.csv").read_text() == report.csv_text(PROBES[1:])
    with pytest.raises(OutputError, match=r"end it in \.csv or \.json"):
        report.write(PROBES, tmp_path / "a.txt")
