"""Options that several commands share."""

from __future__ import annotations

import functools
import os
import shlex
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from tflreplay.ground.engine import Engine
    from tflreplay.runtimes.hints import Hints


class _Directory(click.Path):
    """A directory that may not be there yet. An empty name is no other way to say here."""

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str | bytes | os.PathLike[str]:
        if value == "":
            self.fail("the name is empty; give a directory", param, ctx)
        return super().convert(value, param, ctx)


DIRECTORY = _Directory(path_type=Path)

model = click.argument("model", type=click.Path(path_type=Path))
_input = click.option(
    "--input",
    "-i",
    "sources",
    multiple=True,
    metavar="[NAME=]FILE",
    help="An input: an image, .npy, .npz (inputs by name), raw binary, CSV or text, $readmemh hex, "
    "a C source, a log. Floating-point data is quantized by the input's scale; integers are taken "
    "as they are. Repeat it for several inputs. "
    "An array with one dimension more than the input holds consecutive inferences, which keep the "
    "model's variables. Without it the input is random.",
)
_layout = click.option(
    "--layout",
    metavar="NAME",
    help="How 4-D tensors lie in the given files, where their shapes do not say it: NHWC, NCHW, "
    "NHWC4, NHWC8 or NHWC16 (channels padded), NC4HW4, NC8HW8 or NC16HW16 (blocked).",
)
_map = click.option(
    "--map",
    "mapping",
    type=click.Path(path_type=Path),
    metavar="FILE.toml",
    help='Which tensors the arrays in the given files are: "conv1.bin" = "op 5", or "ops 3 to 5".',
)


def inputs(command: Callable[..., Any]) -> Callable[..., Any]:
    """Files of inputs, and ``hints``: what is said of them, and of a dump."""

    @functools.wraps(command)
    def with_hints(layout: str | None, mapping: Path | None, **given: Any) -> Any:
        return command(hints=_hints(layout, mapping), **given)

    return _input(_layout(_map(with_hints)))


def _hints(layout: str | None, mapping: Path | None) -> Hints:
    from tflreplay.runtimes.hints import read_hints
    from tflreplay.runtimes.layouts import LAYOUTS

    if layout is not None and layout not in LAYOUTS:
        raise click.UsageError(f"--layout {layout}: use one of {', '.join(LAYOUTS)}.")
    return read_hints(layout, mapping)


