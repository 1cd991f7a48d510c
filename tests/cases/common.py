"""Where the cases are, and the commands that their pages show."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
CASES = ROOT / "docs" / "cases"
PAGES = sorted(path.parent.name for path in CASES.glob("*/README.md"))

_BLOCK = re.compile(r"^```console\n\$ (?P<command>.*?)\n(?P<output>.*?)^```$", re.M | re.S)
_ANYTHING = re.escape("...")


@dataclass(frozen=True)
class Shown:
    """A ``console`` block of a page: a command after ``$``, and what it prints.

    A line of three dots stands for any lines.
    """

    page: str
    number: int
    command: str
    output: str

    def __str__(self) -> str:
        return f"{self.page}-{self.number}"

    def matches(self, printed: str) -> bool:
        lines = map(re.escape, _tidied(self.output))
        pattern = "".join("(?:.*\n)*?" if line == _ANYTHING else f"{line}\n" for line in lines)
        return re.fullmatch(pattern, "".join(f"{line}\n" for line in _tidied(printed))) is not None


def shown(path: Path) -> Iterator[Shown]:
    """The blocks of a page, in order."""
    page = path.parent.name if path.stem == "README" else path.stem
    for number, block in enumerate(_BLOCK.finditer(path.read_text()), 1):
        yield Shown(page, number, block["command"], block["output"])


def run_shown(command: str, directory: Path) -> str:
    """What the command prints, run in ``directory`` as if that were the project."""
    for name in ("docs", "models"):
        if not (directory / name).exists():
            (directory / name).symlink_to(ROOT / name)
    name, *arguments = shlex.split(command)
    assert name == "tflreplay"
    done = subprocess.run(
        [sys.executable, "-m", name, *arguments], cwd=directory, capture_output=True, text=True
    )
    assert done.stderr == "", done.stderr
    return done.stdout


def _tidied(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().splitlines()]
