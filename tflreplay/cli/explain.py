"""``tflreplay explain``: one number, step by step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tflreplay.cli import options

_OF_A_MODEL = {
    "sources": "--input",
    "layer": "--layer",
    "at": "--at",
    "engine": "--engine",
    "runtime": "--runtime",
    "machine": "--machine",
    "against": "--against",
}
_OF_A_NUMBER = {
    "acc": "--acc",
    "bias": "--bias",
    "input_scale": "--input-scale",
    "filter_scale": "--filter-scale",
    "output_scale": "--output-scale",
    "multiplier": "--multiplier",
    "shift": "--shift",
    "real_multiplier": "--real-multiplier",
    "zero_point": "--zero-point",
    "low": "--low",
    "high": "--high",
    "engine_value": "--engine-value",
}


@click.command(no_args_is_help=True)
@click.argument("model", required=False, type=click.Path(path_type=Path))
@options.inputs
@options.seed
@click.option("--layer", type=int, metavar="OP", help="Which op: its number in the main table.")
@click.option(
    "--at",
    metavar="I,J,...",
    help="Which element of its output: an index for each dimension.",
)
@options.engine
@options.runtime
@options.machine
@options.threads
@options.probe
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    metavar="FILE|DIR",
    help="Tensors saved before or dumped by a device, instead of a capture.",
)
@click.option("--acc", type=int, metavar="N", help="Explain this accumulator, without a model.")
@click.option("--bias", type=int, metavar="N", help="Add this to --acc.")
@click.option("--input-scale", type=float, metavar="S")
@click.option("--filter-scale", type=float, metavar="S")
@options.output_scale
@click.option(
    "--multiplier",
    type=int,
    metavar="M0",
    help="Or the multiplier's int32 mantissa (beside the scales, it is compared with theirs) ...",
)
@click.option(
    "--shift",
    type=int,
    metavar="N",
    help="... and its shift as TFLite has it: the exponent, negative for a right shift.",
)
@options.real_multiplier
@options.zero_point
@click.option("--low", type=int, metavar="N", help="The lowest code.  [default: -128]")
@click.option("--high", type=int, metavar="N", help="The highest code.  [default: 127]")
@click.option("--engine-value", type=int, metavar="N", help="The code to find an explanation for.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain(model: Path | None, as_json: bool, **given: Any) -> None:
    """Explain one output element of an op of MODEL, or one accumulator, as a ledger: the sum with
    its largest terms, the multiplier, and every rounding step under every rule.

    \b
      tflreplay explain MODEL --input img.npy --layer 7 --at 0,3,5,2
      tflreplay explain --acc 585 --input-scale 0.05 --filter-scale 0.02 --output-scale 0.1
                        --zero-point -126

    An op is fed the captured inputs, so what is explained was made there. Without an accumulator,
    tflreplay multiplier tells multiplier and shift of the same scales.
    """
    from tflreplay.reports import explain as report

    found = _element(model, given) if model is not None else _number(given)
    click.echo(report.dumps(found) if as_json else report.render(found))


def _element(model: Path, given: dict[str, Any]) -> Any:
    _refuse(given, _OF_A_NUMBER, "explains a number without a model; leave it or the model out")
    _require(given, _OF_A_MODEL, "layer", "at")
    from tflreplay.model import load
    from tflreplay.runtimes.inputs import read_inputs
    from tflreplay.runtimes.saved import load_source
    from tflreplay.tools.explain.element import explain_element
    from tflreplay.tools.sources import engine_of

    loaded = load(model)
    inputs = read_inputs(loaded, given["sources"], given["seed"], hints=given["hints"])
    asked, machine, path = (given["runtime"], given["engine"]), given["machine"], given["against"]
    against = (
        None
        if path is None
        else load_source(path, loaded, inputs.arrays, given["hints"], inputs.reals)
    )
    ours = engine_of(*asked, against=against, machine=machine, probe=False)
    options.announce([ours] if against is None else [], [ours] if given["probe"] else [])
    return explain_element(
        loaded,
        inputs,
        given["layer"],
        _index(given["at"]),
        *asked,
        threads=given["threads"],
        probe=given["probe"],
        against=against,
        machine=machine,
    )


def _index(text: str) -> tuple[int, ...]:
    """``0,3,5,2``; nothing is the index of a scalar."""
    try:
        return tuple(int(part) for part in text.split(",")) if text.strip() else ()
    except ValueError:
        raise click.UsageError(
            f"--at {text}: give an index for each dimension, such as 0,3,5,2."
        ) from None


def _number(given: dict[str, Any]) -> Any:
    _refuse(given, _OF_A_MODEL, "is about a model, and none is given")
    _require(given, _OF_A_NUMBER, "acc", "zero_point")
    scales = _together(given, "input_scale", "filter_scale", "output_scale")
    quantized = _together(given, "multiplier", "shift")
    from tflreplay.tools.explain import explain_number

    bounds = {name: given[name] for name in ("low", "high") if given[name] is not None}
    return explain_number(
        given["acc"],
        given["zero_point"],
        scales=scales,
        quantized=quantized,
        real=given["real_multiplier"],
        bias=given["bias"],
        theirs=given["engine_value"],
        **bounds,
    )


def _refuse(given: dict[str, Any], names: dict[str, str], why: str) -> None:
    for name, option in names.items():
        if given[name] not in (None, ()):
            raise click.UsageError(f"{option} {why}.")


def _require(given: dict[str, Any], names: dict[str, str], *needed: str) -> None:
    for name in needed:
        if given[name] is None:
            raise click.UsageError(f"{names[name]} is missing.")


def _together(given: dict[str, Any], *names: str) -> Any:
    """Options that only make sense all at once; None where none is given."""
    values = tuple(given[name] for name in names)
    if all(value is None for value in values):
        return None
    _require(given, _OF_A_NUMBER, *names)
    return values
