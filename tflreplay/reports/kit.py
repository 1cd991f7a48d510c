"""The files of the probe's kit: a directory for each piece, a program for TFLM, and a README."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tflreplay import __version__
from tflreplay.ground.files import check_files, write_files
from tflreplay.reports import dumper
from tflreplay.reports.extract.text import environment
from tflreplay.tools.probe import Piece

_DOCUMENTS = ("README.md", "main.cc")


def check(directory: Path, kit: Sequence[Piece]) -> None:
    """Raise the :class:`OutputError` of a kit that :func:`write` would refuse to replace."""
    check_files(directory, _names(kit))


def write(kit: Sequence[Piece], without: Sequence[str], directory: Path) -> None:
    """Write the kit into ``directory``, which is created if it is missing.

    ``without`` are ops that it leaves out.

    Raises:
        OutputError: something of the kit is there, or the directory cannot be written to.
    """
    write_files(directory, _names(kit), lambda scratch: _fill(kit, without, scratch))


def _names(kit: Sequence[Piece]) -> list[str]:
    return [*_DOCUMENTS, *(piece.name for piece in kit)]


def _fill(kit: Sequence[Piece], without: Sequence[str], scratch: Path) -> None:
    for name in _DOCUMENTS:
        template = environment().get_template(f"kit_{name}.j2")
        text = template.render(kit=kit, without=without, version=__version__)
        (scratch / name).write_text(text, "utf-8")
    for piece in kit:
        folder = scratch / piece.name
        folder.mkdir()
        (folder / f"{piece.name}.tflite").write_bytes(piece.model.content)
        for index, codes in piece.inputs.items():
            name = piece.model.main.tensors[index].name
            np.save(folder / f"{name}.npy", codes, allow_pickle=False)
            (folder / f"{name}.bin").write_bytes(codes.tobytes())
        # Apart, so that a device's outputs can be put beside its inputs and read from there.
        headers = folder / "c"
        headers.mkdir()
        (headers / "piece.h").write_text(_header(piece), "ascii")
        for name, text in dumper.render(piece.model).items():
            (headers / name).write_text(text, "utf-8")


def _header(piece: Piece) -> str:
    arrays = [
        (piece.model.main.tensors[index].name, codes.dtype.name, codes.ravel().tolist())
        for index, codes in piece.inputs.items()
    ]
    content = np.frombuffer(piece.model.content, np.uint8).tolist()
    template = environment().get_template("kit_piece.h.j2")
    return template.render(piece=piece, content=content, arrays=arrays, version=__version__)
