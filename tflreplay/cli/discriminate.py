"""``tflreplay discriminate``: inputs that tell the rules apart."""

from __future__ import annotations

from pathlib import Path

import click

from tflreplay.cli import options
from tflreplay.cli.streams import echo


@click.command(no_args_is_help=True)
@options.model
@click.option(
    "--layer", type=int, required=True, metavar="OP", help="Which op: its number in the table."
)
@options.seed
@options.engine
@options.runtime
@options.machine
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    metavar="FILE.npz",
    help="Save the inputs, accumulators and what each candidate makes of them as test vectors.",
)
@options.probe
@options.force
def discriminate(
    model: Path,
    layer: int,
    seed: int,
    engine: str | None,
    runtime: str | None,
    machine: str | None,
    output: Path | None,
    probe: bool,
    force: bool,
) -> None:
    """Find inputs of one layer of MODEL on which the candidate rules and algorithms differ, run the
    layer on them in the engine, and say which candidate is left.
    """
    from tflreplay.judgement.measured import profile_notes
    from tflreplay.model import load
    from tflreplay.reports import discriminate as report
    from tflreplay.tools.discriminate import answers
    from tflreplay.tools.discriminate import discriminate as search
    from tflreplay.tools.measure import measured
    from tflreplay.tools.sources import engine_of

    if output is not None:
        report.check(output, force)
    loaded = load(model)
    ours = engine_of(runtime, engine, machine=machine, probe=False)
    options.announce([ours], [ours] if probe else [])
    ours = measured(ours, probe)
    for note in profile_notes(loaded, ours, layer):
        echo(f"note: {note}")
    found = search(loaded, layer, ours, seed)
    text = report.render(found, answers(loaded, found))
    if output is not None:
        report.write(found, output, overwrite=force)
    click.echo(text)
    if output is not None:
        echo(f"{output}: test vectors; docs/report.md says what is in them")
