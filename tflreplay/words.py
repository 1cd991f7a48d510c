"""How names and shapes are written wherever people read them."""

from __future__ import annotations


def printable(text: str) -> str:
    """``text`` without control characters, which a model's names may hold."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def shape_text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"
