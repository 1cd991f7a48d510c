"""``tflreplay ops``: what is replayed, or what of one model is."""

from __future__ import annotations

from pathlib import Path

import click

from tflreplay.cli import options


@click.command()
@click.argument("model", required=False, type=click.Path(path_type=Path))
@options.runtime
@options.machine
def ops(model: Path | None, runtime: str | None, machine: str | None) -> None:
    """List the ops that are replayed, by type and engine, and what every tool does with them.

    With a MODEL, list its ops instead: how many of each, on which type, and whether each engine's
    arithmetic replays it, with the reason where it does not: what a run will say. No runtime runs;
    each op is tried on random inputs.
    """
    from tflreplay.judgement.measured import unmeasured_note
    from tflreplay.reports import ops as report
    from tflreplay.tools.ops import citizens, of_model
    from tflreplay.tools.sources import engine_of

    engine = engine_of(runtime, machine=machine, probe=False)
    if note := unmeasured_note(engine):
        click.echo(f"note: {note}\n")
    if model is None:
        click.echo(report.render(citizens(engine), engine))
        return

    from tflreplay.model import load

    click.echo(report.render_model(of_model(load(model), engine), engine))
