"""Which ops a replay leaves out, and why: each is replayed on random inputs.

The loop's own step decides, so that what is told beforehand is what a run says.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import InputError, NotReplayed, UndefinedHere
from tflreplay.ground.rounding import Array
from tflreplay.model import HANDLES, Model, Operator, Subgraph, Tensor
from tflreplay.ops import row_of
from tflreplay.ops.base.session import Session
from tflreplay.replayer.loop import NO_ROWS, Runner, failure
from tflreplay.runtimes.inputs import random_array, random_inputs


@dataclass(frozen=True)
class Trial:
    """Why an op is not replayed; ``reason`` is empty where it is.

    ``depends`` says that a run's tensors decide: on others it may be replayed.
    """

    reason: str = ""
    depends: bool = False


REPLAYED = Trial()


def try_ops(model: Model, engine: Engine) -> dict[tuple[int, int], Trial]:
    """A trial of every op of every subgraph, by subgraph and op.

    The model is fed what a run without inputs feeds it. After an op that is left out, random values
    of the file's shape stand for its outputs, as captured ones do in a run. An op of a subgraph
    that is not entered is judged by the tables.
    """
    graph, rng = model.main, np.random.default_rng(0)
    runner = Runner(model, engine, NO_ROWS, Session(), None)
    found: dict[tuple[int, int], Trial] = {}
    known, unknown = _inputs(model)
    for op in graph.operators:
        waiting = [i for i in op.inputs if i in unknown]
        try:
            if waiting:
                row_of(engine, graph, op)
                label = graph.tensors[waiting[0]].label
                raise UndefinedHere(f"depends on tensor {label}, which {unknown[waiting[0]]}")
            outputs = runner.outputs(op, known)
        except Exception as error:  # one broken op must not take the others away
            found[0, op.index] = _of(op, error)
            outputs = {}
            for tensor in (graph.tensors[i] for i in op.outputs):
                if (array := _stand_in(tensor, rng)) is not None:
                    outputs[tensor.index] = array
                else:
                    unknown[tensor.index] = f"op {op.index} {op.name} gives in a run"
        else:
            found[0, op.index] = REPLAYED
        known.update(outputs)
    for graph in model.subgraphs[1:]:
        for op in graph.operators:
            entered = (graph.index, op.index) in runner.inner
            why = runner.inner[graph.index, op.index] if entered else _by_table(engine, graph, op)
            found[graph.index, op.index] = REPLAYED if why is None else _of(op, why)
    return found


def _inputs(model: Model) -> tuple[dict[int, Array], dict[int, str]]:
    """Random inputs; and why there are none."""
    try:
        return random_inputs(model).arrays, {}
    except (InputError, NotReplayed):
        return {}, dict.fromkeys(model.main.inputs, "has no random values")


def _of(op: Operator, error: Exception) -> Trial:
    return Trial(failure(op, error), isinstance(error, UndefinedHere))


def _stand_in(tensor: Tensor, rng: np.random.Generator) -> Array | None:
    """None where only a run shows the shape, or of a type that has no random values."""
    if tensor.shape == () or -1 in tensor.shape_signature or tensor.dtype in HANDLES:
        return None
    try:
        return random_array(tensor, rng)[0]
    except (InputError, NotReplayed):
        return None


def _by_table(engine: Engine, graph: Subgraph, op: Operator) -> Exception | None:
    try:
        row_of(engine, graph, op)
    except Exception as error:
        return error
    return None
