"""Files of tensors in whatever form somebody has them, one module a form.

Each gives arrays as the file has them. Which tensors they are is said by
:mod:`tflreplay.runtimes.names`, and what their values mean by :mod:`tflreplay.runtimes.values`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tflreplay.ground.c_arrays import SUFFIXES as C_SUFFIXES
from tflreplay.ground.errors import InputError
from tflreplay.runtimes.formats import (
    c_source,
    debugger,
    log,
    numpy_files,
    raw,
    readmemh,
    text,
)
from tflreplay.runtimes.formats.found import Found, Kind

__all__ = ["FORMS", "Found", "Kind", "read", "read_folder"]

FORMS = (
    ".npy, .npz, raw binary, CSV or text, $readmemh hex, C source, a log, the file of TFLM's "
    "layer-by-layer debugger"
)
_RAW = (".bin", ".raw", ".dat")
_TEXTS = (".csv", ".tsv", ".txt", ".log", *readmemh.SUFFIXES, *C_SUFFIXES)
_IN_FOLDERS = (".npy", ".npz", *_RAW, *_TEXTS)


def read(path: Path) -> list[Found]:
    """The arrays of a file, whose form is known by its content, and where that may be several
    things by its suffix.

    Raises:
        InputError: the file cannot be read, is damaged, or holds no array.
    """
    found = _read(path)
    if not found:
        raise InputError(f"{path}: no array of values is in there")
    return found


def _read(path: Path) -> list[Found]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot read it: {error.strerror or error}") from None
    if not content:
        raise InputError(f"{path}: the file is empty")
    suffix = path.suffix.lower()
    if content.startswith(numpy_files.MAGIC) or suffix in (".npy", ".npz"):
        return numpy_files.read(path)
    if debugger.is_one(content):
        return debugger.read(path, content)
    if suffix in _RAW or (b"\0" in content and suffix not in _TEXTS):
        return raw.read(path, content)
    words = content.decode("utf-8", errors="replace")  # a log may hold what the line garbled
    if suffix in readmemh.SUFFIXES:
        return readmemh.read(path, words)
    if suffix in C_SUFFIXES:
        return c_source.read(path, words)
    return log.read(path, words) if log.MARK in words else text.read(path, words)


def read_folder(path: Path) -> tuple[list[Found], list[str]]:
    """The arrays of the files in a folder, named by their files; and the names of other files.

    Raises:
        InputError: the folder cannot be read, or no such file is in it, or :func:`read` cannot
            read one.
    """
    try:
        files = sorted(file for file in path.iterdir() if file.is_file())
    except OSError as error:
        raise InputError(f"{path}: cannot read it: {error.strerror or error}") from None
    taken = [file for file in files if file.suffix.lower() in _IN_FOLDERS]
    if not taken:
        raise InputError(f"{path}: no file of tensors is in there ({FORMS})")
    found: list[Found] = []
    others = [file.name for file in files if file not in taken]
    for file in taken:
        arrays = _read(file)
        found += [replace(array, name=array.name or file.stem) for array in arrays]
        others += [] if arrays else [file.name]
    return found, others
