"""The house: rooms in order, what is known of an op in its card, kernels behind the seam."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import tflreplay
from tflreplay.ops import CARDS

PACKAGE = Path(tflreplay.__file__).parent
# Data flows down this list; nothing imports from a room below its own.
ROOMS = (
    "ground",
    "model",
    "ops",
    "runtimes",
    "replayer",
    "judgement",
    "tools",
    "reports",
    "cli",
)


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


MODULES = dict(modules())


def imported(tree: ast.Module) -> Iterator[str]:
    """The modules of this package that a file names in imports, wherever they stand in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def rooms_imported(tree: ast.Module) -> set[str]:
    parts = (name.split(".") for name in imported(tree))
    return {part[1] for part in parts if part[0] == "tflreplay" and len(part) > 1}


def test_every_file_is_in_a_room() -> None:
    outside = {path for path in MODULES if "/" not in path}
    assert outside == {"__init__.py", "__main__.py"}
    assert {path.split("/")[0] for path in MODULES if "/" in path} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_nothing_imports_from_a_room_below(room: str) -> None:
    below = set(ROOMS[ROOMS.index(room) + 1 :])
    for path, tree in MODULES.items():
        if path.startswith(f"{room}/"):
            assert not rooms_imported(tree) & below, path


def op_names(node: ast.AST) -> set[str]:
    """The ops named by a literal collection; the keys of a dict."""
    if isinstance(node, ast.Dict):
        elements = [key for key in node.keys if key is not None]
    elif isinstance(node, ast.Tuple | ast.List | ast.Set):
        elements = list(node.elts)
    else:
        return set()
    return {e.value for e in elements if isinstance(e, ast.Constant) and e.value in CARDS}


def test_no_list_of_ops_outside_of_the_cards() -> None:
    for path, tree in MODULES.items():
        if not path.startswith("ops/"):
            found = {(node.lineno, *op_names(node)) for node in ast.walk(tree) if op_names(node)}
            assert not found, path


def test_no_op_is_asked_for_by_name_outside_of_the_cards() -> None:
    """``op.name == "ADD"`` is a trait that a card does not have yet."""
    for path, tree in MODULES.items():
        if path.startswith("ops/"):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare):
                constants = {
                    getattr(n, "value", None) for n in ast.walk(node) if isinstance(n, ast.Constant)
                }
                assert not constants & set(CARDS), (
                    path,
                    node.lineno,
                )


# What a row says in words, for people. (``clamp`` and a weighted op's multiplier are enums.)
WORDS = {"algorithm", "clamp", "multiplier", "source"}


def words_read(node: ast.AST) -> bool:
    """True of a row's words beside a text, or made one; and of a search in them."""
    fields = {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)} & WORDS
    if isinstance(node, ast.Compare):
        texts = (
            isinstance(n, ast.JoinedStr)
            or (isinstance(n, ast.Constant) and isinstance(n.value, str))
            or (isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "str")
            for n in ast.walk(node)
        )
        return bool(fields) and any(texts)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        of = node.func.value
        return isinstance(of, ast.Attribute) and of.attr in WORDS and hasattr(str, node.func.attr)
    return False


def test_no_code_depends_on_words() -> None:
    for path, tree in MODULES.items():
        found = [node.lineno for node in ast.walk(tree) if words_read(node)]
        assert not found, (path, found)


@pytest.mark.parametrize(
    "code",
    [
        "row.algorithm == 'copy'",
        "'float64' in call.row.multiplier",
        "row.source.startswith('src/')",
        "str(row.clamp) == words",
    ],
)
def test_words_that_are_read_are_found(code: str) -> None:
    assert words_read(ast.parse(code, mode="eval").body)


def test_kernels_are_called_at_the_seam_only() -> None:
    for path, tree in MODULES.items():
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        kernels = [
            call.lineno
            for call in calls
            if isinstance(call.func, ast.Attribute) and call.func.attr == "kernel"
        ]
        assert bool(kernels) == (path == "ops/seam.py"), (path, kernels)


def test_no_exception_is_swallowed() -> None:
    """Whoever catches everything says what it caught."""
    for path, tree in MODULES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler):
                kinds = {
                    n.id
                    for n in ast.walk(node.type or ast.Name("Exception"))
                    if isinstance(n, ast.Name)
                }
                if kinds & {"Exception", "BaseException"}:
                    assert node.name is not None or _raises(node), (path, node.lineno)


def _raises(node: ast.ExceptHandler) -> bool:
    return any(isinstance(n, ast.Raise) for n in ast.walk(node))
