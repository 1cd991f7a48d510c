"""C headers and sources: every initialized array, in its declared type."""

from __future__ import annotations

from pathlib import Path

from tflreplay.ground.c_arrays import CSyntax, arrays
from tflreplay.ground.errors import InputError
from tflreplay.runtimes.formats.found import Found, Kind


def read(path: Path, text: str) -> list[Found]:
    """None where the source only declares.

    Raises:
        InputError: an array is cut short or holds something else than numbers.
    """
    found = []
    try:
        for array in arrays(text):
            values = array.values()
            kind = Kind.TYPED if array.dtype else Kind.NUMBERS
            shaped = values.ndim > 1
            found.append(Found(array.name, f"{path}[{array.name}]", values, kind, shaped))
    except CSyntax as error:
        raise InputError(f"{path}: {error}") from None
    return found
