"""Rows of a table that compute by a user's kernels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tflreplay.ground.errors import InputError
from tflreplay.model import Model
from tflreplay.model.schema import BUILTIN_NAMES
from tflreplay.ops.base.row import Row
from tflreplay.replayer.user_kernels.files import FileKernel
from tflreplay.replayer.user_kernels.functions import Function, checked, name, place

# A function of this process, or one of a file's kernels.
UserKernel = Function | FileKernel


def rows(kernels: Mapping[str, UserKernel], model: Model) -> dict[str, Row]:
    """Table rows that compute by the user's functions, by op.

    A row's kernel raises :class:`NotReplayed` where the function fails, or returns anything but
    arrays of the outputs' shapes and dtypes.

    A kernel for an op that this model lacks is left aside: a port may know more ops.

    Raises:
        InputError: an op is not an operator's name, or the model has none of them.
    """
    ops = sorted({op.name for op in model.main.operators})
    for op, function in kernels.items():
        if op not in ops and op not in BUILTIN_NAMES.values() and not op.startswith("CUSTOM:"):
            raise InputError(
                f"{label(function)}: there is no op called {op!r}; {model.path} has "
                f"{', '.join(ops)}"
            )
    found = {op: function for op, function in kernels.items() if op in ops}
    if kernels and not found:
        (op, function), *_ = kernels.items()
        raise InputError(
            f"{label(function)}: {model.path} has no op {op!r} for this kernel; "
            f"its ops: {', '.join(ops)}"
        )
    return {
        op: Row(
            (),
            function.of_model(model) if isinstance(function, FileKernel) else checked(function),
            algorithm=label(function),
            source=_file(function),
        )
        for op, function in found.items()
    }


def label(function: UserKernel) -> str:
    """``my_port.py: conv_2d``."""
    named = function.known.name if isinstance(function, FileKernel) else name(function)
    return f"{Path(_file(function)).name}: {named}"


def _file(function: UserKernel) -> str:
    return str(function.file) if isinstance(function, FileKernel) else place(function)[0]
