"""A library of kernels in C, in the child process."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from functools import partial

from tflreplay.ground.errors import KernelError, NotReplayed
from tflreplay.ground.rounding import Array
from tflreplay.replayer.user_kernels.c_interface import CKernel
from tflreplay.replayer.user_kernels.messages import PLACES, Asked, Start

# As TFLREPLAY_KERNEL writes it into a table of symbols; a Mac puts an underscore before.
_SYMBOL = re.compile(rb"(?<!\w)_?tflreplay(?P<version>\d+)_(?P<op>[A-Z]\w*)\0")
_VERSION = b"1"  # of the structs


def load_library(start: Start) -> dict[str, Callable[[Asked], tuple[Array, ...]]]:
    """What computes each op that the library has a kernel for.

    Raises:
        KernelError: it cannot be loaded, has no kernel, or was compiled with another header.
    """
    path, library = start.source, start.path.absolute()
    try:
        symbols = sorted(set(_SYMBOL.findall(library.read_bytes())))
        loaded = ctypes.CDLL(str(library))
    except OSError as error:
        why = str(error.strerror or error).removeprefix(f"{library}: ")
        raise KernelError(f"{path}: cannot be loaded: {why}") from None
    if not symbols:
        raise KernelError(f"{path}: no kernels in it; write TFLREPLAY_KERNEL(CONV_2D) {{ ... }}")
    if any(version != _VERSION for version, _ in symbols):
        raise KernelError(
            f"{path}: compiled with the tflreplay_kernel.h of another version; compile it again "
            "with what `tflreplay kernel --header` prints"
        )
    places = start.folder / PLACES if start.sanitized else None

    def compute(kernel: CKernel, asked: Asked) -> tuple[Array, ...]:
        result = kernel(asked.call, asked.arrays, asked.prepared)
        if isinstance(result, str):
            raise NotReplayed(f"{path.name}: {asked.op}: {result}")
        return result

    return {
        op.decode(): partial(
            compute, CKernel(loaded, f"tflreplay{version.decode()}_{op.decode()}", places)
        )
        for version, op in symbols
    }
