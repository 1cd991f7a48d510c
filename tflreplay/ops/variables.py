"""VAR_HANDLE, READ_VARIABLE and ASSIGN_VARIABLE: variables, which outlive an inference.

They are the same in all engines.
"""

from __future__ import annotations

import numpy as np

from tflreplay.ground.errors import UndefinedHere
from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.row import ANY
from tflreplay.ops.base.words import finished, moved


def var_handle(call: Call) -> Array:
    """What stands for the variable: its container and name, ``(2,)`` strings. ``var_handle.cc``."""
    return np.array([call.option("container") or "", call.option("shared_name") or ""])


def read_variable(call: Call, handle: Array) -> Array:
    """The variable's value. ``read_variable.cc``.

    Raises:
        NotReplayed: nothing was assigned to it.
    """
    key = tuple(handle.tolist())
    if key not in call.session.variables:
        raise UndefinedHere(f"variable {key[1]!r} is read before anything is assigned to it")
    return call.session.variables[key]


def assign_variable(call: Call, handle: Array, value: Array) -> tuple[()]:
    """Set the variable. ``assign_variable.cc``."""
    call.session.variables[tuple(handle.tolist())] = value
    return ()


CARDS = (
    Card(
        "VAR_HANDLE",
        {"reference": (finished(ANY, var_handle, "a variable's name", "var_handle.cc"),)},
        stateful=True,
    ),
    Card(
        "READ_VARIABLE",
        {"reference": (moved(ANY, read_variable, "read_variable.cc"),)},
        stateful=True,
    ),
    Card(
        "ASSIGN_VARIABLE",
        {"reference": (moved(ANY, assign_variable, "assign_variable.cc"),)},
        stateful=True,
    ),
)
