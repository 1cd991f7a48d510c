"""Standard output and standard error, also where they are closed, full, or written to from C."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

import click

from tflreplay.ground.words import printable


def open_closed() -> None:
    """Where the caller closed standard output or error (``>&-``), what is written goes nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))


def echo(text: str) -> None:
    """Print a line that may hold names out of a model or a file."""
    click.echo(printable(text))


@contextmanager
def output_to_error() -> Iterator[None]:
    """What is written to standard output meanwhile goes to standard error, from C too."""
    from tflreplay.ground.libm import c_library  # numpy is slow to import

    sys.stdout.flush()
    saved = os.dup(1)
    try:
        os.dup2(2, 1)
        with redirect_stdout(sys.stderr):
            yield
    finally:
        c_library().fflush(None)  # what C keeps for later
        os.dup2(saved, 1)
        os.close(saved)
