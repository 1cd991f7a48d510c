"""The terminal table of several sources."""

from __future__ import annotations

import textwrap

from tabulate import tabulate

from tflreplay.ground.words import printable, short
from tflreplay.judgement.agreement import Agreement
from tflreplay.reports.compare.words import groups, headline

_OP_WIDTH, _GROUPS_WIDTH = 17, 43  # 80 in all, with six digits of layers and of elements


def render(result: Agreement) -> str:
    """For each layer the groups that agree, then for each two sources how many layers differ."""
    lines = [
        (
            layer.op_index,
            short(layer.op, _OP_WIDTH),
            f"{layer.elements:,}",
            _folded(groups(result, layer)),
        )
        for layer in result.layers
    ]
    layers = tabulate(lines, ("#", "op", "elements", "who agrees (elements that differ)"))
    differing, compared = result.differing_layers(), result.compared_layers()
    matrix = [
        (name, *(f"{d}/{c}" for d, c in zip(*pair, strict=True)))
        for name, *pair in zip(result.sources, differing, compared, strict=True)
    ]
    totals = tabulate(
        [tuple(map(printable, row)) for row in matrix],
        ("layers that differ", *map(printable, result.sources)),
        disable_numparse=True,
    )
    told = [
        *(f"input: {note}" for note in result.inputs),
        *(f"note: {note}" for note in (*result.notes, *result.failures)),
    ]
    verdict = f"{result.verdict.upper()}: {headline(result)}"
    return "\n".join([*map(printable, told), layers, "", totals, "", verdict])


def _folded(told: str) -> str:
    """In lines that fit; a group stays on one line where it can."""
    kept = " | ".join(group.replace(" ", "\0") for group in printable(told).split(" | "))
    return textwrap.fill(kept, _GROUPS_WIDTH).replace("\0", " ")
