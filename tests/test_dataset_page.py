"""What docs/dataset.md shows is what happens."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.cases.common import ROOT, run_shown, shown

PAGE = ROOT / "docs" / "dataset.md"


def test_the_commands_print_what_is_shown(tmp_path: Path) -> None:
    script = re.search(r"<!-- make_inputs.py -->\n```python\n(.*?)```", PAGE.read_text(), re.S)
    assert script is not None
    subprocess.run([sys.executable, "-c", script[1]], cwd=tmp_path, check=True)
    blocks = list(shown(PAGE))
    assert len(blocks) == 2
    for block in blocks:
        printed = run_shown(block.command, tmp_path)
        assert block.matches(printed), printed
