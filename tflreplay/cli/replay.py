"""``tflreplay MODEL``: the main job."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tflreplay.cli import options
from tflreplay.cli.colour import painter
from tflreplay.cli.progress import ProgressBar
from tflreplay.cli.streams import echo, output_to_error
from tflreplay.ground.errors import CaptureError, OutputError
from tflreplay.ground.words import printable

if TYPE_CHECKING:
    from tflreplay.replayer.user_kernels import UserKernel
    from tflreplay.runtimes.hints import Hints

EXIT_CODES = """\b
Exit codes:
  0  every layer was replayed and is bit-exact, or as --expect says
  1  at least one layer is not
  2  could not run, or could not replay every layer
What a dump given to --against does not hold does not count.
"""


@click.command(no_args_is_help=True, epilog=EXIT_CODES)
@options.model
@options.inputs
@options.seed
@options.shapes
@options.steps
@options.dataset
@options.labels
@options.workers
@click.option(
    "--out",
    type=options.DIRECTORY,
    metavar="DIR",
    help="Where the report goes.  [default: a new directory in reports/]",
)
@click.option("--force", is_flag=True, help="Replace a report that is already in --out.")
@options.engine
@click.option(
    "--replay-as",
    metavar="NAME[@MACHINE]",
    help="Replay other arithmetic than is captured: another engine, a device's too (cmsis-nn, "
    "cmsis-nn-single, esp-nn), another machine's (optimized@aarch64), a device's profile "
    "(tflreplay probe), or double or single rounding in every op.",
)
@options.runtime
@options.machine
@options.threads
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    metavar="FILE|DIR",
    help="Compare with tensors saved before (tflreplay capture), or dumped by a device: a file or "
    "folder of .npy, .npz, raw binary, CSV or text, $readmemh hex, C sources, logs, or what TFLM's "
    "layer-by-layer debugger writes; by tensor index or name, op2, 2_CONV_2D, or as --map says.",
)
@options.kernels
@click.option(
    "--isolated",
    "mode",
    flag_value="isolated",
    help="Only feed each op the captured inputs: where differences are made.",
)
@click.option(
    "--chained",
    "mode",
    flag_value="chained",
    help="Only feed each op the replay's own results: how differences travel.  [default: both]",
)
@click.option(
    "--expect",
    metavar="EXPECTED",
    help="What decides the exit code: exact, conditions such as max_abs<=1,rate<=0.01, or a .toml "
    "file that holds such for each op or layer.  [default: exact]",
)
@options.probe
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON, not as a table.")
@click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors.")
def replay(
    model: Path,
    sources: tuple[str, ...],
    hints: Hints,
    seed: int,
    shapes: tuple[str, ...],
    steps: int | None,
    dataset: str | None,
    limit: int | None,
    labels: Path | None,
    workers: int | None,
    cluster: str | None,
    resume: bool,
    out: Path | None,
    force: bool,
    engine: str | None,
    replay_as: str | None,
    runtime: str | None,
    machine: str | None,
    threads: int,
    against: Path | None,
    load_kernels: Callable[[], Mapping[str, UserKernel]],
    mode: str | None,
    expect: str | None,
    probe: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Replay MODEL (.tflite) with exact integer kernels, capture the same tensors from the
    interpreter, and compare them layer by layer and channel by channel.
    """
    from tflreplay.model import load
    from tflreplay.reports import check, expected, github, json_report, prepare, report, table
    from tflreplay.runtimes.inputs import read_inputs
    from tflreplay.runtimes.saved import load_source
    from tflreplay.tools.sources import engine_of

    options.check_dataset(
        {"--input": sources, "--steps": steps, "--seed": options.typed("seed")},
        {
            "--dataset": dataset,
            "--limit": limit,
            "--labels": labels,
            "--workers": workers,
            "--cluster": cluster,
            "--resume": resume,
        },
    )
    if workers is not None and cluster is not None:
        raise click.UsageError("--workers and --cluster: give one of the two.")
    if resume and out is None:
        raise click.UsageError("--resume goes on in --out; give that, too.")
    if out is not None:
        check(out, force)
    loaded = load(model)
    source, theirs = None, None
    if dataset is not None:
        from tflreplay.runtimes.dataset import dumps_of, read_dataset

        source = read_dataset(loaded, dataset, limit, labels, hints)
    else:
        inputs = read_inputs(loaded, sources, seed, steps, shapes, hints)
        if against is not None:
            theirs = load_source(against, loaded, inputs.arrays, hints, inputs.reals)
    if not quiet:
        ran, ours = (
            engine_of(runtime, engine, name, against=theirs, machine=machine, probe=False)
            for name in (None, replay_as)
        )
        options.announce([ran] if against is None else [], [ours] if probe else [])
    with (
        ProgressBar(hidden=quiet) as progress,
        ThreadPoolExecutor(1) as background,
        output_to_error(),  # what a user's kernel prints is no part of the report
    ):
        background.submit(prepare)  # there is a processor to spare while the capture is waited for
        asked: dict[str, Any] = {
            "replay_as": replay_as,
            "threads": threads,
            "machine": machine,
            "modes": (mode,) if mode else None,
            "kernels": load_kernels(),
            "expect": expect,
            "command": options.command_line(),
            "progress": progress.update,
            "probe": probe,
            "foretell": lambda line: None if quiet else click.echo(printable(line), err=True),
        }
        if source is None:
            from tflreplay.tools.replay import run

            result = run(
                loaded,
                inputs,
                runtime,
                engine,
                against=theirs,
                # It explains the first inference, on inputs of the model's own shapes.
                explain_command="" if shapes or inputs.earlier else options.explain_command(),
                **asked,
            )
            directory = out if out is not None else _new_directory(Path("reports"), model.stem)
            report(result, directory, overwrite=force)
        else:
            from tflreplay.tools.dataset import run_dataset
            from tflreplay.tools.dataset.kept import NAME

            directory = out if out is not None else _new_directory(Path("reports"), model.stem)
            so_far = directory / NAME
            try:
                result = run_dataset(
                    loaded,
                    source,
                    runtime,
                    engine,
                    against=None if against is None else dumps_of(against, source),
                    single_commands=options.single_commands(),
                    shapes=shapes,
                    hints=hints,
                    workers=workers,
                    cluster=cluster,
                    so_far=so_far,
                    resume=resume,
                    **asked,
                )
            except BaseException:
                _say_what_is_left(so_far, directory)
                raise
            report(result, directory, overwrite=force)
            so_far.unlink(missing_ok=True)
    if as_json:
        click.echo(json_report.dumps(result))
    elif not quiet:
        for note in result.asked.inputs:
            echo(f"input: {note}")
        for note in result.notes:
            if note != result.asked.foretold:  # which was said before
                echo(f"note: {note}")
        click.echo(table.render(result, painter()))
        if result.asked.expectations is not None:
            click.echo(expected.render(result))
        click.echo(f"report: {directory / 'report.html'} (and layers.csv, summary.md, ...)")
    if os.environ.get("GITHUB_ACTIONS") == "true" and result.exit_code:
        click.echo(github.render(result), err=True)  # read there too, and no part of --json
    if result.capture.failure:
        raise CaptureError(result.capture.failure)
    sys.exit(result.exit_code)


def _say_what_is_left(so_far: Path, directory: Path) -> None:
    """Of a dataset that was interrupted; a directory of ours is not left empty."""
    if so_far.exists():
        click.echo(
            f"tflreplay: what is done so far is in {directory}; to go on: "
            f"{options.command_to_resume(directory)}",
            err=True,
        )
    elif not options.typed("out"):
        with suppress(OSError):
            directory.rmdir()


def _new_directory(parent: Path, stem: str) -> Path:
    """A directory of its own for this run: parent/stem-1, -2 and so on."""
    for number in itertools.count(1):
        directory = parent / f"{stem}-{number}"
        try:
            directory.mkdir(parents=True)
        except FileExistsError:
            if not parent.is_dir():
                raise OutputError(f"{parent}: not a directory; give another with --out") from None
            continue
        except OSError as error:
            raise OutputError(
                f"{directory}: cannot create it: {error.strerror}; give a directory with --out"
            ) from None
        return directory
    raise AssertionError
