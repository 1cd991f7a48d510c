"""Run a model op by op with the kernels, in one engine's arithmetic.

*Chained* replay feeds every op what the ops before it gave, from the model's inputs on. *Isolated*
replay feeds every op the captured inputs, so that a difference seen in a layer was made there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from tflreplay.arithmetic import Arithmetic, arithmetic
from tflreplay.engine import Engine
from tflreplay.errors import NotReplayed
from tflreplay.kernels.call import Call
from tflreplay.kernels.lookup import look_up_pairs, pair_codes
from tflreplay.model import Model, Operator, Subgraph, Tensor
from tflreplay.rounding import RULES, Accumulation, Array, requantize

Tensors = Mapping[int, Array]
Rows = Mapping[str, Arithmetic]
REFERENCE = Engine()
NO_ROWS: Rows = MappingProxyType({})


@dataclass(frozen=True)
class Replay:
    """Tensors by index as one engine's arithmetic gives them.

    ``not_replayed`` holds the reason for every op that could not be replayed and ``rules`` the rule
    in force for the others, both by op index.
    """

    engine: Engine
    tensors: dict[int, Array] = field(default_factory=dict, repr=False)
    not_replayed: dict[int, str] = field(default_factory=dict)
    rules: dict[int, str] = field(default_factory=dict, repr=False)

    def __repr__(self) -> str:
        return (
            f"Replay({self.engine}: {len(self.tensors)} tensors, "
            f"{len(self.not_replayed)} ops not replayed)"
        )


def replay(
    model: Model,
    inputs: Tensors,
    engine: Engine = REFERENCE,
    captured: Callable[[], Tensors] | None = None,
    progress: Callable[[int], None] | None = None,
    kernels: Rows = NO_ROWS,
) -> Replay:
    """Chained replay of the main subgraph.

    Args:
        inputs: arrays by tensor index, of the input tensors' shapes and dtypes.
        captured: gives the captured tensors; called only when an op cannot be replayed, whose
            outputs are then taken from there.
        progress: called with the index of each op before it is computed.
        kernels: rows that take the place of the engine's, by op.
    """
    result = Replay(engine, dict(inputs))
    for op in model.main.operators:
        if progress is not None:
            progress(op.index)
        outputs = _attempt(model.main, op, result.tensors, result, kernels)
        if outputs is None:
            known = captured() if captured is not None else {}
            outputs = {index: known[index] for index in op.outputs if index in known}
        result.tensors.update(outputs)
    return result


def replay_isolated(
    model: Model,
    captured: Tensors,
    engine: Engine = REFERENCE,
    chained: Replay | None = None,
    progress: Callable[[int], None] | None = None,
    kernels: Rows = NO_ROWS,
) -> Replay:
    """Isolated replay of the main subgraph: every op on the captured inputs.

    Args:
        captured: the runtime's tensors by index, the model's inputs among them.
        chained: a chained replay by the same engine and kernels; an op whose inputs are
            bit-identical there is not computed again.
        progress: called with the index of each op before it is computed.
        kernels: rows that take the place of the engine's, by op.
    """
    result = Replay(engine)
    for op in model.main.operators:
        if progress is not None:
            progress(op.index)
        if chained is not None and _same_inputs(model.main, op, chained, captured):
            result.rules[op.index] = chained.rules[op.index]
            result.tensors.update((index, chained.tensors[index]) for index in op.outputs)
        else:
            result.tensors.update(_attempt(model.main, op, captured, result, kernels) or {})
    return result


def _attempt(
    graph: Subgraph, op: Operator, tensors: Tensors, result: Replay, kernels: Rows
) -> dict[int, Array] | None:
    """The op's outputs; or None, with the reason noted in ``result``."""
    try:
        row = kernels.get(op.name) or arithmetic(result.engine, graph, op)
        outputs = run_op(graph, op, tensors, result.engine, row)
    except Exception as error:  # one broken layer must not take the others' report away
        result.not_replayed[op.index] = failure(op, error)
        return None
    result.rules[op.index] = row.rule or row.algorithm
    return outputs


def failure(op: Operator, error: Exception) -> str:
    """Why an op was not replayed, in words."""
    if isinstance(error, NotReplayed):
        return str(error)
    return (
        f"the {op.name} kernel failed ({type(error).__name__}: {error}); "
        "please report this as a bug of tflreplay"
    )


def run_op(
    graph: Subgraph, op: Operator, tensors: Tensors, engine: Engine, row: Arithmetic
) -> dict[int, Array]:
    """One op on the given tensors, in the arithmetic of ``row``: its outputs by tensor index.

    Raises:
        NotReplayed: no exact kernel for this op, or an input tensor is not known.
    """
    call, arrays = call_of(graph, op, tensors, engine, row)
    results = _by_pairs(call, arrays) or compute(call, arrays)
    return dict(zip(op.outputs, results, strict=True))


def call_of(
    graph: Subgraph, op: Operator, tensors: Tensors, engine: Engine, row: Arithmetic
) -> tuple[Call, list[Array | None]]:
    """What the kernel of ``row`` is handed: ``row.kernel(call, *arrays)`` is its first half.

    Raises:
        NotReplayed: an input tensor is not known.
    """
    inputs = tuple(graph.tensors[index] if index >= 0 else None for index in op.inputs)
    outputs = tuple(graph.tensors[index] for index in op.outputs)
    arrays = [None if tensor is None else _value(tensor, tensors) for tensor in inputs]
    return Call(op, inputs, outputs, engine, row, RULES[row.rule or "double"]), arrays


def compute(call: Call, arrays: Sequence[Array | None]) -> tuple[Array, ...]:
    """Both halves of the kernel: every output of the op."""
    result = call.arithmetic.kernel(call, *arrays)
    if isinstance(result, Accumulation):
        result = requantize(result, call.rule)
    return result if isinstance(result, tuple) else (result,)


def _by_pairs(call: Call, arrays: Sequence[Array | None]) -> tuple[Array, ...] | None:
    """The output looked up by pairs of codes, where that is possible and cheaper; else None.

    A table of all 65,536 pairs costs as many computations as it has entries.
    """
    if not call.arithmetic.pairwise:
        return None
    a, b = arrays
    assert a is not None
    assert b is not None
    if a.shape != b.shape or (a.itemsize, b.itemsize) != (1, 1) or a.size <= 2 * 65536:
        return None
    (table,) = compute(call, pair_codes(a.dtype, b.dtype))
    return (look_up_pairs(a, b, table),)


def _value(tensor: Tensor, tensors: Tensors) -> Array:
    if tensor.data is not None:
        return tensor.data
    if tensor.index not in tensors:
        raise NotReplayed(f"its input, tensor {tensor.label}, is not known")
    return tensors[tensor.index]


def _same_inputs(graph: Subgraph, op: Operator, chained: Replay, captured: Tensors) -> bool:
    """True where the op was replayed, on inputs that equal the captured ones bit for bit."""
    if op.index not in chained.rules:
        return False
    activations = [i for i in op.inputs if i >= 0 and not graph.tensors[i].is_constant]
    return all(
        index in captured
        and chained.tensors[index].dtype == captured[index].dtype
        and np.array_equal(chained.tensors[index], captured[index])
        for index in activations
    )
