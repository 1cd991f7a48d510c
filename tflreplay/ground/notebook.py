"""What records show themselves with in a notebook: HTML of a sentence, and of a small table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from tflreplay.ground.words import printable

SHOWN = 20  # rows of a table


def paragraph(text: str, bold: bool = False) -> str:
    inner = escape(printable(text))
    return f"<p><b>{inner}</b></p>" if bold else f"<p>{inner}</p>"


def table(columns: Sequence[str], rows: Sequence[Iterable[Any]]) -> str:
    """The first :data:`SHOWN` rows, and how many more there are; nothing where there are none."""
    from tabulate import tabulate  # only a notebook waits for it

    if not rows:
        return ""
    shown = [[printable(str(value)) for value in row] for row in rows[:SHOWN]]
    made = str(tabulate(shown, columns, "html", disable_numparse=True))  # it escapes
    more = len(rows) - len(shown)
    return made + (paragraph(f"... and {more} more") if more else "")
