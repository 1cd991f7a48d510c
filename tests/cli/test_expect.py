"""``--expect`` and annotations as a user, or a CI server, meets them."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

from tests.cli.test_replay import one_line_error, run
from tests.conftest import SEVEN_OPS

PLANTED = (SEVEN_OPS, "--replay-as", "single", "--isolated")


def failures(directory: Path) -> set[str | None]:
    cases = ElementTree.parse(directory / "junit.xml").iter("testcase")
    return {case.get("name") for case in cases if case.find("failure") is not None}


def test_tolerated_differences_pass(tmp_path: Path) -> None:
    done = run(*PLANTED, "--expect", "max_abs<=1", "--out", "out", cwd=tmp_path)
    assert "MISMATCH: first divergence at op 1 MUL" in done.stdout
    assert "AS EXPECTED by max_abs<=1, which tolerates 9 layers" in done.stdout
    assert failures(tmp_path / "out") == set()


def test_a_file_decides_by_op_and_layer_and_ci_is_told(tmp_path: Path) -> None:
    (tmp_path / "expect.toml").write_text(
        'default = "max_abs<=1"\n[op]\nMEAN = "exact"\n[layer]\n13 = "exact"\n'
    )
    done = run(
        *PLANTED,
        *("--expect", "expect.toml", "--out", "out", "--json"),
        cwd=tmp_path,
        code=1,
        env={"GITHUB_ACTIONS": "true"},
    )
    told = json.loads(done.stdout)["expectations"]
    assert told["met"] is False
    assert [(entry["op_index"], entry["expected"]) for entry in told["failed"]] == [
        (13, "exact"), (17, "exact"),
    ]  # fmt: skip
    assert failures(tmp_path / "out") == {"op 13 CONV_2D, tensor 41", "op 17 MEAN, tensor 45"}
    lines = done.stderr.splitlines()
    assert [line.partition("::MISMATCH")[0] for line in lines[:1]] == [
        "::error title=tflreplay seven_ops_int8.tflite"
    ]
    assert lines[1].startswith("::error title=tflreplay seven_ops_int8.tflite%3A op 13 CONV_2D::1 ")
    assert len(lines) == 3


def test_what_cannot_be_read_says_so_before_anything_runs(tmp_path: Path) -> None:
    error = one_line_error(run(SEVEN_OPS, "--expect", "max_abs<1", cwd=tmp_path, code=2))
    assert "--expect: 'max_abs<1' is no condition; write exact, any, or conditions" in error
    assert not (tmp_path / "reports").exists()
