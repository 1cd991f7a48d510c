"""``tflreplay multiplier``: the integers that a port needs of scales, without a model."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tflreplay.cli import options

if TYPE_CHECKING:
    from tflreplay.tools.multiplier import Multipliers

# All that is asked of scales alone.
_OF_SCALES = {
    "op": "--op",
    "inputs": "--input-scale",
    "filters": "--filter-scale",
    "output_scale": "--output-scale",
    "zero_points": "--input-zero-point",
    "zero_point": "--zero-point",
    "activation": "--activation",
    "elements": "--elements",
    "dtype": "--type",
    "engine": "--engine",
    "runtime": "--runtime",
    "machine": "--machine",
}


def _numbers(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[float, ...] | None:
    """``0.1``, ``0.1,0.2``, or a file of numbers."""
    if value is None:
        return None
    with suppress(ValueError):
        return tuple(float(part) for part in value.split(","))
    from tflreplay.runtimes.formats import read

    if not Path(value).exists():
        raise click.BadParameter(
            f"{value!r}: give a number, several with commas between, or a file of them"
        )
    found = read(Path(value))
    if len(found) > 1:
        raise click.BadParameter(f"{value}: holds {len(found)} arrays; give a file of one")
    return tuple(float(number) for number in found[0].values.reshape(-1))


@click.command(no_args_is_help=True)
@click.option("--op", metavar="NAME", help="What is asked.  [default: CONV_2D, of filter scales]")
@click.option(
    "--input-scale",
    "inputs",
    type=float,
    multiple=True,
    metavar="S",
    help="The input's scale. Give it twice for an op of two inputs.",
)
@click.option(
    "--filter-scale",
    "filters",
    callback=_numbers,
    metavar="S[,S...]|FILE",
    help="The scale of the weights, or one for each channel: with commas between, or in a file, "
    "as CSV, text or .npy.",
)
@options.output_scale
@click.option(
    "--input-zero-point",
    "zero_points",
    type=int,
    multiple=True,
    metavar="N",
    help="The input's zero point, as often as --input-scale.",
)
@options.zero_point
@click.option("--activation", metavar="NAME", help="The fused activation, such as RELU6.")
@click.option(
    "--elements",
    type=click.IntRange(1),
    metavar="N",
    help="How many of them MEAN and SUM take for an output.",
)
@click.option(
    "--type",
    "dtype",
    type=click.Choice(["int8", "uint8", "int16"]),
    help="Of activations.  [default: int8]",
)
@options.engine
@options.runtime
@options.machine
@options.probe
@options.real_multiplier
@click.option(
    "--multiplier",
    type=int,
    metavar="M",
    help="Two integers to be read in every convention, and held to the scales: the multiplier ...",
)
@click.option("--shift", type=int, metavar="N", help="... and the shift.")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    metavar="FILE.csv|FILE.json",
    help="Write the table as CSV, or everything as JSON.",
)
@options.force
def multiplier(output: Path | None, force: bool, **given: Any) -> None:
    """Print multiplier and shift of scales in every convention: TFLite's, which TFLM, CMSIS-NN and
    ESP-NN share, gemmlowp's and TVM's right shift, TOSA's, and the 16-bit mantissa of int16; with
    offsets and activation bounds, as the engine's own row for the op computes them.

    \b
      tflreplay multiplier --input-scale 0.05 --filter-scale 0.02,0.03 --output-scale 0.1
      tflreplay multiplier --op ADD --input-scale 0.1 --input-scale 0.2 --output-scale 0.25

    The other way, it says what two integers stand for in each convention, and beside scales, in
    which of them they fit:

    \b
      tflreplay multiplier --multiplier 966 --shift 16 --input-scale 0.5 --filter-scale 0.003
                           --output-scale 0.1

    What each rounding rule makes of an accumulator is told by tflreplay explain --acc, from the
    same scales.
    """
    from tflreplay.reports import multiplier as report

    if output is not None:
        report.check(output, force)
    found = _asked(given)
    if output is not None:
        report.write(found, output, force)
    click.echo(report.render(found))
    if output is not None:
        click.echo(f"written: {output}")


def _asked(given: dict[str, Any]) -> Multipliers:
    from tflreplay.tools.multiplier import Multipliers, of_real, read

    real, mantissa, shift = (given[name] for name in ("real_multiplier", "multiplier", "shift"))
    of_scales = [option for name, option in _OF_SCALES.items() if given[name] not in (None, ())]
    if real is not None and of_scales:
        raise click.UsageError(f"{of_scales[0]} is for scales; leave it or --real-multiplier out.")
    if (mantissa is None) != (shift is None):
        raise click.UsageError(f"{'--shift' if shift is None else '--multiplier'} is missing.")
    if not of_scales and real is None and mantissa is None:
        raise click.UsageError("Give scales, --real-multiplier, or --multiplier and --shift.")
    found = Multipliers()
    if real is not None:
        found = of_real(real)
    elif of_scales:
        found = _of_scales(given)
    return found if mantissa is None else read(mantissa, shift, found)


def _of_scales(given: dict[str, Any]) -> Multipliers:
    from tflreplay.tools.measure import measured
    from tflreplay.tools.multiplier import Scales, of_scales
    from tflreplay.tools.sources import engine_of, runtime_of

    if not given["inputs"] or given["output_scale"] is None:
        missing = "--output-scale" if given["inputs"] else "--input-scale"
        raise click.UsageError(f"{missing} is missing.")
    runtime = runtime_of(given["runtime"], given["engine"])
    engine = engine_of(runtime, given["engine"], machine=given["machine"], probe=False)
    options.announce([], [engine] if given["probe"] else [])
    scales = Scales(
        given["inputs"],
        given["output_scale"],
        given["filters"] or (),
        given["zero_points"],
        given["zero_point"] or 0,
        given["activation"] or "NONE",
        given["elements"] or 1,
    )
    return of_scales(
        scales, measured(engine, given["probe"]), given["op"], given["dtype"] or "int8"
    )
