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
    "--kit",
    type=options.DIRECTORY,
    metavar="DIR",
    help="Write what to run on a device there: models, inputs, a program for TFLM, a README.",
)
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Say what a device computes that gave these outputs of the kit.",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write every candidate's counts there: .csv or .json. Of a device, its profile: "
    ".toml, which --engine and --replay-as take.",
)
@click.option(
    "--machine",
    "machines",
    multiple=True,
    metavar="NAME[:CPU]",
    help="What to run it on: x86-64, aarch64, or with a CPU aarch64:cortex-a72. Repeat it for "
    "several.  [default: this computer]",
)
@click.option(
    "--type",
    "types",
    multiple=True,
    type=click.Choice(("int8", "uint8", "int16")),
    help="Ask the ops on activations of this type. Repeat it for several.  [default: int8]",
)
@options.force
def probe(
    runtimes: tuple[str, ...],
    engines: tuple[str, ...],
    kit: Path | None,
    results: Path | None,
    output: Path | None,
    machines: tuple[str, ...],
    types: tuple[str, ...],
    force: bool,
) -> None:
    """Find out which rounding rule each op of an engine uses, from its outputs alone.

    Runs ops whose scales and inputs make the rules differ on thousands of outputs, and tries
    every rule and algorithm known on each. Several engines end in one matrix.

    A device that cannot be run from here is asked by way of files: --kit writes what to run there,
    --results reads what it gave.

    Exit code 0 when all outputs are explained, and by the arithmetic that `tflreplay rules` prints;
    1 when some are not; 2 when an op could not be probed. Of a device: 0 when all is explained, 1
    when something is not.
    """
    if kit is not None or results is not None:
        if runtimes or engines or (kit is not None and results is not None):
            raise click.UsageError("--kit, --results and engines to run: give one of them.")
        if kit is not None:
            _write_kit(kit, types or ("int8",))
        elif types:
            raise click.UsageError("--type goes with --kit; of --results, their names tell it.")
        elif results is not None:
            _read_results(results, output, force)
        return
    from tflreplay.reports import probe as report
    from tflreplay.tools.probe import asked
    from tflreplay.tools.probe import probe as run
    from tflreplay.tools.sources import engine_of

    if output is not None:
        report.check(output, force)
    probes = []
    for engine, machine in product(asked(runtimes, engines), machines or (None,)):
        runtime = f"{engine.runtime}=={engine.version}"
        options.announce([engine_of(runtime, engine.name, machine=machine, probe=False)])
        probes.append(run(runtime, engine.name, machine, types or ("int8",)))
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


def _write_kit(directory: Path, types: tuple[str, ...]) -> None:
    from tflreplay.reports import kit as report
    from tflreplay.tools.probe import cases, kit

    pieces, without = kit(types), cases(types).left_out
    report.write(pieces, without, directory)
    click.echo(f"kit: {directory} ({len(pieces)} pieces; README.md says how to run them)")
    if without:
        click.echo(f"left out, since no engine known has it: {', '.join(without)}")


def _read_results(directory: Path, output: Path | None, force: bool) -> None:
    from tflreplay.reports import fingerprint as report
    from tflreplay.tools.probe import fingerprint_of

    if output is not None:
        report.check(output, force)
    found, notes = fingerprint_of(directory)
    for note in notes:
        click.echo(f"note: {note}")
    click.echo(report.render(found, directory.name))
    if output is not None:
        written = report.write(found, output, overwrite=force)
        click.echo(f"profile: {', '.join(map(str, written))}")
    sys.exit(1 if found.unexplained else 0)
