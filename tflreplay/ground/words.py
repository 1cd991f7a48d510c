"""How names and shapes are written wherever people read them."""

from __future__ import annotations

from collections.abc import Sequence


def printable(text: str) -> str:
    """``text`` without control characters, which a model's names may hold."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def short(text: str, width: int) -> str:
    """``text``, printable, in no more than ``width`` characters."""
    text = printable(text)
    return text if len(text) <= width else f"{text[: width - 3]}..."


def shape_text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def series(names: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def few(names: Sequence[str]) -> str:
    """All of a few names, the first of many: ``a, b, c and 6 more``."""
    return series(names if len(names) <= 4 else [*names[:3], f"{len(names) - 3} more"])
