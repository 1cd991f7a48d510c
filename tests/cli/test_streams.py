"""Exit code 1 means that something differs: a closed, full or broken stream never ends in it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.cli.test_replay import COMMAND, one_line_error, run
from tests.conftest import SEVEN_OPS

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
FROM_C = """\
import ctypes
import numpy as np
import tflreplay


@tflreplay.kernel("MUL")
def mul(call, a, b):
    print("from Python")
    ctypes.CDLL(None).puts(b"from C")
    return np.zeros(call.output.shape, np.int8)
"""


def shell(words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = " ".join([*COMMAND, str(SEVEN_OPS), words])
    return subprocess.run(["bash", "-c", command], cwd=cwd, capture_output=True, text=True)


@needs_full
@pytest.mark.parametrize("words", ["", "--json", "--chained --quiet --json"])
def test_full_standard_output(words: str, tmp_path: Path) -> None:
    done = shell(f"{words} >/dev/full", tmp_path)
    assert done.returncode == 2
    assert "standard output: No space left on device" in one_line_error(done)


@needs_full
def test_full_standard_error(tmp_path: Path) -> None:
    assert shell("--out '' 2>/dev/full", tmp_path).returncode == 2


def test_a_reader_that_goes_away(tmp_path: Path) -> None:
    done = shell("--json | (exec <&-; sleep 1); exit ${PIPESTATUS[0]}", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (141, "", "")


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_closed_streams(closed: str, tmp_path: Path) -> None:
    done = shell(f"--out report {closed}", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "report" / "report.html").exists()


def test_what_a_kernel_prints_is_no_json(tmp_path: Path) -> None:
    (tmp_path / "port.py").write_text(FROM_C)
    done = run(SEVEN_OPS, "--kernel", "port.py", "--json", cwd=tmp_path, code=1)
    assert json.loads(done.stdout)["summary"]["verdict"] == "mismatch"
    assert {"from C", "from Python"} <= set(done.stderr.splitlines())


def test_an_error_is_an_annotation_too(tmp_path: Path) -> None:
    done = run("50%.tflite", cwd=tmp_path, code=2, env={"GITHUB_ACTIONS": "true"})
    line, annotation = done.stderr.splitlines()
    assert line.startswith("tflreplay: error: 50%.tflite: cannot read the model")
    assert annotation.startswith("::error title=tflreplay::50%25.tflite: cannot read the model")


@pytest.mark.parametrize("command", [(), ("compare",), ("extract", "--layer", "2")])
def test_an_empty_directory_name(command: tuple[str, ...], tmp_path: Path) -> None:
    done = run(*command, SEVEN_OPS, "--out", "", cwd=tmp_path, code=2)
    assert "'--out': the name is empty; give a directory" in one_line_error(done)
    assert os.listdir(tmp_path) == []


def test_a_directory_in_the_place_of_a_file(tmp_path: Path) -> None:
    taken = tmp_path / "report" / "report.html"
    taken.mkdir(parents=True)
    done = run(SEVEN_OPS, "--out", "report", "--force", cwd=tmp_path, code=2)
    assert "report.html: is a directory; choose another one" in one_line_error(done)
    assert os.listdir(taken.parent) == ["report.html"]


def test_control_characters_in_names_stay_out_of_the_terminal(tmp_path: Path) -> None:
    name = "red\x1b[31m.npz"
    (tmp_path / name).write_bytes(b"no zip")
    line = one_line_error(run(SEVEN_OPS, "--against", name, cwd=tmp_path, code=2))
    assert "\x1b" not in line
    assert "red\N{REPLACEMENT CHARACTER}[31m.npz" in line


def test_sources_need_company(tmp_path: Path) -> None:
    done = run("compare", SEVEN_OPS, "--sources", "reference", cwd=tmp_path, code=2)
    assert "--sources: give at least two" in one_line_error(done)


def test_sources_with_nothing_in_common(tmp_path: Path) -> None:
    captured = run("capture", SEVEN_OPS, "-o", "all.npz", cwd=tmp_path)
    assert captured.stderr == ""
    whole = np.load(tmp_path / "all.npz")
    tensors = [name for name in whole.files if name.isdecimal()]
    for half, names in (("a", tensors[::2]), ("b", tensors[1::2])):
        np.savez(tmp_path / f"{half}.npz", **{name: whole[name] for name in names})
    done = run("compare", SEVEN_OPS, "--sources", "a.npz,b.npz", cwd=tmp_path, code=2)
    assert done.stdout.splitlines()[-1] == (
        "INCOMPLETE: 2 sources; nothing differs, but not every layer could be compared"
    )


def test_the_table_of_sources_fits(tmp_path: Path) -> None:
    names = "reference,replay:reference,optimized,replay:optimized,xnnpack,replay:xnnpack"
    done = run("compare", SEVEN_OPS, "--sources", names, cwd=tmp_path, code=1)
    table = done.stdout.split("\n\n")[0]
    assert max(map(len, table.splitlines())) <= 80
