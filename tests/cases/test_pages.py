"""Every command that a page of docs/cases shows prints what the page shows."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest

from tests.cases.common import CASES, PAGES, Shown, run_shown, shown

BLOCKS = [block for page in PAGES for block in shown(CASES / page / "README.md")]


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_the_command_prints_what_is_shown(block: Shown, tmp_path: Path) -> None:
    printed = run_shown(block.command, tmp_path)
    difference = difflib.unified_diff(
        block.output.splitlines(), printed.splitlines(), "page", "run", lineterm="", n=0
    )
    assert block.matches(printed), "\n".join([block.command, *difference])


def test_dots_stand_for_lines_and_nothing_else() -> None:
    assert Shown("", 1, "", "a\n...\nd\n").matches("a\nb\nc\nd\n")
    assert Shown("", 1, "", "a\n...\n").matches("a\n")
    assert not Shown("", 1, "", "a\n...\nd\n").matches("a\nb\nc\n")
    assert not Shown("", 1, "", "a.c\n").matches("abc\n")
    assert not Shown("", 1, "", "a\n").matches("a\nb\n")


def test_every_case_has_a_page_that_shows_a_command() -> None:
    assert {block.page for block in BLOCKS} == set(PAGES)
    assert len(PAGES) == 19
    index = (CASES / "README.md").read_text()
    assert all(f"({page}/README.md)" in index for page in PAGES)
