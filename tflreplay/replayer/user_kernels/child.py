"""Runs a user's kernels: the program of the child process.

It is handed the file and then, on standard input, one :class:`Asked` a layer; it answers on what
was standard output. Both are pickles. What the kernels print goes to standard error.

It is ended from within where a kernel takes too long, since a kernel in C may hold the interpreter.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import pickle
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from tflreplay.ground.errors import KernelError, TflreplayError
from tflreplay.ground.libm import c_library
from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call
from tflreplay.replayer.user_kernels.c_interface import CKernel, OutOfBounds
from tflreplay.replayer.user_kernels.functions import (
    Function,
    checked,
    load_functions,
    name,
    place,
)
from tflreplay.replayer.user_kernels.prepared import Prepared

# What the process leaves in its folder when it dies.
TRACE, PLACES = "trace", "places.json"

_SYMBOL = re.compile(rb"(?<!\w)_?tflreplay(?P<version>\d+)_(?P<op>[A-Z]\w*)\0")
_VERSION = 1  # of the structs, in the names of the functions


@dataclass(frozen=True)
class Start:
    """What to load: a ``library``, or a file of Python; ``source`` is the file that the user gave.

    ``limit``: the seconds that a layer may take.
    """

    path: Path
    source: Path
    library: bool
    limit: float
    folder: Path
    sanitized: bool


@dataclass(frozen=True)
class Known:
    """A kernel of the file; ``line`` is 0 of one in C."""

    op: str
    name: str
    line: int


@dataclass(frozen=True)
class Asked:
    op: str
    call: Call
    arrays: Sequence[Array | None]
    prepared: Prepared


@dataclass(frozen=True)
class Failed:
    """Why there is no result, in words; ``broken`` where the process is not to go on."""

    reason: str
    broken: bool = False


# What computes one op.
Compute = Callable[[Asked], Any]
Kernels = dict[str, tuple[Known, Compute]]


def main() -> None:
    requests, replies = _streams()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's to handle
    start: Start = pickle.load(requests)
    with open(start.folder / TRACE, "w") as trace:
        if not start.sanitized:  # a sanitizer tells more of a crash
            faulthandler.enable(trace, all_threads=False)

        def answer(made: Callable[[], Any]) -> Any:
            with _limited(start.limit, trace):
                result = _attempted(made)
            pickle.dump(result, replies)
            replies.flush()
            return result

        kernels: Kernels = {}
        answer(lambda: _load(start, kernels))
        while (asked := _next(requests)) is not None:
            answer(partial(kernels[asked.op][1], asked))


def _attempted(made: Callable[[], Any]) -> Any:
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


def _load(start: Start, kernels: Kernels) -> list[Known]:
    """What the file holds, which ``kernels`` are then filled with."""
    kernels.update(_of_library(start) if start.library else _of_functions(start.path))
    return [known for known, _ in kernels.values()]


def _of_functions(path: Path) -> Kernels:
    def compute(function: Function, asked: Asked) -> Any:
        return function(asked.call, *asked.arrays)

    return {
        op: (Known(op, name(function), place(function)[1]), partial(compute, checked(function)))
        for op, function in load_functions(path).items()
    }


def _of_library(start: Start) -> Kernels:
    """The kernels of a library; their names stand in its table of symbols."""
    path, library = start.source, start.path.absolute()
    try:
        symbols = set(_SYMBOL.findall(library.read_bytes()))
        loaded = ctypes.CDLL(str(library))
    except OSError as error:
        why = str(error.strerror or error).removeprefix(f"{library}: ")
        raise KernelError(f"{path}: cannot be loaded: {why}") from None
    if not symbols:
        raise KernelError(f"{path}: no kernels in it; write TFLREPLAY_KERNEL(CONV_2D) {{ ... }}")
    if {int(version) for version, _ in symbols} != {_VERSION}:
        raise KernelError(
            f"{path}: compiled with the tflreplay_kernel.h of another version; compile it again "
            "with what `tflreplay kernel --header` prints"
        )
    places = start.folder / PLACES if start.sanitized else None

    def compute(kernel: CKernel, asked: Asked) -> Any:
        result = kernel(asked.call, asked.arrays, asked.prepared)
        return Failed(f"{path.name}: {asked.op}: {result}") if isinstance(result, str) else result

    return {
        op: (
            Known(op, op, 0),
            partial(compute, CKernel(loaded, f"tflreplay{version}_{op}", places)),
        )
        for version, op in sorted((int(v), op.decode()) for v, op in symbols)
    }


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
