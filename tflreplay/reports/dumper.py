"""C for a firmware that prints its tensors; :mod:`tflreplay.runtimes.formats.log` reads it."""

from __future__ import annotations

from pathlib import Path

from tflreplay import __version__
from tflreplay.ground.files import check_files, write_files
from tflreplay.model import Model
from tflreplay.reports.extract.text import environment
from tflreplay.tools.dumper import dumped

# The functions in C99, and a profiler for TFLM that calls them.
NAMES = ("tflreplay_dump.h", "tflreplay_tflm.h")


def check(directory: Path, overwrite: bool = False) -> None:
    """Raise the :class:`OutputError` of headers that :func:`write` would refuse to replace."""
    check_files(directory, NAMES, overwrite)


def render(model: Model) -> dict[str, str]:
    """The texts of the files by name."""
    return {
        name: environment()
        .get_template(f"{name}.j2")
        .render(model=model, dumped=dumped(model), version=__version__)
        for name in NAMES
    }


def write(model: Model, directory: str | Path, overwrite: bool = False) -> list[Path]:
    """Write the headers into ``directory``, which is created if it is missing.

    Raises:
        OutputError: one of them exists and ``overwrite`` is not set, or the directory cannot be
            written to.
    """
    texts = render(model)

    def fill(scratch: Path) -> None:
        for name, text in texts.items():
            (scratch / name).write_text(text, "utf-8", errors="backslashreplace")

    return write_files(Path(directory), NAMES, fill, overwrite)
