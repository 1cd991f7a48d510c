"""What docs/your-kernel.md shows of kernels in C is what happens."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cases.common import ROOT, Shown, shown

PAGE = ROOT / "docs" / "your-kernel.md"
FILES = dict(re.findall(r"<!-- (\w+\.c) -->\n```c\n(.*?)```", PAGE.read_text(), re.DOTALL))
LINES = dict(re.findall(r"<!-- (before|after) -->\n```c\n(.*?)```", PAGE.read_text(), re.DOTALL))
BLOCKS = list(shown(PAGE))

HAS_COMPILER = any(map(shutil.which, ("cc", "gcc", "clang")))
pytestmark = [
    pytest.mark.skipif(not HAS_COMPILER, reason="no C compiler is on the PATH"),
    pytest.mark.skipif(sys.platform != "linux", reason="sanitizers are loaded on Linux only"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader's: with the files that the page shows."""
    path = tmp_path_factory.mktemp("reader")
    for name in ("docs", "models"):
        (path / name).symlink_to(ROOT / name)
    for name, text in FILES.items():
        (path / name).write_text(text)
    port = (ROOT / "docs" / "tutorial" / "port.c").read_text()
    assert port.count(LINES["before"]) == 1
    (path / "port.c").write_text(port.replace(LINES["before"], LINES["after"]))
    return path


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_the_command_prints_what_is_shown(block: Shown, folder: Path) -> None:
    """In order: the first one writes a file of the second."""
    here = f'tflreplay() {{ "{sys.executable}" -m tflreplay "$@"; }}\n'
    done = subprocess.run(
        ["sh", "-c", here + block.command],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert block.matches(done.stdout), done.stdout
    assert (done.returncode == 2) == ("error" in block.output)


def test_what_is_shown() -> None:
    assert len(BLOCKS) == 9
    assert set(FILES) == {"past_the_end.c", "null.c", "endless.c"}
    assert set(LINES) == {"before", "after"}
