"""``.npy`` and ``.npz``."""

from __future__ import annotations

import zipfile
from math import prod
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from tflreplay.ground.errors import InputError
from tflreplay.runtimes.formats.found import Found

MAGIC = (b"\x93NUMPY", b"PK\x03\x04", b"PK\x05\x06")


def read(path: Path) -> list[Found]:
    """The array of an ``.npy``, which has no name, or those of an ``.npz``.

    Raises:
        InputError: the file is damaged, cut short, or holds objects.
    """
    try:
        with open(path, "rb") as file:
            if file.read(6) == MAGIC[0]:
                # Mapped, so that nothing is allocated that the file only claims to hold.
                mapped = np.load(path, mmap_mode="r", allow_pickle=False)
                return [Found("", str(path), np.array(mapped), shaped=True)]
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if twice := next((name for name in names if names.count(name) > 1), None):
                raise ValueError(f"{twice} is in there twice")
            for member in archive.infolist():
                with archive.open(member) as stream:
                    _check(stream, member)
        with np.load(path, allow_pickle=False) as loaded:
            arrays = [(name, loaded[name]) for name in loaded.files]
    except Exception as error:  # numpy and zipfile raise whatever a damaged file makes them hit
        raise InputError(
            f"{path}: damaged, or not a numpy file of numbers: {error or type(error).__name__}; "
            "save it again, with numpy.save or numpy.savez"
        ) from None
    for name, array in arrays:
        if not isinstance(array, np.ndarray):
            raise InputError(f"{path}[{name}]: not an array; save the archive with numpy.savez")
    return [Found(name, f"{path}[{name}]", array, shaped=True) for name, array in arrays]


def mapped(path: Path) -> list[Found]:
    """The array of an ``.npy``, left on the disk until its values are used; empty for any other.

    Raises:
        InputError: the file cannot be read, is damaged, cut short, or holds objects.
    """
    try:
        with open(path, "rb") as file:
            if file.read(6) != MAGIC[0]:
                return []
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:
        raise InputError(
            f"{path}: damaged, or not a numpy file of numbers: {error or type(error).__name__}; "
            "save it again, with numpy.save"
        ) from None
    return [Found("", str(path), array, shaped=True)]


def _check(stream: IO[bytes], member: zipfile.ZipInfo) -> None:
    """Refuse an array that claims to be larger than its file."""
    if stream.read(6) != MAGIC[0]:
        return
    version = tuple(stream.read(2))
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read_header(stream)
    if prod(shape) * dtype.itemsize > member.file_size:
        raise ValueError(f"{member.filename} claims the shape {list(shape)} and is cut short")
