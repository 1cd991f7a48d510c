"""An engine's arithmetic in words: what ``tflreplay rules`` prints."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from tflreplay.ground.engine import Engine
from tflreplay.judgement.measured import arithmetic, unmeasured_note
from tflreplay.ops import LAYERS, Row, home, rows
from tflreplay.ops.base.conditions import Condition
from tflreplay.runtimes.profiles import spelled

_WIDTH = 96
_INDENT = 14


def render(engine: Engine) -> str:
    """The rows of the engine's version and machine, in the order in which they are tried."""
    layers = " over ".join(LAYERS[engine.name])
    title = f"{arithmetic(engine)} ({layers})"
    note = textwrap.fill(unmeasured_note(engine), _WIDTH)
    return "\n\n".join(filter(None, [title, note, *_measured(engine), *_reached(engine)]))


def _measured(engine: Engine) -> Iterator[str]:
    """What its profile says, which goes before the rows."""
    if engine.profile is None:
        return
    for one in engine.profile.measured:
        kernels = "unexplained" if one.kernels is None else f"as {spelled(one.kernels)}"
        how = f"{kernels}, rule {one.rule}" if one.rule else kernels
        text = f"{one.op} ({one.dtype}), measured: {how}; {one.evidence or 'no evidence'}"
        yield textwrap.fill(text, _WIDTH, subsequent_indent="    ", break_on_hyphens=False)
    yield "Assumed of all else:"


def _reached(engine: Engine) -> Iterator[str]:
    """The version's rows, less those that an earlier row leaves nothing."""
    seen: list[tuple[str, Row]] = []
    for op, row in rows(engine):
        earlier = (other for name, other in seen if name == op)
        if row.is_of(engine) and not any(_covers(other, row) for other in earlier):
            seen.append((op, row))
            yield _paragraph(op, row)


def _covers(earlier: Row, row: Row) -> bool:
    """True where the earlier row takes whatever the later one would."""
    return set(row.types) <= set(earlier.types) and _asked(earlier) <= _asked(row)


def _asked(row: Row) -> set[Condition]:
    return set() if row.when is None else set(row.when.parts or (row.when,))


def _paragraph(op: str, row: Row) -> str:
    title = f"{op} ({', '.join(row.types)}): {', '.join(filter(None, (row.rule, row.algorithm)))}"
    details = (
        ("multiplier", str(row.multiplier)),
        ("machine", str(row.on or "")),
        ("where", str(row.when or "")),
        ("clamp", str(row.clamp) if row.rule else ""),
        ("formula", _formula(op, row)),
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


def _formula(op: str, row: Row) -> str:
    """The file and the function; of a kernel made by another function, the file of the card."""
    kernel = row.kernel
    if "<locals>" in kernel.__qualname__:
        return f"tflreplay/ops/{home(op)}"
    return f"{kernel.__module__.replace('.', '/')}.py: {kernel.__qualname__}"
