"""An engine's arithmetic in words: what ``tflreplay rules`` prints."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from tflreplay.arithmetic import LAYERS, Arithmetic, rows
from tflreplay.arithmetic.delegation import Condition
from tflreplay.ground.engine import Engine

_WIDTH = 96
_INDENT = 14


def render(engine: Engine) -> str:
    """The rows of the engine's version, in the order in which they are tried."""
    layers = " over ".join(LAYERS[engine.name])
    title = f"{engine.name} kernels of {engine.runtime} {engine.version} ({layers})"
    return "\n\n".join([title, *map(_paragraph, _reached(engine))])


def _reached(engine: Engine) -> Iterator[Arithmetic]:
    """The version's rows, less those that an earlier row leaves nothing."""
    seen: list[Arithmetic] = []
    for row in rows(engine):
        if row.in_version(engine) and not any(_covers(other, row) for other in seen):
            seen.append(row)
            yield row


def _covers(earlier: Arithmetic, row: Arithmetic) -> bool:
    return (
        earlier.op == row.op
        and set(row.types) <= set(earlier.types)
        and earlier.when in (None, row.when)
    )


def _paragraph(row: Arithmetic) -> str:
    title = (
        f"{row.op} ({', '.join(row.types)}): {', '.join(filter(None, (row.rule, row.algorithm)))}"
    )
    details = (
        ("multiplier", row.multiplier),
        ("where", _condition(row)),
        ("clamp", row.clamp if row.rule else ""),
        ("source", row.source),
    )
    lines = [textwrap.fill(title, _WIDTH, subsequent_indent="    ")]
    for name, text in details:
        if text:
            first = f"  {name}".ljust(_INDENT)
            lines.append(
                textwrap.fill(text, _WIDTH, initial_indent=first, subsequent_indent=" " * _INDENT)
            )
    return "\n".join(lines)


def _condition(row: Arithmetic) -> str:
    """A condition's own words, or the first sentence of its docstring."""
    if row.when is None:
        return ""
    text = str(row.when) if isinstance(row.when, Condition) else row.when.__doc__ or ""
    return " ".join(text.split()).split(". ")[0].rstrip(".")
