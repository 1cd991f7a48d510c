"""IF, WHILE, CALL, CALL_ONCE and STABLEHLO_COMPOSITE: ops that run other subgraphs of the model.

They are the same in all engines.
"""

from __future__ import annotations

from tflreplay.ground.errors import UndefinedHere
from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.row import ANY
from tflreplay.ops.base.words import finished

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
    raise UndefinedHere(f"WHILE did not end in {_MOST_ROUNDS:,} rounds")


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


CARDS = tuple(
    Card(op, {"reference": (finished(ANY, kernel, what, source),)}, runs_subgraphs=True)
    for op, kernel, what, source in (
        ("IF", if_, "a subgraph", "if.cc"),
        ("WHILE", while_, "subgraphs", "while.cc"),
        ("CALL", call_, "a subgraph", "call.cc"),
        ("CALL_ONCE", call_once, "a subgraph, once", "call_once.cc"),
        ("STABLEHLO_COMPOSITE", composite, "a subgraph", "stablehlo_composite.cc"),
    )
)
