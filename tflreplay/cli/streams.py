"""Standard output and standard error, also where they are closed, full, or written to from C."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout


def open_closed() -> None:
    """Where the caller closed standard output or error (``>&-``), what is written goes nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))


@contextmanager
def output_to_error() -> Iterator[None]:
    """What is written to standard output meanwhile goes to standard error, from C too."""
    sys.stdout.flush()
    saved = os.dup(1)
    try:
        os.dup2(2, 1)
        with redirect_stdout(sys.stderr):
            yield
    finally:
        ctypes.CDLL(None).fflush(None)  # what C keeps for later
        os.dup2(saved, 1)
        os.close(saved)
