"""Ops that run other subgraphs, and variables, which outlive an inference."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Array
from tflreplay.kernels.call import Call

_MOST_ROUNDS = 1_000_000


def if_(call: Call, condition: Array, *inputs: Array) -> tuple[Array, ...]:
    """The outputs of one of two subgraphs. condition: bool, one element. ``if.cc``."""
    branch = "then" if condition.item() else "else"
    return call.run(call.option(f"{branch}_subgraph_index"), inputs)


def while_(call: Call, *inputs: Array) -> tuple[Array, ...]:
    """``body`` applied to its own outputs while ``cond`` of them is true. ``while.cc``."""
    condition, body = call.option("cond_subgraph_index"), call.option("body_subgraph_index")
    values: tuple[Array, ...] = inputs
    for _ in range(_MOST_ROUNDS):
        (again,) = call.run(condition, values)
        if not again.item():
            return values
        values = call.run(body, values)
    raise NotReplayed(f"WHILE did not end in {_MOST_ROUNDS:,} rounds")


def call_once(call: Call) -> tuple[()]:
    """Run a subgraph in the first inference only. ``call_once.cc``."""
    subgraph = call.option("init_subgraph_index")
    if subgraph not in call.session.initialized:
        call.session.initialized.add(subgraph)
        call.run(subgraph, ())
    return ()


def call_(call: Call, *inputs: Array) -> tuple[Array, ...]:
    """The outputs of a subgraph. ``call.cc`` of TFLM; in LiteRT only delegates use it."""
    return call.run(call.option("subgraph"), inputs)


def composite(call: Call, *inputs: Array) -> tuple[Array, ...]:
    """The outputs of the subgraph into which it decomposes. ``stablehlo_composite.cc``."""
    return call.run(call.option("decomposition_subgraph_index"), inputs)


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
        raise NotReplayed(f"variable {key[1]!r} is read before anything is assigned to it")
    return call.session.variables[key]


def assign_variable(call: Call, handle: Array, value: Array) -> tuple[()]:
    """Set the variable. ``assign_variable.cc``."""
    call.session.variables[tuple(handle.tolist())] = value
    return ()
