"""``tflreplay probe``: an engine's arithmetic, from its outputs."""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path

import click

from tflreplay.cli import options
from tflreplay.ground.errors import CaptureError


@click.command()
@click.option(
    "--runtime",
    "runtimes",
    multiple=True,
    metavar="NAME[==VERSION]",
    help="litert, tensorflow or tflm. A version runs in an environment of its own, which is "
    "built once and kept. Repeat it for several.  [default: litert]",
)
@click.option(
    "--engine",
    "engines",
    multiple=True,
    metavar="NAME",
    help="reference, optimized, xnnpack or tflm. Repeat it for several.  "
    "[default: all that a runtime has]",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write every candidate's counts there: .csv or .json.",
)
@click.option(
    "--machine",
    "machines",
    multiple=True,
    metavar="NAME[:CPU]",
    help="What to run it on: x86-64, aarch64, or with a CPU aarch64:cortex-a72. Repeat it for "
    "several.  [default: this computer]",
)
@options.force
def probe(
    runtimes: tuple[str, ...],
    engines: tuple[str, ...],
    output: Path | None,
    machines: tuple[str, ...],
    force: bool,
) -> None:
    """Find out which rounding rule each op of an engine uses, from its outputs alone.

    Runs int8 ops whose scales and inputs make the rules differ on thousands of outputs, and tries
    every rule and algorithm known on each. Several engines end in one matrix.

    Exit code 0 when all outputs are explained, and by the arithmetic that `tflreplay rules` prints;
    1 when some are not; 2 when an op could not be probed.
    """
    from tflreplay.reports import probe as report
    from tflreplay.tools.probe import asked
    from tflreplay.tools.probe import probe as run

    if output is not None:
        report.check(output, force)
    probes = []
    for engine, machine in product(asked(runtimes, engines), machines or (None,)):
        runtime = f"{engine.runtime}=={engine.version}"
        options.announce_environment(runtime, engine.name, machine)
        probes.append(run(runtime, engine.name, machine))
        click.echo(f"{report.render(probes[-1])}\n")
    if len(probes) > 1:
        click.echo(report.matrix(probes))
    if output is not None:
        report.write(probes, output, overwrite=force)
        click.echo(f"{output}: every candidate's counts")
    for done in probes:
        if done.failure:
            raise CaptureError(done.failure)
    if not all(done.complete for done in probes):
        sys.exit(2)
    sys.exit(0 if all(done.as_expected for done in probes) else 1)
