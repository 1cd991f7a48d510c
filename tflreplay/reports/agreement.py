"""Who agrees with whom: a terminal table, and ``agreement`` as HTML, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import textwrap
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from tabulate import tabulate

from tflreplay import __version__
from tflreplay.agreement import NOT_COMPARED, Agreement, LayerAgreement
from tflreplay.files import check_files, write_files
from tflreplay.words import printable, shape_text, short

_OP_WIDTH, _GROUPS_WIDTH = 17, 43  # 80 in all, with six digits of layers and of elements

# 1: the first.
FORMAT_VERSION = 1
COLUMNS = ("op_index", "op", "tensor", "elements", "source_a", "source_b", "mismatches")


def render(result: Agreement) -> str:
    """For each layer the groups that agree, then for each two sources how many layers differ."""
    lines = [
        (
            layer.op_index,
            short(layer.op, _OP_WIDTH),
            f"{layer.elements:,}",
            _folded(_groups(result, layer)),
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


def _folded(groups: str) -> str:
    """In lines that fit; a group stays on one line where it can."""
    kept = " | ".join(group.replace(" ", "\0") for group in printable(groups).split(" | "))
    return textwrap.fill(kept, _GROUPS_WIDTH).replace("\0", " ")


def _groups(result: Agreement, layer: LayerAgreement) -> str:
    """``reference=tflm | xnnpack (213)``: the count is against the first group."""
    parts = []
    for number, group in enumerate(layer.groups):
        names = "=".join(result.sources[member] for member in group)
        differ = layer.mismatches[layer.groups[0][0], group[0]]
        count = "not comparable" if differ == NOT_COMPARED else f"{differ:,}"
        parts.append(names if number == 0 else f"{names} ({count})")
    present = {member for group in layer.groups for member in group}
    absent = [name for i, name in enumerate(result.sources) if i not in present]
    if absent:
        parts.append(f"none from {', '.join(absent)}")
    return " | ".join(parts)


def csv_text(result: Agreement) -> str:
    """A row for each layer and each two sources; ``mismatches`` empty where not compared."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for layer in result.layers:
        for i, a in enumerate(result.sources):
            for j in range(i + 1, len(result.sources)):
                differ = int(layer.mismatches[i, j])
                writer.writerow(
                    (
                        layer.op_index,
                        layer.op,
                        layer.tensor.index,
                        layer.elements,
                        a,
                        result.sources[j],
                        "" if differ == NOT_COMPARED else differ,
                    )
                )
    return file.getvalue()


def dumps(result: Agreement) -> str:
    """The agreement as JSON; ``mismatches`` is a matrix, null where not compared."""

    def matrix(layer: LayerAgreement) -> list[list[int | None]]:
        return [
            [None if n == NOT_COMPARED else n for n in row] for row in layer.mismatches.tolist()
        ]

    document: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "tflreplay_version": __version__,
        "model": {"path": str(result.model.path), "sha256": result.model.sha256},
        "inputs": list(result.inputs),
        "command": result.command,
        "verdict": result.verdict,
        "sources": list(result.sources),
        "origins": list(result.origins),
        "notes": [*result.notes, *result.failures],
        "layers": [
            {
                "op_index": layer.op_index,
                "op": layer.op,
                "tensor": layer.tensor.index,
                "name": layer.tensor.name,
                "status": layer.status,
                "text": story(result, layer),
                "elements": layer.elements,
                "groups": [[result.sources[i] for i in group] for group in layer.groups],
                "mismatches": matrix(layer),
            }
            for layer in result.layers
        ],
    }
    return json.dumps(document, separators=(",", ":"))


@dataclass(frozen=True)
class _Row:
    """A layer as the page shows it; ``cells`` hold a source's group and its distance each."""

    layer: LayerAgreement
    key: str
    shape: str
    cells: tuple[tuple[str, int | None], ...]


def page(result: Agreement) -> str:
    """``agreement.html``: source against source, then who agrees in each layer."""
    from tflreplay.reports import html  # jinja2 is slow to import, and only a page needs it

    counts = zip(
        result.differing_elements().tolist(),
        result.differing_layers().tolist(),
        result.compared_layers().tolist(),
        strict=True,
    )
    first = result.first_divergence
    layers = result.layers
    return html.template("agreement.html.j2").render(
        **html.page(dumps(result), "agreement.js"),
        result=result,
        headline=headline(result),
        matrix=[
            (name, list(zip(*row, strict=True)))
            for name, row in zip(result.sources, counts, strict=True)
        ],
        rows=[
            _Row(layer, html.key(layer), shape_text(layer.tensor.shape), _cells(result, layer))
            for layer in layers
        ],
        kinds=Counter(layer.status for layer in layers),
        ops=sorted(Counter(layer.op for layer in layers).items()),
        first=first,
        first_key=html.key(first) if first is not None else "",
        first_text=story(result, first) if first is not None else "",
    )


def headline(result: Agreement) -> str:
    """The verdict in a sentence."""
    layers, sources = len(result.layers), len(result.sources)
    if result.verdict == "exact":
        return f"{sources} sources, alike in every bit of {layers} layers"
    if result.verdict == "incomplete":
        return f"{sources} sources; nothing differs, but not every layer could be compared"
    apart = sum(layer.status == "mismatch" for layer in result.layers)
    return f"{sources} sources, not all alike in {apart} of {layers} layers"


def story(result: Agreement, layer: LayerAgreement) -> str:
    """Who agrees with whom in one layer, in words."""
    names = [", ".join(result.sources[member] for member in group) for group in layer.groups]
    if layer.unanimous:
        return f"{names[0]} agree."
    if len(names) < 2:
        return f"There is nothing to compare: only from {', '.join(names) or 'none'}."
    first = layer.groups[0]
    parts = []
    for name, group in zip(names[1:], layer.groups[1:], strict=True):
        differ = layer.mismatches[first[0], group[0]]
        parts.append(f"{name} not comparable" if differ == NOT_COMPARED else f"{name} {differ:,}")
    agree, them = (f"{names[0]} agree. ", "them") if len(first) > 1 else ("", names[0])
    return f"{agree}Of {layer.elements:,} elements, different from {them}: {', '.join(parts)}."


def _cells(result: Agreement, layer: LayerAgreement) -> tuple[tuple[str, int | None], ...]:
    """For each source the letter of its group, and in how many elements it differs from A."""
    cells: list[tuple[str, int | None]] = [("", None)] * len(result.sources)
    for number, group in enumerate(layer.groups):
        differ = int(layer.mismatches[layer.groups[0][0], group[0]])
        for member in group:
            cells[member] = (ascii_uppercase[number % 26], differ)
    return tuple(cells)


_FILES: dict[str, Callable[[Agreement], str]] = {
    "agreement.csv": csv_text,
    "agreement.json": dumps,
    "agreement.html": page,
}


def check(directory: Path, overwrite: bool = False) -> None:
    """Raise the :class:`OutputError` of files that :func:`write` would refuse to replace."""
    check_files(directory, _FILES, overwrite)


def write(result: Agreement, directory: Path, overwrite: bool = False) -> list[Path]:
    """Write all of the files, or none.

    Raises:
        OutputError: one exists and ``overwrite`` is not set, or they cannot be written.
    """

    def fill(scratch: Path) -> None:
        for name, text in _FILES.items():
            # A path that is not valid Unicode is written escaped.
            (scratch / name).write_text(text(result), encoding="utf-8", errors="backslashreplace")

    return write_files(directory, _FILES, fill, overwrite)
