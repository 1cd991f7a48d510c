"""Command line: arguments in, one API call, report out. One file a command."""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import suppress
from typing import NoReturn

import click

from tflreplay import __version__
from tflreplay.cli import streams
from tflreplay.cli.capture import capture
from tflreplay.cli.check import check
from tflreplay.cli.compare import compare
from tflreplay.cli.diff import diff
from tflreplay.cli.discriminate import discriminate
from tflreplay.cli.dumper import dumper
from tflreplay.cli.explain import explain
from tflreplay.cli.extract import extract
from tflreplay.cli.kernel import kernel
from tflreplay.cli.multiplier import multiplier
from tflreplay.cli.ops import ops
from tflreplay.cli.probe import probe
from tflreplay.cli.replay import EXIT_CODES, replay
from tflreplay.cli.rules import rules
from tflreplay.ground.errors import TflreplayError
from tflreplay.ground.words import printable

_BROKEN_PIPE = 141  # 128 and SIGPIPE, as a shell says it


class _Commands(click.Group):
    """A group in which the name of the main command may be left out."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = {*self.commands, *ctx.help_option_names, "--version"}
        if args and args[0] not in own:
            args = ["replay", *args]
        return super().parse_args(ctx, args)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage(ctx.command_path, "MODEL [OPTIONS]")
        formatter.write_usage(ctx.command_path, "COMMAND [ARGUMENTS]", prefix="       ")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        replay.format_options(ctx, formatter)
        self.format_commands(ctx, formatter)


@click.group(
    cls=_Commands,
    help=replay.help,
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__)
def command() -> None:
    pass


for subcommand in (
    replay,
    capture,
    check,
    compare,
    diff,
    discriminate,
    dumper,
    explain,
    extract,
    kernel,
    multiplier,
    ops,
    probe,
    rules,
):
    command.add_command(subcommand)


def main() -> NoReturn:
    """The ``tflreplay`` command."""
    # Read when numpy is first imported. The products are small, and idle BLAS threads spin on the
    # processor that the capture runs on.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    streams.open_closed()
    try:
        code = _run(sys.argv[1:])
        sys.stdout.flush()
        sys.exit(code)
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
    except BrokenPipeError:  # the reader has gone, as head does
        _give_up_output()
        sys.exit(_BROKEN_PIPE)
    except OSError as error:
        _give_up_output()
        _fail(f"{error.filename or 'standard output'}: {error.strerror}; write it elsewhere")
    except Exception as error:  # exit code 1 is a verdict, so a bug must not end in it
        traceback.print_exception(error)
        _fail("this is a bug of tflreplay; please report it with the lines above")


def _run(arguments: list[str]) -> int:
    """The exit code of a command. Not by ``command.main``, which makes 1 of a broken pipe."""
    try:
        with command.make_context("tflreplay", arguments) as context:
            command.invoke(context)
    except click.exceptions.Exit as done:
        return done.exit_code
    except SystemExit as done:
        return int(done.code or 0)
    return 0


def _give_up_output() -> None:
    """What is left in the buffer cannot be written at exit either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _fail(message: str) -> NoReturn:
    with suppress(OSError):  # standard error may be full, too
        click.echo(f"tflreplay: error: {printable(message)}", err=True)
        if os.environ.get("GITHUB_ACTIONS") == "true":
            from tflreplay.reports import github

            click.echo(github.error("tflreplay", message), err=True)
        sys.stderr.flush()
    sys.exit(2)
