"""``tflreplay rules``: the arithmetic tables, printed."""

from __future__ import annotations

import click

from tflreplay.cli import options


@click.command()
@options.engine
@options.runtime
def rules(engine: str | None, runtime: str | None) -> None:
    """Print which rule, multiplier and algorithm an engine uses for each op.

    Rows are tried from the top; an engine falls back as its runtime does: xnnpack to optimized to
    reference.
    """
    from tflreplay.reports import rules as report
    from tflreplay.runtimes import resolve

    click.echo(report.render(resolve(runtime, engine)))
