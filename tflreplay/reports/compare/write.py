"""Write the files about several sources: all of them, or none."""

from __future__ import annotations

from pathlib import Path

from tflreplay.ground.files import check_files, write_files
from tflreplay.judgement.agreement import Agreement
from tflreplay.reports.compare.text import csv_text, dumps

FILES = ("agreement.csv", "agreement.json", "agreement.html")


def check(directory: Path, overwrite: bool = False) -> None:
    """Raise the :class:`OutputError` of files that :func:`write` would refuse to replace."""
    check_files(directory, FILES, overwrite)


def write(result: Agreement, directory: Path, overwrite: bool = False) -> list[Path]:
    """Write all of the files, or none.

    Raises:
        OutputError: one exists and ``overwrite`` is not set, or they cannot be written.
    """
    from tflreplay.reports.compare.page import page  # jinja2 is slow to import

    def fill(scratch: Path) -> None:
        for name, text in zip(FILES, (csv_text, dumps, page), strict=True):
            # A path that is not valid Unicode is written escaped.
            (scratch / name).write_text(text(result), encoding="utf-8", errors="backslashreplace")

    return write_files(directory, FILES, fill, overwrite)
