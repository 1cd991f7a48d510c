"""Write the files of a report: all of them, or none."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any

from tflreplay.ground.files import check_files, write_files
from tflreplay.judgement.run import Run
from tflreplay.reports import (
    amplification,
    dataset,
    json_report,
    junit,
    model_explorer,
    rows,
    summary,
)

_TABLES: dict[str, tuple[rows.Row, Callable[[Run], Iterable[rows.Block]]]] = {
    "layers.csv": (rows.LAYER_COLUMNS, rows.layer_rows),
    "channels.csv": (rows.CHANNEL_COLUMNS, rows.channel_blocks),
    "histogram.csv": (rows.HISTOGRAM_COLUMNS, rows.histogram_blocks),
    "amplification.csv": (amplification.COLUMNS, amplification.rows),
}
_TEXTS: dict[str, Callable[[Run], str]] = {
    "junit.xml": junit.render,
    "summary.md": summary.render,
    "model_explorer_mismatches.json": model_explorer.mismatches,
    "model_explorer_verdicts.json": model_explorer.verdicts,
}
FILES = (*_TABLES, *_TEXTS, "report.json", "report.html")
INPUTS = "inputs.csv"


def files(run: Run) -> tuple[str, ...]:
    """Those that are written of a run; of a dataset a table more."""
    return (*FILES, INPUTS) if run.dataset is not None else FILES


def write(run: Run, directory: str | Path, overwrite: bool = False) -> list[Path]:
    """Write the :func:`files` of a run into ``directory``, which is created if it is missing.

    Returns:
        The paths, in their order.

    Raises:
        OutputError: one of the files exists and ``overwrite`` is not set, or the directory cannot
            be written to; it then holds what it held before.
    """
    names = files(run)
    return write_files(Path(directory), names, lambda scratch: _write_all(run, scratch), overwrite)


def prepare() -> None:
    """Make what is the same in every report. It is kept, so :func:`write` need not wait for it."""
    from tflreplay.reports import html

    html.template()
    html.plotly()


def check(directory: Path, overwrite: bool = False) -> None:
    """Raise the :class:`OutputError` of a report that :func:`write` would refuse to replace."""
    check_files(directory, (*FILES, INPUTS), overwrite)


def _write_all(run: Run, directory: Path) -> None:
    from tflreplay.reports import html  # jinja2 is slow to import, and only a page needs it

    for name, (columns, blocks) in _TABLES.items():
        with _open(directory / name) as file:
            file.write(_lines(columns))
            for block in blocks(run):
                file.write(_lines(block))
    if run.dataset is not None:
        with _open(directory / INPUTS) as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(dataset.COLUMNS)
            writer.writerows(dataset.rows(run))
    for name, text in _TEXTS.items():
        with _open(directory / name) as file:
            file.write(text(run))
    found = json_report.document(run)
    (directory / "report.json").write_text(json_report.encoded(found), encoding="ascii")
    with _open(directory / "report.html") as file:
        file.write(html.render(run, found))


def _open(path: Path) -> IO[str]:
    # A path that is not valid Unicode is written escaped.
    return open(path, "w", newline="", encoding="utf-8", errors="backslashreplace")


def _lines(block: rows.Block) -> str:
    """CSV lines of a block. Columns that vary hold numbers, which need no quotes."""
    varying = [column for column in block if isinstance(column, list | range)]
    line = (
        ",".join("%s" if isinstance(column, list | range) else _field(column) for column in block)
        + "\n"
    )
    return "".join(map(line.__mod__, zip(*varying, strict=True))) if varying else line % ()


def _field(value: Any) -> str:
    """A value as RFC 4180 writes it, in a format string."""
    text = "" if value is None else str(value)
    if any(char in text for char in ',"\r\n'):
        text = '"' + text.replace('"', '""') + '"'
    return text.replace("%", "%%")
