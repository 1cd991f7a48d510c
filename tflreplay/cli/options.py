"""Options that several commands share."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

model = click.argument("model", type=click.Path(path_type=Path))
inputs = click.option(
    "--input",
    "-i",
    "sources",
    multiple=True,
    metavar="[NAME=]FILE",
    help="An input: .npy, .npz (inputs by name) or an image. Floating-point data is quantized by "
    "the input's scale; integers are taken as they are. Repeat it for several inputs. "
    "Without it the input is random.",
)
seed = click.option("--seed", default=0, show_default=True, help="Seed of the random input.")
runtime = click.option(
    "--runtime",
    metavar="NAME[==VERSION]",
    help="litert, tensorflow or tflm. A version runs in an environment of its own, which is "
    "built once and kept.  [default: litert]",
)
engine = click.option(
    "--engine",
    metavar="NAME",
    help="The kernels to capture and to replay: reference, optimized, xnnpack (LiteRT's and "
    "TensorFlow's default) or tflm.  [default: reference]",
)
threads = click.option(
    "--threads", default=1, show_default=True, type=click.IntRange(1), help="The runtime's threads."
)
force = click.option("--force", is_flag=True, help="Replace what is already there.")


def announce_environment(runtime: str | None, engine: str | None) -> None:
    """Say that a version is about to be installed, which takes a while."""
    if runtime is not None and "==" in runtime:
        from tflreplay.runtimes import environments, resolve

        if environments.missing(resolve(runtime, engine)):
            click.echo(f"installing {runtime} in an environment of its own, once ...", err=True)


def command_line() -> str:
    """What the user typed."""
    return shlex.join(["tflreplay", *sys.argv[1:]])
