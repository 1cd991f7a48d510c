"""What changed from one report to the next, as a terminal table."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from tabulate import tabulate

from tflreplay.ground.words import printable, short
from tflreplay.judgement.changes import Change, Changes, Counts, SavedLayer

WIDTH = 80
SHOWN = 30
_KINDS = ("worse", "new", "gone", "better")
_OP_WIDTH = 17  # DEPTHWISE_CONV_2D
_ABOUT_WIDTH = 200
# The width of the verdicts, and the columns left out: the first that fits the terminal.
_LAYOUTS: tuple[tuple[int, tuple[str, ...]], ...] = (
    (24, ()),
    (16, ()),
    (11, ()),
    (0, ("verdict now",)),
    (0, ("verdict now", "max")),
    (0, ("verdict now", "max", "op")),
)


def render(changes: Changes) -> str:
    """What else changed, the layers that did, the worst kind first, and how many of each kind."""
    parts = ["\n".join(_about(changes))] if changes.about else []
    ordered = [change for kind in _KINDS for change in changes.of(kind)]
    if ordered:
        parts.append(_fitted([_row(change, changes.modes) for change in ordered[:SHOWN]]))
    if len(ordered) > SHOWN:
        parts.append(f"... and {len(ordered) - SHOWN} more")
    counts = ", ".join(f"{len(changes.of(kind))} {kind}" for kind in _KINDS)
    word = "WORSE" if changes.regressions else "NOT WORSE"
    parts.append(f"{word}: {counts}, {changes.same} as before")
    return "\n\n".join(parts)


def _about(changes: Changes) -> Iterator[str]:
    for what, sides in changes.about.items():
        before, now = (short(side, _ABOUT_WIDTH) or "none" for side in sides)
        yield _wrapped(f"{what}: {before} -> {now}")
    if "model" in changes.about:
        yield "another model: layers are matched by op index, tensor and op"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def _fitted(rows: list[dict[str, str]]) -> str:
    """The rows as a table; where it is too wide, with shorter verdicts and then fewer columns."""
    for verdict_width, dropped in _LAYOUTS:
        heads = [head for head in rows[0] if head not in dropped]
        cells = [
            [_words(row[head], verdict_width) if head == "verdict now" else row[head]
             for head in heads]
            for row in rows
        ]  # fmt: skip
        align = ["left" if head in ("", "op", "verdict now") else "right" for head in heads]
        text = str(tabulate(cells, heads, "simple", colalign=align, disable_numparse=True))
        if max(map(len, text.splitlines())) <= WIDTH:
            break
    return text


def _row(change: Change, modes: tuple[str, ...]) -> dict[str, str]:
    layer = change.layer
    sides = (change.old, change.new)
    return {
        "": change.kind,
        "#": str(layer.op_index),
        "op": short(layer.op, _OP_WIDTH),
        **{mode: _arrow(*(_mismatches(getattr(side, mode, None)) for side in sides))
           for mode in modes},
        "max": _arrow(*(_largest(side, modes) for side in sides)),
        "verdict now": printable(change.new.verdict) if change.new is not None else "",
    }  # fmt: skip


def _mismatches(counts: Counts | None) -> str:
    return f"{counts.mismatches:,}" if counts is not None else "-"


def _largest(layer: SavedLayer | None, modes: tuple[str, ...]) -> str:
    found = [getattr(layer, mode, None) for mode in modes]
    known = [counts.max_abs for counts in found if counts is not None]
    return f"{max(known):g}" if known else "-"


def _arrow(before: str, now: str) -> str:
    return before if before == now else f"{before} -> {now}"


def _words(text: str, width: int) -> str:
    """Cut between words where there are several."""
    return textwrap.shorten(text, width, placeholder=" ...") if " " in text else short(text, width)
