"""Files that appear together: all of them, or none."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from tflreplay.ground.errors import OutputError


def check_files(directory: Path, names: Iterable[str], overwrite: bool = False) -> None:
    """Refuse to replace files without being asked.

    Raises:
        OutputError: one of ``names`` is in ``directory`` and ``overwrite`` is not set, or it is a
            directory.
    """
    for target in (directory / name for name in names):
        if not overwrite and os.path.lexists(target):
            raise OutputError(
                f"{target}: already there, and not overwritten without being asked; "
                "choose another directory, or ask for it with --force (overwrite=True)"
            )
        if target.is_dir() and not target.is_symlink():
            raise OutputError(f"{target}: is a directory; choose another one for the files")


def write_files(
    directory: Path, names: Iterable[str], fill: Callable[[Path], None], overwrite: bool = False
) -> list[Path]:
    """Have ``fill`` write the files ``names`` into a scratch directory, then move them in place.

    Returns:
        The paths, in the order of ``names``.

    Raises:
        OutputError: a file exists and ``overwrite`` is not set, or the directory cannot be written
            to; it then holds what it held before.
    """
    check_files(directory, names, overwrite)
    targets = [directory / name for name in names]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        # Beside the targets, so that moving them into place is a rename.
        with tempfile.TemporaryDirectory(prefix=".tflreplay-", dir=directory) as scratch:
            fill(Path(scratch))
            for target in targets:
                os.replace(Path(scratch, target.name), target)
    except OSError as error:
        remedy = "make room there or choose" if error.errno == errno.ENOSPC else "choose"
        raise OutputError(
            f"{directory}: cannot write the report: {error.strerror}; {remedy} another directory"
        ) from None
    return targets