shapes = click.option(
    "--shape",
    "shapes",
    multiple=True,
    metavar="[NAME=]1,320,320,3",
    help="Resize an input. Repeat it for several inputs.",
)
steps = click.option(
    "--steps",
    type=click.IntRange(1),
    metavar="N",
    help="Run N consecutive inferences, and report the first in which something differs.",
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
    "TensorFlow's default) or tflm.  [default: reference] With --against, and where nothing is "
    "run, also cmsis-nn, cmsis-nn-single, esp-nn or a device's profile, NAME.toml.",
)
machine = click.option(
    "--machine",
    metavar="NAME[:CPU]",
    help="What the runtime runs on or the dump comes from, and so what is replayed: x86-64, "
    "aarch64, with a CPU aarch64:cortex-a72, or of a device cortex-m4.  [default: what the tensors "
    "were captured on, else this computer]",
)
_kernel = click.option(
    "--kernel",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Kernels of your own, which compute their ops in the place of ours: functions of Python, "
    '@tflreplay.kernel("CONV_2D"), or of C, TFLREPLAY_KERNEL(CONV_2D), as .c or .so; tflreplay '
    "kernel prints one to start from. Isolated only, unless --chained is given.",
)
_time_limit = click.option(
    "--time-limit",
    type=click.FloatRange(0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="What your kernel may take for a layer.",
)
_sanitize = click.option(
    "--sanitize",
    is_flag=True,
    help="Compile your kernel in C with sanitizers, which say in which line it reads or writes out "
    "of bounds, or is undefined.",
)


def kernels(command: Callable[..., Any]) -> Callable[..., Any]:
    """``load``: gives the kernels of the user's file by op, none where there is no file."""

    @functools.wraps(command)
    def with_kernels(kernel: Path | None, time_limit: float, sanitize: bool, **given: Any) -> Any:
        if sanitize and kernel is None:
            raise click.UsageError("--sanitize is for a --kernel.")
        return command(load_kernels=partial(_load_kernels, kernel, time_limit, sanitize), **given)

    return _kernel(_time_limit(_sanitize(with_kernels)))


def _load_kernels(kernel: Path | None, time_limit: float, sanitize: bool) -> Mapping[str, Any]:
    if kernel is None:
        return {}
    from tflreplay.replayer.user_kernels import load_kernels

    return load_kernels(kernel, time_limit, sanitize)


threads = click.option(
    "--threads", default=1, show_default=True, type=click.IntRange(1), help="The runtime's threads."
)
probe = click.option(
    "--no-probe",
    "probe",
    flag_value=False,
    default=True,
    help="Leave a version or machine that the tables were not measured with unasked. Else it is "
    "probed, once, and what was found is kept.",
)
# Of numbers from no model, which explain and multiplier take.
output_scale = click.option(
    "--output-scale", type=float, metavar="S", help="The scales that make the multiplier."
)
real_multiplier = click.option(
    "--real-multiplier", type=float, metavar="R", help="Or the real multiplier."
)
zero_point = click.option("--zero-point", type=int, metavar="N", help="The output's zero point.")
force = click.option("--force", is_flag=True, help="Replace what is already there.")


def announce(runs: Iterable[Engine], replays: Iterable[Engine] = ()) -> None:
    """Say what takes a while: what is downloaded to run engines, and which are probed first.

    ``replays`` are engines that are probed where they are not measured. A profile is never run.
    """
    from tflreplay.runtimes.launching import announcement
    from tflreplay.tools.measure import to_be_probed

    probed = [engine for engine in replays if to_be_probed(engine)]
    told = [announcement(engine) for engine in (*runs, *probed) if engine.profile is None]
    told += [f"{engine.unmeasured}: probing it, once ..." for engine in probed]
    for line in dict.fromkeys(filter(None, told)):
        click.echo(line, err=True)


def typed(name: str) -> bool:
    """True where the user gave an option."""
    source = click.get_current_context().get_parameter_source(name)
    return source == ParameterSource.COMMANDLINE


def command_line() -> str:
    """What the user typed."""
    return shlex.join(["tflreplay", *sys.argv[1:]])


def command_to_resume(directory: Path) -> str:
    """What the user typed, to go on with what was kept in ``directory``."""
    words = ["tflreplay", *sys.argv[1:]]
    words += [] if typed("out") else ["--out", str(directory)]
    return shlex.join([*words, *([] if typed("resume") else ["--resume"])])


_dataset = click.option(
    "--dataset",
    metavar="DIR|FILE|PATTERN",
    help="Many inputs, each an inference of its own: a folder of images, .npy and .npz, one such "
    "file (the first axis of its arrays counts the inputs), a pattern in quotes, or a manifest "
    ".csv with a column of files for each input.",
)
_limit = click.option(
    "--limit", type=click.IntRange(1), metavar="N", help="Take the first N inputs of the dataset."
)
labels = click.option(
    "--labels",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The class of each input of the dataset, integers in a text or .npy.",
)


def dataset(command: Callable[..., Any]) -> Callable[..., Any]:
    """Many inputs."""
    return _dataset(_limit(command))


_workers = click.option(
    "--workers",
    type=click.IntRange(1),
    metavar="N",
    help="Work on the dataset in N processes, each of which takes one core.",
)
_cluster = click.option(
    "--cluster",
    metavar="ADDRESS",
    help="Work on the dataset with the workers of a Dask scheduler, such as tcp://10.0.0.1:8786.",
)
_resume = click.option(
    "--resume", is_flag=True, help="Go on with a dataset that was interrupted, in --out."
)


def workers(command: Callable[..., Any]) -> Callable[..., Any]:
    """Who works on a dataset, and from where on."""
    return _workers(_cluster(_resume(command)))


def check_dataset(others: dict[str, Any], own: dict[str, Any]) -> None:
    """Refuse options beside ``--dataset``, or without it those that only go with it.

    Args:
        others: the values of options that it excludes, by name; empty where they were not given.
        own: those of the options that only go with it.
    """
    given = own["--dataset"] is not None
    for name, value in (others if given else own).items():
        if value:
            raise click.UsageError(
                f"{name} and --dataset: give one of the two."
                if given
                else f"{name} goes with --dataset, which is not given."
            )


# Options that say which tensors are meant.
_OF_EXPLAIN = (
    "sources", "layout", "mapping", "seed", "engine", "runtime", "machine", "threads", "against",
)  # fmt: skip


# Options that say how one input is replayed.
_OF_ONE = (
    "layout", "mapping", "shapes", "engine", "replay_as", "runtime", "machine", "threads", "kernel",
    "time_limit", "sanitize", "mode", "probe",
)  # fmt: skip


def explain_command() -> str:
    """What the user typed, as a command that explains one element; see ``tflreplay explain``."""
    return _typed(["explain"], _OF_EXPLAIN)


def single_commands() -> tuple[str, str]:
    """What the user typed, but for the inputs and what belongs to them: as a command that replays
    one input, and as one that explains an element of it."""
    of_one = set(_OF_ONE)
    return _typed([], _OF_ONE), _typed(["explain"], [n for n in _OF_EXPLAIN if n in of_one])


def _typed(command: Sequence[str], names: Collection[str]) -> str:
    """A command on the model, with those options of these names that the user typed."""
    context = click.get_current_context()
    words = ["tflreplay", *command, str(context.params["model"])]
    for parameter in context.command.params:
        name = parameter.name or ""
        if not typed(name) or name not in names:
            continue
        value = context.params[name]
        if isinstance(parameter, click.Option) and parameter.is_flag:
            words += [parameter.opts[0]] if value == parameter.flag_value else []
            continue
        for part in value if isinstance(value, tuple) else (value,):
            words += [parameter.opts[0], str(part)]
    return shlex.join(words)
