"""What a probe found out: text for a terminal, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from tflreplay.ground.errors import OutputError
from tflreplay.ground.files import check_files, write_files
from tflreplay.ground.machine import on
from tflreplay.runtimes import RUNTIMES
from tflreplay.tools.probe import Finding, Probe

# 1: the first.
FORMAT_VERSION = 1
COLUMNS = (
    "runtime",
    "version",
    "engine",
    "machine",
    "op",
    "outputs",
    "discriminating",
    "candidate",
    "in_table",
    "tried",
    "wrong",
)
HEADERS = (
    "op",
    "computes",
    "outputs",
    "discriminating",
    "nearest other\nis wrong in",
    "unexplained",
)
WIDTH = 100
_ANSWER_WIDTH = 36
_CELL_WIDTH = 22


def title(probe: Probe) -> str:
    return f"{_runtime(probe)}, {probe.engine.name} kernels"


def render(probe: Probe) -> str:
    """One engine: a line for each op, then the evidence in sentences."""
    table = tabulate(
        [(*line(found), _table(found)) for found in probe.findings],
        (*HEADERS, "table"),
        colalign=("left", "left", "right", "right", "right", "right", "left"),
        maxcolwidths=[None, _ANSWER_WIDTH] + [None] * 5,
        disable_numparse=True,
    )
    sentences = (
        textwrap.fill(
            f"{found.op}: {found.text}", WIDTH, subsequent_indent="  ", break_on_hyphens=False
        )
        for found in probe.findings
    )
    return "\n\n".join([title(probe), table, "\n".join(sentences)])


def line(found: Finding) -> tuple[str, ...]:
    """The cells below :data:`HEADERS`."""
    return (
        found.op,
        answer(found),
        f"{found.outputs:,}",
        f"{found.discriminating:,}",
        f"{found.rivals[0].wrong:,}" if found.computes and found.rivals else "",
        f"{found.unexplained:,}",
    )


def matrix(probes: Sequence[Probe]) -> str:
    """Rows of ops, columns of runtimes; a table for each kind of kernels."""
    engines = dict.fromkeys(probe.engine.name for probe in probes)
    parts = []
    for engine in engines:
        own = [probe for probe in probes if probe.engine.name == engine]
        cells = [{found.op: _cell(found) for found in probe.findings} for probe in own]
        lines = [(op, *(column.get(op, "") for column in cells)) for op in cells[0]]
        parts.append(
            tabulate(
                lines,
                (f"{engine} kernels", *map(_runtime, own)),
                maxcolwidths=[None] + [_CELL_WIDTH] * len(own),
                disable_numparse=True,
            )
        )
    return "\n\n".join(parts)


def answer(found: Finding) -> str:
    """What an op computes, as a table has room for it."""
    if found.reason:
        return "not probed"
    if found.unexplained:
        return "UNEXPLAINED"
    if not found.computes:
        return "not told apart"
    first, *others = found.computes
    return f"{first} (or {len(others)} more)" if others else first


def _table(found: Finding) -> str:
    if found.contradicting:
        return f"CONTRADICTED by {found.contradicting:,}"
    return "agrees" if found.computes else ""


def _cell(found: Finding) -> str:
    return answer(found) + (" CONTRADICTS THE TABLE" if found.contradicting else "")


def _runtime(probe: Probe) -> str:
    engine = probe.engine
    return f"{RUNTIMES[engine.runtime].title} {engine.version}{on(engine.machine)}"


def csv_text(probes: Sequence[Probe]) -> str:
    """A row for each engine, op and candidate; of an op not probed, one without a candidate."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for probe in probes:
        engine = probe.engine
        asked = (engine.runtime, engine.version, engine.name, str(engine.machine))
        for found in probe.findings:
            writer.writerows((*asked, found.op, *row) for row in _scores(found))
    return file.getvalue()


def _scores(found: Finding) -> Iterator[tuple[Any, ...]]:
    if found.reason:
        yield ("", "", "", "", "", "")
    for score in found.scores:
        in_table = int(score.name == found.expected)
        yield (
            found.outputs,
            found.discriminating,
            score.name,
            in_table,
            score.outputs,
            score.wrong,
        )


def dumps(probes: Sequence[Probe]) -> str:
    """The probes as JSON. Of an op not probed, all is null but ``op``, ``text`` and ``reason``."""
    document = {
        "format_version": FORMAT_VERSION,
        "probes": [
            {
                "runtime": probe.engine.runtime,
                "version": probe.engine.version,
                "engine": probe.engine.name,
                "machine": str(probe.engine.machine),
                "failure": probe.failure or None,
                "ops": [_document(found) for found in probe.findings],
            }
            for probe in probes
        ],
    }
    return json.dumps(document, indent=1)


def _document(found: Finding) -> dict[str, Any]:
    measured: dict[str, Any] = {
        "outputs": found.outputs,
        "discriminating": found.discriminating,
        "computes": list(found.computes),
        "unexplained": found.unexplained,
        "expected": found.expected,
        "contradicting": found.contradicting,
        "candidates": [
            {"name": score.name, "tried": score.outputs, "wrong": score.wrong}
            for score in found.scores
        ],
    }
    if found.reason:
        measured = dict.fromkeys(measured)
    return {"op": found.op, "text": found.text, "reason": found.reason or None, **measured}


_FORMATS: Mapping[str, Callable[[Sequence[Probe]], str]] = {".csv": csv_text, ".json": dumps}


def check(path: Path, overwrite: bool = False) -> None:
    """Raise the :class:`OutputError` that :func:`write` would, before there is anything to write.

    Raises:
        OutputError: the name ends in neither ``.csv`` nor ``.json``, or the file exists and
            ``overwrite`` is not set.
    """
    if path.suffix not in _FORMATS:
        raise OutputError(f"{path}: the format is told by the name: end it in .csv or .json")
    check_files(path.parent, [path.name], overwrite)


def write(probes: Sequence[Probe], path: Path, overwrite: bool = False) -> None:
    """Write a CSV or a JSON file, by the path's suffix; raises as :func:`check`."""
    check(path, overwrite)
    text = _FORMATS[path.suffix](probes)

    def fill(scratch: Path) -> None:
        (scratch / path.name).write_text(text, encoding="utf-8")

    write_files(path.parent, [path.name], fill, overwrite)
