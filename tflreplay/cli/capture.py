"""``tflreplay capture``: a runtime's tensors into a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tflreplay.cli import options
from tflreplay.cli.streams import echo
from tflreplay.ground.errors import CaptureError

if TYPE_CHECKING:
    from tflreplay.runtimes.hints import Hints


@click.command(no_args_is_help=True)
@options.model
@options.inputs
@options.seed
@options.shapes
@options.engine
@options.runtime
@options.machine
@options.threads
@click.option(
    "--output",
    "-o",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE.npz",
    help="What to write.",
)
@options.force
def capture(
    model: Path,
    sources: tuple[str, ...],
    hints: Hints,
    seed: int,
    shapes: tuple[str, ...],
    engine: str | None,
    runtime: str | None,
    machine: str | None,
    threads: int,
    output: Path,
    force: bool,
) -> None:
    """Save every tensor that a runtime computes, with where it came from.

    `tflreplay MODEL --against FILE` and `tflreplay compare` read it again.
    """
    from tflreplay.model import load
    from tflreplay.runtimes import capture as take
    from tflreplay.runtimes.inputs import read_inputs
    from tflreplay.runtimes.saved import check, save
    from tflreplay.tools.sources import engine_of

    check(output, force)
    loaded = load(model)
    inputs = read_inputs(loaded, sources, seed, shapes=shapes, hints=hints)
    options.announce([engine_of(runtime, engine, machine=machine, probe=False)])
    captured = take(loaded, inputs.arrays, runtime, engine, threads, machine=machine)
    save(captured, output, loaded, inputs.arrays, overwrite=force)
    for note in inputs.notes:
        echo(f"input: {note}")
    echo(f"{output}: {captured}")
    if captured.failure:
        raise CaptureError(captured.failure)
