"""``tflreplay kernel``: a kernel to start from."""

from __future__ import annotations

import click


@click.command(no_args_is_help=True)
@click.argument("op", required=False)
@click.option(
    "--lang",
    "language",
    default="c",
    show_default=True,
    metavar="NAME",
    help="c, python, or cmsis-nn: C that calls CMSIS-NN, compiled with its headers and library.",
)
@click.option("--header", is_flag=True, help="Print tflreplay_kernel.h, the C interface.")
def kernel(op: str | None, language: str, header: bool) -> None:
    """Print a kernel for OP (CONV_2D, ...) that is exact, to put your own in its place.

    tflreplay kernel MUL > port.c; tflreplay MODEL --kernel port.c
    """
    from tflreplay.reports import kernel as report

    if header == (op is not None):
        raise click.UsageError("give an OP, or --header.")
    click.echo(report.header() if op is None else report.render(op, language), nl=False)
