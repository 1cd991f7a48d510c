"""Whatever downloads says so before, and how much; what runs nothing does not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.test_replay import run
from tests.conftest import SEVEN_OPS
from tests.runtimes.test_emulated import Computer
from tflreplay.ground.engine import NEWEST
from tflreplay.ground.machine import asked, this_machine

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or this_machine() == asked("aarch64"), reason="qemu is for other Linux"
)
EMULATED = (
    "downloading qemu (about 80 MB), an arm64 Python (about 22 MB) and LiteRT "
    f"{NEWEST['litert']} for aarch64 (about 30 MB), once ..."
)
VERSION = "installing litert==9.9.9 (about 40 MB) in an environment of its own, once ..."


@pytest.fixture(autouse=True)
def poor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is downloaded, and no download succeeds."""
    computer = Computer(tmp_path, monkeypatch)
    computer.debian()
    computer.program("uv", "exit 1")


@pytest.mark.parametrize(
    "words",
    [
        (SEVEN_OPS, "--machine", "aarch64"),
        ("capture", SEVEN_OPS, "--machine", "aarch64", "-o", "x.npz"),
        ("compare", SEVEN_OPS, "--sources", "optimized,optimized@aarch64"),
        ("discriminate", SEVEN_OPS, "--layer", 2, "--machine", "aarch64"),
        ("explain", SEVEN_OPS, "--layer", 2, "--at", "0,0,0,0", "--machine", "aarch64"),
        ("extract", SEVEN_OPS, "--layer", 2, "--machine", "aarch64"),
        ("probe", "--engine", "optimized", "--machine", "aarch64"),
    ],
)
def test_another_machine(tmp_path: Path, words: tuple[object, ...]) -> None:
    told = run(*words, cwd=tmp_path, code=2).stderr.splitlines()
    assert told[0] == EMULATED
    assert "cannot download qemu" in told[-1]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((SEVEN_OPS, "--runtime", "litert==9.9.9"), 2),
        (("compare", SEVEN_OPS, "--sources", "reference,litert==9.9.9:reference"), 2),
        (("rules", "--runtime", "litert==9.9.9"), 0),  # which is probed
    ],
)
def test_another_version(tmp_path: Path, words: tuple[object, ...], code: int) -> None:
    assert run(*words, cwd=tmp_path, code=code).stderr.splitlines()[0] == VERSION


def test_what_runs_nothing(tmp_path: Path) -> None:
    run("capture", SEVEN_OPS, "-o", "x.npz", cwd=tmp_path)
    for words in (
        (SEVEN_OPS, "--against", "x.npz", "--replay-as", "optimized@aarch64"),
        (SEVEN_OPS, "--against", "x.npz", "--runtime", "litert==9.9.9", "--no-probe"),
        ("compare", SEVEN_OPS, "--sources", "x.npz,replay:optimized@aarch64"),
    ):
        differs = "aarch64" in str(words)
        assert run(*words, cwd=tmp_path, code=int(differs)).stderr == ""
