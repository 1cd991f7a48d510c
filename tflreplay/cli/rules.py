"""``tflreplay rules``: the arithmetic tables, or all that one model's layers need of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tflreplay.cli import options
from tflreplay.cli.streams import echo

if TYPE_CHECKING:
    from tflreplay.runtimes.hints import Hints


@click.command()
@click.argument("model", required=False, type=click.Path(path_type=Path))
@options.engine
@options.runtime
@options.machine
@options.probe
@options.inputs
@options.seed
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The JSON to write: MODEL's sheet with every number. With --fields, FILE.h or FILE.json.",
)
@click.option(
    "--fields",
    type=click.Choice(["tflm", "cmsis-nn", "esp-nn", "tosa"]),
    help="Write --output in the field names of this interface: a C header, or JSON.",
)
@options.force
def rules(
    model: Path | None,
    engine: str | None,
    runtime: str | None,
    machine: str | None,
    probe: bool,
    sources: tuple[str, ...],
    hints: Hints,
    seed: int,
    output: Path | None,
    fields: str | None,
    force: bool,
) -> None:
    """Print which rule, multiplier and algorithm an engine uses for each op.

    Rows are tried from the top; an engine falls back as its runtime does: xnnpack to optimized to
    reference.

    With a MODEL, print its rule sheet instead: for every layer the rule, multiplier, shift, zero
    point and clamp, and the accumulator's range on the input and in the worst case. It comes from
    our replay; no runtime runs.

    \b
      tflreplay rules MODEL -o rules.json
      tflreplay rules MODEL --fields cmsis-nn -o params.h
    """
    from tflreplay.tools.measure import measured
    from tflreplay.tools.sources import engine_of, runtime_of

    ours = engine_of(runtime_of(runtime, engine), engine, machine=machine, probe=False)
    options.announce([], [ours] if probe else [])
    ours = measured(ours, probe)
    if model is None:
        from tflreplay.reports.rules import table

        if sources or output is not None or fields is not None:
            raise click.UsageError(
                "--input, --output and --fields are for a MODEL's rule sheet; name one."
            )
        click.echo(table.render(ours))
        return

    from tflreplay.judgement.measured import profile_notes
    from tflreplay.model import load
    from tflreplay.reports.rules import fields as in_fields
    from tflreplay.reports.rules import sheet as report
    from tflreplay.runtimes.inputs import read_inputs
    from tflreplay.tools.fields import fields as in_names_of
    from tflreplay.tools.rules import rulesheet

    if fields is not None and output is None:
        raise click.UsageError("--fields needs --output FILE.h or FILE.json.")
    if output is not None:
        (report if fields is None else in_fields).check(output, force)
    loaded = load(model)
    inputs = read_inputs(loaded, sources, seed, hints=hints)
    layers = rulesheet(loaded, inputs.arrays, ours)
    if output is not None and fields is not None:
        named = in_names_of(layers, fields)
        in_fields.write(output, loaded, named, fields, ours, overwrite=force)
    elif output is not None:
        report.write(report.document(loaded, layers, ours, inputs.notes), output, overwrite=force)
    for note in inputs.notes:
        echo(f"input: {note}")
    for note in profile_notes(loaded, ours):
        echo(f"note: {note}")
    click.echo(report.render(layers))
    if output is not None:
        echo(f"rule sheet: {output}" if fields is None else f"fields of {fields}: {output}")
