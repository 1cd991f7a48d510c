"""CONTRIBUTING.md and docs/architecture.md: what they tell to do works, what they name is there."""

from __future__ import annotations

import ast
import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.cases.common import ROOT, Shown
from tests.test_architecture import ROOMS
from tflreplay.cli import command
from tflreplay.ground.engine import Engine
from tflreplay.ground.rounding import RULES
from tflreplay.model.schema import BUILTIN_NAMES, TYPE_NAMES
from tflreplay.ops import CARDS, LAYERS
from tflreplay.reports import FILES
from tflreplay.reports.ops import render
from tflreplay.runtimes import RUNTIMES
from tflreplay.tools.ops import citizens

CONTRIBUTING = ROOT / "CONTRIBUTING.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
README = ROOT / "README.md"
PAGES = (CONTRIBUTING, ARCHITECTURE)
# A block of code, with its file's name if it has one.
BLOCK = re.compile(
    r"^(?:<!-- (?P<file>\S+) -->\n)?```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.M | re.S
)
PROGRAMS = {"tflreplay": ["-m", "tflreplay"], "pytest": ["-m", "pytest", "-n", "0"], "python": []}


def section(title: str) -> str:
    text = CONTRIBUTING.read_text(encoding="utf-8")
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0]


# ---- what they tell to do ---------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The project, copied."""
    for name in ("tflreplay", "tests", "docs"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "models").symlink_to(ROOT / "models")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def typed(line: str, tree: Path) -> str:
    """What a command prints that is typed in ``tree``."""
    program, *arguments = shlex.split(line)
    done = subprocess.run(
        [sys.executable, *PROGRAMS[program], *arguments],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def follow(text: str, tree: Path) -> list[str]:
    """Write every file and type every command, in order: the commands.

    Those of a ``console`` block print what it shows.
    """
    lines = []
    for block in BLOCK.finditer(text):
        if block["file"]:
            (tree / block["file"]).write_text(block["text"], encoding="utf-8")
        elif block["kind"] == "console":
            for step in re.split(r"^\$ ", block["text"], flags=re.M)[1:]:
                line, _, output = step.partition("\n")
                printed = typed(line, tree)
                assert Shown("", 0, line, output).matches(printed), f"{line}\n{printed}"
                lines.append(line)
        elif not block["kind"]:
            for line in block["text"].splitlines():
                typed(line, tree)
                lines.append(line)
    return lines


def test_find_what_is_known_of_an_op(tree: Path) -> None:
    assert follow(section("Find what is known of an op"), tree)


def test_add_an_op(tree: Path) -> None:
    """Step by step, to an op that is replayed exactly, tested in every engine and listed."""
    assert "RIGHT_SHIFT" not in CARDS, "the page needs an op that has no card yet"
    lines = follow(section("Add an op"), tree)
    assert [line.split()[0] for line in lines] == [
        *("python", "tflreplay", "tflreplay", "tflreplay"),
        *("pytest", "python"),
    ]
    assert "RIGHT_SHIFT" in (tree / "docs" / "ops.md").read_text(encoding="utf-8")
    files = [block["file"] for block in BLOCK.finditer(section("Add an op")) if block["file"]]
    for step in (["check"], ["format", "--check"]):
        subprocess.run([sys.executable, "-m", "ruff", *step, *files], cwd=tree, check=True)


# ---- what they name ---------------------------------------------------------------------------

# What is the reader's, or a runtime's, or a way to write something.
NOT_OURS = {
    ".[test]",
    ".tflite",
    ".venv/bin",
    "PATH",
    "internal/reference",
    "kernel(call, *arrays)",
    "si * sw / so",
    "tflite/kernels",
}


def spans(page: Path) -> list[str]:
    """What stands between backquotes in the text."""
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text)]


