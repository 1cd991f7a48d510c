"""``tflreplay diff``: two reports against each other."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command(no_args_is_help=True)
@click.argument("old", type=click.Path(path_type=Path), metavar="OLD.json")
@click.argument("new", type=click.Path(path_type=Path), metavar="NEW.json")
def diff(old: Path, new: Path) -> None:
    """Say which layers got worse or better from one report.json to another, and which are new or
    gone.

    Exit code 0 when nothing got worse, 1 when something did, 2 when they cannot be compared.
    """
    from tflreplay.judgement.changes import changes, read_report
    from tflreplay.reports.diff import render

    found = changes(read_report(old), read_report(new))
    click.echo(render(found))
    sys.exit(1 if found.regressions else 0)
