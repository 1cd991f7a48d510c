"""Colours on a terminal, for what already says in words how a layer did."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import click

_COLOURS = {
    "exact": "green",
    "within tolerance": "green",
    "mismatch": "red",
    "not replayed": "yellow",
    "not read": "yellow",
    "not dumped": "yellow",
    "incomplete": "yellow",
}


def painter() -> Callable[[str, str], str]:
    """Gives a text the colour of a status or verdict.

    It leaves the text alone where standard output is no terminal, or NO_COLOR is set.
    """
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return lambda text, status: text
    return lambda text, status: click.style(text, fg=_COLOURS[status])
