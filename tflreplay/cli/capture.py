"""``tflreplay capture``: a runtime's tensors into a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tflreplay.cli import options
from tflreplay.cli.progress import ProgressBar
from tflreplay.cli.streams import echo
from tflreplay.ground.errors import CaptureError

if TYPE_CHECKING:
    from tflreplay.runtimes.hints import Hints


@click.command(no_args_is_help=True)
@options.model
@options.inputs
@options.seed
@options.shapes
@options.dataset
@options.engine
@options.runtime
@options.machine
@options.threads
@click.option(
    "--output",
    "-o",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE.npz|DIR",
    help="What to write; of a dataset a folder, with a file for each input.",
)
@options.force
def capture(
    model: Path,
    sources: tuple[str, ...],
    hints: Hints,
    seed: int,
    shapes: tuple[str, ...],
    dataset: str | None,
    limit: int | None,
    engine: str | None,
    runtime: str | None,
    machine: str | None,
    threads: int,
    output: Path,
    force: bool,
) -> None:
    """Save every tensor that a runtime computes, with where it came from.

    `tflreplay MODEL --against FILE` and `tflreplay compare` read it again, and
    `tflreplay MODEL --dataset DATASET --against DIR` what was saved of a dataset.
    """
    from tflreplay.model import load
    from tflreplay.runtimes import capture as take
    from tflreplay.runtimes.inputs import read_inputs
    from tflreplay.runtimes.saved import check, save
    from tflreplay.tools.sources import engine_of

    options.check_dataset(
        {"--input": sources, "--seed": options.typed("seed")},
        {"--dataset": dataset, "--limit": limit},
    )
    if dataset is None:
        check(output, force)
    loaded = load(model)
    if dataset is not None:
        from tflreplay.runtimes.dataset import read_dataset
        from tflreplay.tools.dataset import capture_dataset

        source = read_dataset(loaded, dataset, limit, hints=hints)
        options.announce([engine_of(runtime, engine, machine=machine, probe=False)])
        with ProgressBar() as progress:
            failures = capture_dataset(
                loaded,
                source,
                output,
                runtime,
                engine,
                threads=threads,
                machine=machine,
                shapes=shapes,
                hints=hints,
                overwrite=force,
                progress=progress.update,
            )
        echo(f"{output}: {len(source.samples)} files of tensors")
        if failures:
            raise CaptureError(f"{len(failures)} inputs failed; {failures[0]}")
        return
    inputs = read_inputs(loaded, sources, seed, shapes=shapes, hints=hints)
    options.announce([engine_of(runtime, engine, machine=machine, probe=False)])
    captured = take(loaded, inputs.arrays, runtime, engine, threads, machine=machine)
    save(captured, output, loaded, inputs.arrays, overwrite=force)
    for note in inputs.notes:
        echo(f"input: {note}")
    echo(f"{output}: {captured}")
    if captured.failure:
        raise CaptureError(captured.failure)
