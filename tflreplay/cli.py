"""Command line: arguments in, one API call, report out."""

from __future__ import annotations

import itertools
import shlex
import sys
import time
from pathlib import Path
from typing import NoReturn

import click

from tflreplay import __version__
from tflreplay.errors import CaptureError, OutputError, TflreplayError

EXIT_CODES = """\b
Exit codes:
  0  every layer was replayed and is bit-exact
  1  at least one layer has a mismatch
  2  could not run, or could not replay every layer
"""
_EXIT_CODES = {"exact": 0, "mismatch": 1, "incomplete": 2}


@click.command(
    epilog=EXIT_CODES,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--input",
    "-i",
    "sources",
    multiple=True,
    metavar="[NAME=]FILE",
    help="An input: .npy, .npz (inputs by name) or an image. Floating-point data is quantized by "
    "the input's scale; integers are taken as they are. Repeat it for several inputs. "
    "Without it the input is random.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the random input.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where the report goes.  [default: a new directory in reports/]",
)
@click.option("--force", is_flag=True, help="Replace a report that is already in --out.")
@click.option(
    "--runtime",
    type=click.Choice(["litert", "tensorflow"]),
    default="litert",
    show_default=True,
    help="The runtime to compare with.",
)
@click.option(
    "--isolated",
    "mode",
    flag_value="isolated",
    help="Only feed each op the captured inputs: where differences are made.",
)
@click.option(
    "--chained",
    "mode",
    flag_value="chained",
    help="Only feed each op the replay's own results: how differences travel.  [default: both]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON, not as a table.")
@click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors.")
@click.version_option(__version__)
def command(
    model: Path,
    sources: tuple[str, ...],
    seed: int,
    out: Path | None,
    force: bool,
    runtime: str,
    mode: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Replay MODEL (.tflite) with exact integer kernels, capture the same tensors from the
    interpreter's reference kernels, and compare them layer by layer and channel by channel.
    """
    from tflreplay.inputs import read_inputs
    from tflreplay.model import load
    from tflreplay.pipeline import MODES, run
    from tflreplay.reports import FILES, check, json_report, report, table

    if out is not None:
        check(out, force)
    loaded = load(model)
    inputs = read_inputs(loaded, sources, seed)
    with _ProgressBar(hidden=quiet) as progress:
        result = run(
            loaded,
            inputs,
            runtime,
            modes=(mode,) if mode else MODES,
            command=_reproduce(),
            progress=progress.update,
        )
        directory = out if out is not None else _new_directory(Path("reports"), model.stem)
        report(result, directory, overwrite=force)
    if as_json:
        click.echo(json_report.dumps(result))
    elif not quiet:
        for note in result.inputs:
            click.echo(f"input: {note}")
        if result.capture.note:
            click.echo(f"note: {result.capture.note}")
        click.echo(table.render(result))
        click.echo(f"report: {directory / 'report.html'} (and {', '.join(FILES[:-1])})")
    if result.capture.failure:
        raise CaptureError(result.capture.failure)
    sys.exit(_EXIT_CODES[result.verdict])


def main() -> NoReturn:
    """The ``tflreplay`` command."""
    try:
        command.main(prog_name="tflreplay", standalone_mode=False)
    except TflreplayError as error:
        _fail(" ".join(str(error).split()))
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(2)
    except click.UsageError as error:
        _fail(f"{error.format_message()} Try: tflreplay --help")
    except (click.Abort, KeyboardInterrupt):
        click.echo("tflreplay: interrupted", err=True)
        sys.exit(130)
    sys.exit(0)


def _fail(message: str) -> NoReturn:
    click.echo(f"tflreplay: error: {message}", err=True)
    sys.exit(2)


def _reproduce() -> str:
    return shlex.join(["tflreplay", *sys.argv[1:]])


def _new_directory(parent: Path, stem: str) -> Path:
    """A directory of its own for this run: parent/stem-1, -2 and so on."""
    for number in itertools.count(1):
        directory = parent / f"{stem}-{number}"
        try:
            directory.mkdir(parents=True)
        except FileExistsError:
            if not parent.is_dir():
                raise OutputError(f"{parent}: not a directory; give another with --out") from None
            continue
        except OSError as error:
            raise OutputError(
                f"{directory}: cannot create it: {error.strerror}; give a directory with --out"
            ) from None
        return directory
    raise AssertionError


class _ProgressBar:
    """A bar with the time left on standard error, for stages that take longer than a second."""

    DELAY = 1.0

    def __init__(self, hidden: bool):
        self.hidden = hidden or not sys.stderr.isatty()
        self.start = time.perf_counter()
        self.stage = ""

    def __enter__(self) -> _ProgressBar:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.stage:
            self.bar.stop()

    def update(self, stage: str, done: int, total: int) -> None:
        if self.hidden or time.perf_counter() - self.start < self.DELAY:
            return
        if not self.stage:
            from rich.console import Console
            from rich.progress import Progress

            self.bar = Progress(console=Console(stderr=True), transient=True)
            self.bar.start()
        if stage != self.stage:
            self.stage = stage
            self.task = self.bar.add_task(stage, total=total)
        self.bar.update(self.task, completed=done)
