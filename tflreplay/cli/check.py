"""``tflreplay check``: what of a model is wrong, or does not run, before anything is run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tflreplay.cli import options
from tflreplay.cli.streams import echo

if TYPE_CHECKING:
    from tflreplay.runtimes.hints import Hints

_EXIT_CODES = """\b
Exit codes:
  0  nothing is found that --fail-on names, or worse
  1  something is
  2  could not run
"""


@click.command(no_args_is_help=True, epilog=_EXIT_CODES)
@options.model
@options.inputs
@options.seed
@click.option(
    "--engine",
    "engines",
    multiple=True,
    metavar="NAME",
    help="The kernels to check for: reference, optimized, xnnpack (LiteRT's and TensorFlow's "
    "default), tflm, or a device's profile, NAME.toml. Repeat it for several.  "
    "[default: reference]",
)
@options.runtime
@options.machine
@options.probe
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "hint"]),
    default="error",
    show_default=True,
    help="What decides the exit code.",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the findings, too: FILE.json, FILE.sarif or FILE.md.",
)
@options.force
def check(
    model: Path,
    sources: tuple[str, ...],
    hints: Hints,
    seed: int,
    engines: tuple[str, ...],
    runtime: str | None,
    machine: str | None,
    probe: bool,
    fail_on: str,
    output: Path | None,
    force: bool,
) -> None:
    """Find what is wrong with MODEL, or does not run on the engines named, without running it:
    scales, biases and axes that mean something else than the kernels compute, ops that abort or
    are refused, sums that may pass 32 bits, known defects.

    Without --input it says what holds for every input; with one, it is replayed, and what it shows
    is told as well.
    """
    from tflreplay.model import load
    from tflreplay.reports import findings as report
    from tflreplay.runtimes.inputs import read_inputs
    from tflreplay.tools.check import Severity
    from tflreplay.tools.check import check as found_in
    from tflreplay.tools.measure import measured
    from tflreplay.tools.sources import engine_of, runtime_of

    if output is not None:
        report.check(output, force)
    loaded = load(model)
    asked = []
    for name in engines or (None,):
        engine = engine_of(runtime_of(runtime, name), name, machine=machine, probe=False)
        options.announce([], [engine] if probe else [])
        asked.append(measured(engine, probe))
    inputs = None
    if sources:
        given = read_inputs(loaded, sources, seed, hints=hints)
        inputs = given.arrays
        for note in given.notes:
            echo(f"input: {note}")
    found = found_in(loaded, asked, inputs)
    if output is not None:
        report.write(output, found, loaded, asked, force)
    click.echo(report.render(found, loaded, asked))
    if output is not None:
        echo(f"findings: {output}")
    bar = Severity[fail_on.upper()]
    sys.exit(int(any(one.severity >= bar for one in found)))
