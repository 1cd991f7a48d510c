"""``tflreplay dumper``: C for a firmware that prints its tensors."""

from __future__ import annotations

from pathlib import Path

import click

from tflreplay.cli import options
from tflreplay.cli.streams import echo


@click.command(no_args_is_help=True)
@options.model
@click.option(
    "--out", type=options.DIRECTORY, metavar="DIR", help="Where the headers go.  [default: here]"
)
@options.force
def dumper(model: Path, out: Path | None, force: bool) -> None:
    """Write C headers with which a firmware prints the tensors of MODEL: tflreplay_dump.h, plain
    C99 with a function for each tensor, and tflreplay_tflm.h, which has TFLM call them.

    What the device prints is then read by `tflreplay MODEL --input LOG --against LOG`.
    """
    from tflreplay.model import load
    from tflreplay.reports import dumper as report

    directory = out if out is not None else Path()
    report.check(directory, force)
    written = report.write(load(model), directory, overwrite=force)
    echo(f"dumper: {', '.join(map(str, written))}")
