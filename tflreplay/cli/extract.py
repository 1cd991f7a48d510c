"""``tflreplay extract``: one layer as a model of its own, with its numbers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tflreplay.cli import options
from tflreplay.cli.streams import echo

if TYPE_CHECKING:
    from tflreplay.runtimes.hints import Hints

EXIT_CODES = """\b
Exit codes:
  0  run by itself, the layer gives what it gave in MODEL
  1  it gives something else; the files are written, and say so
  2  could not run
"""


@click.command(no_args_is_help=True, epilog=EXIT_CODES)
@options.model
@click.option(
    "--layer", type=int, required=True, metavar="OP", help="Which op: its number in the table."
)
@options.inputs
@options.seed
@options.shapes
@options.engine
@options.runtime
@options.machine
@click.option(
    "--out",
    type=options.DIRECTORY,
    metavar="DIR",
    help="Where the files go.  [default: MODEL-opOP here]",
)
@options.force
def extract(
    model: Path,
    layer: int,
    sources: tuple[str, ...],
    hints: Hints,
    seed: int,
    shapes: tuple[str, ...],
    engine: str | None,
    runtime: str | None,
    machine: str | None,
    out: Path | None,
    force: bool,
) -> None:
    """Cut one layer out of MODEL for a bug report or a test bench: a single-op .tflite, its
    captured inputs and outputs as .npy, a C header, $readmemh hex files, and a README with the
    numbers.
    """
    from tflreplay.judgement.measured import unmeasured_note
    from tflreplay.model import load
    from tflreplay.reports import extract as report
    from tflreplay.runtimes.inputs import read_inputs
    from tflreplay.tools.extract import extract as cut
    from tflreplay.tools.sources import engine_of

    directory = out if out is not None else Path(f"{model.stem}-op{layer}")
    report.check(directory, layer, force)
    loaded = load(model)
    inputs = read_inputs(loaded, sources, seed, shapes=shapes, hints=hints)
    options.announce([engine_of(runtime, engine, machine=machine, probe=False)])
    kit = cut(loaded, inputs, layer, runtime, engine, machine=machine)
    written = report.write(kit, directory, overwrite=force)
    for note in inputs.notes:
        echo(f"input: {note}")
    if note := unmeasured_note(kit.engine):
        echo(f"note: {note}")
    click.echo(report.summary(kit))
    echo(f"port kit: {directory} ({', '.join(path.name for path in written)})")
    sys.exit(0 if kit.reproduces else 1)