@cache
def definitions() -> dict[str, set[str]]:
    """Every name that our code gives to something, with the files and the classes that do."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in [*ROOT.glob("tflreplay/**/*.py"), *ROOT.glob("tests/**/*.py")]:
        where = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for name in named(node):
                found[name].add(where)
            for member in node.body if isinstance(node, ast.ClassDef) else ():
                for name in named(member):
                    found[name].add(node.name)
    return found


def named(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            yield from (one.id for one in ast.walk(target) if isinstance(one, ast.Name))
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id
    elif isinstance(node, ast.arg):
        yield node.arg


def is_there(span: str) -> bool:
    """True of a command, a file, a name in a file, or a name."""
    if span.startswith(("tflreplay ", "--")):
        return command_is_there(span.split())
    path, _, name = span.partition(": ")
    if "/" in path or (ROOT / path).exists():
        return (ROOT / path).exists() and (not name or path in definitions()[name])
    return name_is_there(span.removeprefix("@"))


def command_is_there(words: list[str]) -> bool:
    """A command with its options; or for a model, or of one option alone, with those of any."""
    known = list(command.commands.values())
    if words[0] == "tflreplay":
        words = words[1:]
        if words[0] in command.commands:
            known = [command.commands[words[0]]]
        elif words[0][0] != "-" and words[0] != "MODEL" and not (ROOT / words[0]).is_file():
            return False
    options = {option for one in known for parameter in one.params for option in parameter.opts}
    return {word for word in words if word.startswith("--")} <= options


def name_is_there(name: str) -> bool:
    """One of our code, a room, a file of a report, or a value that a model or a user names."""
    values = (BUILTIN_NAMES.values(), TYPE_NAMES.values(), LAYERS, RUNTIMES, RULES, FILES, ROOMS)
    if any(name in known for known in values):
        return True
    owner, _, member = name.rpartition(".")
    if owner.startswith("tflreplay"):
        return hasattr(importlib.import_module(owner), member)
    return owner in definitions()[member] if owner else bool(definitions()[member])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_is_named_is_there(page: Path) -> None:
    assert [span for span in spans(page) if span not in NOT_OURS and not is_there(span)] == []


@pytest.mark.parametrize(
    "absent",
    [
        "--replayas",
        "Cart",
        "Run.headlines",
        "Slip.WEIGHT",
        "right_shift.cc",
        "tflreplay rule",
        "tflreplay rules --engines x",
        "tflreplay.runs",
        "tflreplay/ops/mul.py: xnnpack_leaky_relu",
        "tflreplay/ops/sing.py",
    ],
)
def test_what_is_not_there_is_found(absent: str) -> None:
    assert not is_there(absent)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_fragments_of_code(page: Path) -> None:
    """Code that is not run is parsed; the names in it are ours or its own."""
    for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
        if block["kind"] == "python" and not block["file"]:
            nodes = list(ast.walk(ast.parse(block["text"])))
            own = {"np", *(name for node in nodes for name in named(node))}
            used = {node.id for node in nodes if isinstance(node, ast.Name)} - own
            assert [name for name in used if not name_is_there(name)] == []


@pytest.mark.parametrize("page", [*PAGES, README], ids=lambda page: page.stem)
def test_links(page: Path) -> None:
    """To files that are there, and to headings that they have."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("https://"):
            path, _, heading = target.partition("#")
            linked = page.parent / path if path else page
            assert linked.exists(), target
            assert not heading or heading in headings(linked), target


def headings(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_room_has_its_paragraph() -> None:
    rooms = re.findall(r"^\*\*(\w+)\*\* ", ARCHITECTURE.read_text(encoding="utf-8"), re.M)
    assert tuple(rooms) == ROOMS


def test_the_columns_of_tools_are_those_of_the_command() -> None:
    """Each with what a card fills it with."""
    columns = re.findall(r"^\| `(\w+)` \|", section("Add an op"), re.M)
    header, *_ = render(citizens(Engine()), Engine()).split("\n\n")[-1].splitlines()
    assert ["op", *columns, "file"] == header.split()
