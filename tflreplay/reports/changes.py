"""What changed from one report to the next, as a terminal table."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from tabulate import tabulate

from tflreplay.changes import Change, Changes, Counts, SavedLayer
from tflreplay.words import printable

SHOWN = 30
_KINDS = ("worse", "new", "gone", "better")
_VERDICT_WIDTH = 24
_ABOUT_WIDTH = 60


def render(changes: Changes) -> str:
    """What else changed, the layers that did, the worst kind first, and how many of each kind."""
    parts = ["\n".join(_about(changes))] if changes.about else []
    ordered = [change for kind in _KINDS for change in changes.of(kind)]
    if ordered:
        heads = ("", "#", "op", *changes.modes, "max", "verdict now")
        rows = [_row(change, changes.modes) for change in ordered[:SHOWN]]
        align = ("left", "right", "left", *("right",) * (len(heads) - 4), "left")
        parts.append(tabulate(rows, heads, "simple", colalign=align, disable_numparse=True))
    if len(ordered) > SHOWN:
        parts.append(f"... and {len(ordered) - SHOWN} more")
    counts = ", ".join(f"{len(changes.of(kind))} {kind}" for kind in _KINDS)
    word = "WORSE" if changes.regressions else "NOT WORSE"
    parts.append(f"{word}: {counts}, {changes.same} as before")
    return "\n\n".join(parts)


def _about(changes: Changes) -> Iterator[str]:
    for what, sides in changes.about.items():
        before, now = (_short(printable(side), _ABOUT_WIDTH) or "none" for side in sides)
        yield f"{what}: {before} -> {now}"
    if "model" in changes.about:
        yield "another model: layers are matched by op index, tensor and op"


def _row(change: Change, modes: tuple[str, ...]) -> tuple[str, ...]:
    layer = change.layer
    largest = [_largest(side, modes) for side in (change.old, change.new)]
    return (
        change.kind,
        str(layer.op_index),
        _short(printable(layer.op), _VERDICT_WIDTH),
        *(
            _arrow(*(_mismatches(getattr(side, mode, None)) for side in (change.old, change.new)))
            for mode in modes
        ),
        _arrow(*largest),
        _short(printable(change.new.verdict), _VERDICT_WIDTH) if change.new is not None else "",
    )


def _mismatches(counts: Counts | None) -> str:
    return f"{counts.mismatches:,}" if counts is not None else "-"


def _largest(layer: SavedLayer | None, modes: tuple[str, ...]) -> str:
    found = [getattr(layer, mode, None) for mode in modes]
    known = [counts.max_abs for counts in found if counts is not None]
    return f"{max(known):g}" if known else "-"


def _arrow(before: str, now: str) -> str:
    return before if before == now else f"{before} -> {now}"


def _short(text: str, width: int) -> str:
    return textwrap.shorten(text, width, placeholder=" ...") if " " in text else text[:width]
