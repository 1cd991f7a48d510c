"""``tflreplay compare``: several sources at once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tflreplay.cli import options
from tflreplay.ground.errors import CaptureError

if TYPE_CHECKING:
    from tflreplay.replayer.user_kernels import UserKernel
    from tflreplay.runtimes.hints import Hints


@click.command(no_args_is_help=True)
@options.model
@options.inputs
@options.seed
@options.shapes
@click.option(
    "--sources",
    "names",
    default="reference,optimized,xnnpack",
    show_default=True,
    metavar="A,B,...",
    help="What to compare: an engine (reference, optimized, xnnpack, tflm), one of a runtime or "
    "version (tensorflow:xnnpack, litert==2.0.3:reference), our replay (replay:reference), also "
    "another machine's (replay:optimized@aarch64), a library's for devices (replay:cmsis-nn) or a "
    "device's by its profile (replay:my_npu.toml), or a file or folder of saved tensors.",
)
@options.kernels
@options.threads
@options.probe
@click.option(
    "--out",
    type=options.DIRECTORY,
    metavar="DIR",
    help="Also write agreement.html, agreement.csv and agreement.json there.",
)
@options.force
@click.option("--json", "as_json", is_flag=True, help="Print JSON, not a table.")
def compare(
    model: Path,
    sources: tuple[str, ...],
    hints: Hints,
    seed: int,
    shapes: tuple[str, ...],
    names: str,
    load_kernels: Callable[[], Mapping[str, UserKernel]],
    threads: int,
    probe: bool,
    out: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Say for every layer which sources agree bit for bit, and in how many elements others differ.

    With --kernel: which of them your kernel follows, each layer fed what the source itself gave.

    Exit code 0 when all agree on everything, or a kernel follows one; 1 when two differ, or a
    kernel follows none; 2 when it could not run or not all could be compared.
    """
    from tflreplay.model import load
    from tflreplay.reports import compare as reports
    from tflreplay.reports import followed as follow
    from tflreplay.runtimes.inputs import read_inputs
    from tflreplay.tools.compare import compare_kernels, compare_sources
    from tflreplay.tools.sources import engines_of

    if out is not None:
        reports.check(out, force)
    loaded = load(model)
    inputs = read_inputs(loaded, sources, seed, shapes=shapes, hints=hints)
    ran, replayed = engines_of(filter(None, names.split(",")))
    options.announce(ran, replayed if probe else [])
    kernels = load_kernels()
    if kernels:
        if out is not None:
            raise click.UsageError("--out is of sources alone; with --kernel, --json prints all.")
        followed = compare_kernels(loaded, inputs, names.split(","), kernels, threads, hints, probe)
        click.echo(follow.dumps(followed) if as_json else follow.render(followed))
        if followed.failures:
            raise CaptureError("; ".join(followed.failures))
        sys.exit(followed.exit_code)
    result = compare_sources(
        loaded, inputs, names.split(","), threads, options.command_line(), hints, probe
    )
    if out is not None:
        reports.write(result, out, overwrite=force)
    if as_json:
        click.echo(reports.dumps(result))
    else:
        click.echo(reports.render(result))
    if result.failures:
        raise CaptureError("; ".join(result.failures))
    sys.exit(result.exit_code)
