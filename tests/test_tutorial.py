"""What docs/tutorial.md shows is what happens."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from tests.cases.common import ROOT, Shown, run_shown, shown

PAGE = ROOT / "docs" / "tutorial.md"
TEXT = PAGE.read_text()
PORT = (ROOT / "docs" / "tutorial" / "port.py").read_text()
BLOCKS = list(shown(PAGE))


def code(name: str) -> str:
    block = re.search(rf"<!-- {name} -->\n```python\n(.*?)```", TEXT, re.S)
    assert block is not None
    return block[1]


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_the_command_prints_what_is_shown(block: Shown, tmp_path: Path) -> None:
    if block is BLOCKS[-1]:  # after the fix
        copied = tmp_path / "docs" / "tutorial" / "port.py"
        copied.parent.mkdir(parents=True)
        assert PORT.count(code("port")) == 1
        copied.write_text(PORT.replace(code("port"), code("fix")))
    # Its reader has run the README's command, which wrote the first report.
    (tmp_path / "reports" / "efficientnet_b0_int8-1").mkdir(parents=True)
    printed = run_shown(block.command, tmp_path)
    assert block.matches(printed), printed


def test_the_steps() -> None:
    assert len(BLOCKS) == 3
    assert BLOCKS[0].command == BLOCKS[-1].command


@pytest.mark.parametrize("name", re.findall(r"!\[.+?\]\((.+?)\)", TEXT))
def test_pictures_are_there(name: str) -> None:
    header = (PAGE.parent / name).read_bytes()[:24]
    width, height = struct.unpack(">II", header[16:])
    assert header[1:4] == b"PNG"
    assert width >= 400
    assert height >= 200
