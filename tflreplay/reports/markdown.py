"""Names and words in Markdown, whatever a model or a path is called."""

from __future__ import annotations

import re

from tflreplay.ground.words import printable

_SPECIAL = re.compile(r"([\\`*<>\[\]|&~])")  # an underscore inside a word is none


def text(words: str) -> str:
    """Plain words, also in a table."""
    return _SPECIAL.sub(r"\\\1", printable(words))


def code(words: str) -> str:
    """A code span that also stands in a table: fenced by more backticks than it holds."""
    fence = "`" * (1 + max(map(len, re.findall("`+", words)), default=0))
    space = " " if words.startswith("`") or words.endswith("`") else ""
    inner = printable(words).replace("|", "\\|")
    return f"{fence}{space}{inner}{space}{fence}"
