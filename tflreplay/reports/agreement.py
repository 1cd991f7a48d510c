"""Who agrees with whom: a terminal table, and ``agreement`` as HTML, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tabulate import tabulate

from tflreplay import __version__
from tflreplay.agreement import NOT_COMPARED, Agreement, LayerAgreement
from tflreplay.files import check_files, write_files

# 1: the first.
FORMAT_VERSION = 1
COLUMNS = ("op_index", "op", "tensor", "elements", "source_a", "source_b", "mismatches")


def render(result: Agreement) -> str:
    """For each layer the groups that agree, then for each two sources how many layers differ."""
    lines = [
        (layer.op_index, layer.op, f"{layer.elements:,}", _groups(result, layer))
        for layer in result.layers
    ]
    layers = tabulate(lines, ("#", "op", "elements", "who agrees (elements that differ)"))
    differing, compared = result.differing_layers(), result.compared_layers()
    matrix = [
        (name, *(f"{d}/{c}" for d, c in zip(*pair, strict=True)))
        for name, *pair in zip(result.sources, differing, compared, strict=True)
    ]
    totals = tabulate(matrix, ("layers that differ", *result.sources), disable_numparse=True)
    return f"{layers}\n\n{totals}"


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
        "sources": list(result.sources),
        "layers": [
            {
                "op_index": layer.op_index,
                "op": layer.op,
                "tensor": layer.tensor.index,
                "name": layer.tensor.name,
                "elements": layer.elements,
                "groups": [[result.sources[i] for i in group] for group in layer.groups],
                "mismatches": matrix(layer),
            }
            for layer in result.layers
        ],
    }
    return json.dumps(document, separators=(",", ":"))


def page(result: Agreement) -> str:
    """``agreement.html``: source against source, then who agrees in each layer."""
    from tflreplay.reports import html  # jinja2 is slow to import, and only a page needs it

    counts = zip(
        result.differing_elements().tolist(),
        result.differing_layers().tolist(),
        result.compared_layers().tolist(),
        strict=True,
    )
    return html.template("agreement.html.j2").render(
        result=result,
        matrix=[
            (name, list(zip(*row, strict=True)))
            for name, row in zip(result.sources, counts, strict=True)
        ],
        apart=[layer for layer in result.layers if not layer.unanimous],
        alike=[layer for layer in result.layers if layer.unanimous],
        groups=lambda layer: _groups(result, layer),
        css=html.static("report.css"),
        version=__version__,
    )


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
            (scratch / name).write_text(text(result), encoding="utf-8")

    return write_files(directory, _FILES, fill, overwrite)
