"""Runs a user's kernels: the program of the child process.

On standard input it is handed a :class:`Start`, then an :class:`Asked` for each layer, and it
answers each on what was standard output; all are pickles. What the kernels print goes to standard
error.

It is ended from within where a kernel takes too long, since a kernel in C may hold the interpreter.
"""

from __future__ import annotations

import faulthandler
import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO

from tflreplay.ground.errors import TflreplayError
from tflreplay.ground.libm import c_library
from tflreplay.ground.rounding import Array
from tflreplay.replayer.user_kernels.c_interface import OutOfBounds
from tflreplay.replayer.user_kernels.functions import checked, load_functions, name
from tflreplay.replayer.user_kernels.library import load_library
from tflreplay.replayer.user_kernels.messages import TRACE, Asked, Failed, Known, Made, Start

Compute = Callable[[Asked], tuple[Array, ...]]


def main() -> None:
    requests, replies = _streams()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's to handle
    start: Start = pickle.load(requests)
    with open(start.folder / TRACE, "w") as trace:
        if not start.sanitized:  # a sanitizer tells more of a crash
            faulthandler.enable(trace, all_threads=False)

        def answer(made: Callable[[], list[Known] | Made]) -> None:
            with _limited(start.limit, trace):
                reply = _attempted(made)
            pickle.dump(reply, replies)
            replies.flush()

        kernels: dict[str, Compute] = {}
        answer(lambda: _load(start, kernels))
        while (asked := _next(requests)) is not None:
            answer(partial(_made, kernels[asked.op], asked))


def _load(start: Start, kernels: dict[str, Compute]) -> list[Known]:
    """What the file holds, which ``kernels`` are then filled with."""
    if start.library:
        kernels.update(load_library(start))
        return [Known(op, op) for op in kernels]
    functions = load_functions(start.path)
    for op, function in functions.items():
        kernels[op] = partial(_of_function, checked(function))
    return [Known(op, name(function)) for op, function in functions.items()]


def _of_function(function: Callable[..., tuple[Array, ...]], asked: Asked) -> tuple[Array, ...]:
    return function(asked.call, *asked.arrays)


def _made(compute: Compute, asked: Asked) -> Made:
    return Made(compute(asked), asked.call.session.variables)


def _attempted(made: Callable[[], list[Known] | Made]) -> list[Known] | Made | Failed:
    """What is made; or why it is not."""
    try:
        return made()
    except OutOfBounds as error:
        return Failed(str(error), broken=True)
    except TflreplayError as error:
        return Failed(str(error))


def _next(requests: IO[bytes]) -> Asked | None:
    """None once the parent has closed the stream."""
    try:
        asked: Asked = pickle.load(requests)
    except EOFError:
        return None
    return asked


def _streams() -> tuple[IO[bytes], IO[bytes]]:
    """Standard input and output, which the kernels get none and standard error for."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return requests, replies


@contextmanager
def _limited(seconds: float, trace: IO[str]) -> Iterator[None]:
    """Ends the process where it takes longer, and writes to ``trace`` where it was."""
    faulthandler.dump_traceback_later(seconds, exit=True, file=trace)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        sys.stdout.flush()
        c_library().fflush(None)  # what C keeps for later
