"""``tflreplay multiplier`` on the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from tflreplay.cli import command

SCALES = ("--input-scale", "0.05", "--filter-scale", "0.02,0.03", "--output-scale", "0.2")
ADD = ("--op", "ADD", "--input-scale", "0.1", "--input-scale", "0.2", "--output-scale", "0.25")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, ["multiplier", *arguments], catch_exceptions=True)


def told(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_channel_has_a_line_in_each_convention() -> None:
    lines = told(*SCALES).splitlines()
    assert lines[0].startswith("CONV_2D on int8, reference kernels of litert")
    (line,) = (line.split() for line in lines if line.startswith("channel 1"))
    assert line[3:] == ["exponent", "2061584256", "-7", "exact"]


def test_offsets_have_the_signs_that_ports_want() -> None:
    text = told(*SCALES, "--input-zero-point", "-3", "--zero-point", "4", "--activation", "RELU6")
    assert "input_offset 3 (minus the zero point); output_offset 4 (the zero point)" in text
    assert "clamp       4 .. 34" in text


def test_add_shifts_its_inputs_to_the_left() -> None:
    text = told(*ADD)
    assert "input 0, << 20  0.25 " in text
    assert "input1_offset 0" in text


def test_xnnpack_has_factors_in_their_place() -> None:
    assert "factors     838861, 1677722" in told(*ADD, "--engine", "xnnpack")


def test_kernels_in_floating_point_have_no_integers() -> None:
    scales = ("--op", "MEAN", "--input-scale", "0.1", "--output-scale", "0.1")
    assert "no multiplier of two integers" in told(*scales, "--engine", "xnnpack")


def test_two_integers_are_read() -> None:
    text = told("--multiplier", "966", "--shift", "16")
    assert "TOSA scale32       0.014739990234375" in text
    assert "the scales would tell" in text


def test_two_integers_beside_scales() -> None:
    text = told("--multiplier", "327", "--shift", "16", *SCALES)
    assert "fits channel 0" in text
    assert "327 and 16 fit these scales as multiplier * 2**-shift; they are not normalised" in text
    assert "fit these scales in no convention" in told("--multiplier", "3", "--shift", "1", *SCALES)


def test_scales_in_files(tmp_path: Path) -> None:
    text, array = tmp_path / "scales.csv", tmp_path / "scales.npy"
    text.write_text("scale\n0.02\n0.03\n")
    np.save(array, np.array([0.02, 0.03]))
    for file in (text, array):
        assert told(*SCALES, "--filter-scale", str(file)) == told(*SCALES)


def test_written_as_csv_and_json(tmp_path: Path) -> None:
    table, whole = tmp_path / "m.csv", tmp_path / "m.json"
    told(*SCALES, "-o", str(table))
    told(*SCALES, "-o", str(whole))
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 5
    document = json.loads(whole.read_text())
    written = document["multipliers"][1]["written"]
    assert written["exponent"] == {"multiplier": 2061584256, "shift": -7}
    (row,) = (r for r in rows if (r["of"], r["convention"]) == ("channel 1", "TOSA scale16"))
    assert {n: int(row[n]) for n in ("multiplier", "shift")} == written["TOSA scale16"]
    assert document["offsets"] == {"input_offset": 0, "output_offset": 0}
    assert document["clamp"] == [-128, 127]


def test_a_file_of_the_users_is_kept(tmp_path: Path) -> None:
    mine = tmp_path / "m.csv"
    mine.write_text("mine")
    assert run(*SCALES, "-o", str(mine)).exit_code != 0
    assert mine.read_text() == "mine"
    told(*SCALES, "-o", str(mine), "--force")
    assert mine.read_text() != "mine"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--multiplier", "3"), "--shift is missing"),
        (("--shift", "3"), "--multiplier is missing"),
        (("--real-multiplier", "0.1", *SCALES), "--input-scale is for scales"),
        (("--type", "int8"), "--input-scale is missing"),
        (("--input-scale", "0.1"), "--output-scale is missing"),
        (("--force",), "Give scales"),
        ((*SCALES, "--filter-scale", "wide"), "--filter-scale"),
        ((*SCALES, "-o", "m.txt"), ".csv or .json"),
    ],
)
def test_what_is_wrong_is_named(arguments: tuple[str, ...], said: str) -> None:
    result = run(*arguments)
    assert result.exit_code != 0
    assert said in f"{result.output} {result.exception}"
