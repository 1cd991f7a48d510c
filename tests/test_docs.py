"""What the documentation claims is measured again."""

from __future__ import annotations

import pytest

from docs import measure_rounding


def test_no_output_is_left_unexplained(capsys: pytest.CaptureFixture[str]) -> None:
    """docs/how-tflite-rounds.md: 0 wrong in every row, of the runtime that is installed."""
    measure_rounding.main(["litert"])
    text = capsys.readouterr().out
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in row] for row in rows if row[0].strip() != "op"]
    assert len(rows) == 27
    assert {row[3] for row in rows} == {"0"}
    rules = {(number // 9, row[0]): row[1] for number, row in enumerate(rows)}
    assert rules[0, "CONV_2D"] == "double"
    assert rules[0, "FULLY_CONNECTED"] == "float-away64"
    assert rules[1, "CONV_2D"] == "double-up"
    assert rules[2, "CONV_2D"] == "float-even32"
