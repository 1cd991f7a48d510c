"""Run a model op by op with the kernels, in one engine's arithmetic.

*Chained* replay feeds every op what the ops before it gave, from the model's inputs on. *Isolated*
replay feeds every op the captured inputs, so that a difference seen in a layer was made there. Of
inputs that were not captured, it goes on from the last tensors that were.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

import numpy as np

from tflreplay.ground import notebook
from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import KernelError, NotReplayed
from tflreplay.ground.rounding import Array
from tflreplay.model import HANDLES, Model, Operator, Subgraph, as_run
from tflreplay.ops import Row, card, row_of
from tflreplay.ops.base.session import Session
from tflreplay.ops.seam import FirstHalves, Tensors, call_of, run_op, slack, value

Rows = Mapping[str, Row]
REFERENCE = Engine()
NO_ROWS: Rows = MappingProxyType({})


@dataclass(frozen=True)
class Replay:
    """Tensors by index as one engine's arithmetic gives them.

    ``not_replayed`` holds the reason for every op that could not be replayed and ``rules`` the rule
    in force for the others, both by op index. ``tolerances`` holds that of the ops which have one,
    and ``slacks`` what gives, of the ops whose sums are taken in another order, how far each value
    may lie off.
    """

    engine: Engine
    tensors: dict[int, Array] = field(default_factory=dict, repr=False)
    not_replayed: dict[int, str] = field(default_factory=dict)
    rules: dict[int, str] = field(default_factory=dict, repr=False)
    tolerances: dict[int, float] = field(default_factory=dict, repr=False)
    slacks: dict[int, Callable[[], Array]] = field(default_factory=dict, repr=False)

    def __repr__(self) -> str:
        return (
            f"Replay({self.engine}: {len(self.tensors)} tensors, "
            f"{len(self.not_replayed)} ops not replayed)"
        )

    def _repr_html_(self) -> str:
        reasons = list(self.not_replayed.items())
        return notebook.paragraph(repr(self)) + notebook.table(("op", "why it is missing"), reasons)


def replay(
    model: Model,
    inputs: Tensors,
    engine: Engine = REFERENCE,
    captured: Callable[[], Tensors] | None = None,
    progress: Callable[[int], None] | None = None,
    kernels: Rows = NO_ROWS,
    session: Session | None = None,
    halves: FirstHalves | None = None,
) -> Replay:
    """Chained replay of the main subgraph.

    Args:
        inputs: arrays by tensor index, of the input tensors' shapes and dtypes.
        captured: gives the captured tensors; called only when an op cannot be replayed, whose
            outputs are then taken from there, or not exactly, so that the ops after it are fed
            what is there.
        progress: called with the index of each op before it is computed.
        kernels: rows that take the place of the engine's, by op.
        session: what inferences before this one left behind; this one changes it.
        halves: knows accumulators that were made before, and keeps those made here.
    """
    result = Replay(engine, dict(inputs))
    runner = Runner(model, engine, kernels, session or Session(), halves)
    fed = ChainMap({}, result.tensors)
    for op in model.main.operators:
        if progress is not None:
            progress(op.index)
        outputs = runner.attempt(op, fed, result)
        if outputs is None or op.index in result.tolerances:
            known = captured() if captured is not None else {}
            theirs = {index: known[index] for index in op.outputs if index in known}
            fed.maps[0].update(theirs)
            outputs = theirs if outputs is None else outputs
        result.tensors.update(outputs)
    return result


def replay_isolated(
    model: Model,
    captured: Tensors,
    engine: Engine = REFERENCE,
    chained: Replay | None = None,
    progress: Callable[[int], None] | None = None,
    kernels: Rows = NO_ROWS,
    session: Session | None = None,
    halves: FirstHalves | None = None,
) -> Replay:
    """Isolated replay of the main subgraph: every op on the captured inputs.

    An input that was not captured is what this replay itself gave.

    Args:
        captured: the runtime's tensors by index, the model's inputs among them.
        chained: a chained replay by the same engine and kernels; an op whose inputs are
            bit-identical there is not computed again.
        progress: called with the index of each op before it is computed.
        kernels: rows that take the place of the engine's, by op.
        session: what inferences before this one left behind, isolated ones like it.
        halves: as for :func:`replay`.
    """
    result = Replay(engine)
    runner = Runner(model, engine, kernels, session or Session(), halves)
    # What stands for a variable, which no capture holds, and what else was not captured.
    known = ChainMap({}, dict(captured))
    for op in model.main.operators:
        if progress is not None:
            progress(op.index)
        if chained is not None and _same_inputs(model.main, op, chained, known):
            result.rules[op.index] = chained.rules[op.index]
            if op.index in chained.tolerances:
                result.tolerances[op.index] = chained.tolerances[op.index]
            if op.index in chained.slacks:
                result.slacks[op.index] = chained.slacks[op.index]
            outputs = {index: chained.tensors[index] for index in op.outputs}
        else:
            outputs = runner.attempt(op, known, result) or {}
        result.tensors.update(outputs)
        known.maps[0].update((i, array) for i, array in outputs.items() if i not in captured)
    return result


def replay_ops(
    model: Model,
    ops: Iterable[Operator],
    tensors: Tensors,
    engine: Engine,
    halves: FirstHalves | None = None,
) -> dict[int, Array]:
    """The outputs of some ops of the main subgraph, each fed what those before it gave.

    Args:
        tensors: what they read besides, by tensor index.
        halves: as for :func:`replay`.

    Raises:
        NotReplayed: one of them cannot be replayed.
    """
    runner = Runner(model, engine, NO_ROWS, Session(), halves)
    made: dict[int, Array] = {}
    known = ChainMap(made, dict(tensors))
    for op in ops:
        made.update(runner.outputs(op, known))
    return made


class Runner:
    """Runs ops of one model in one engine's arithmetic, and keeps its variables."""

    def __init__(
        self,
        model: Model,
        engine: Engine,
        kernels: Rows,
        session: Session,
        halves: FirstHalves | None,
    ) -> None:
        self.model, self.engine, self.kernels, self.session = model, engine, kernels, session
        self.halves = halves
        # Why each op of another subgraph that was run was left out, by subgraph and op; None where
        # it was not.
        self.inner: dict[tuple[int, int], Exception | None] = {}
        # Of the ops that the present one runs in other subgraphs, added up.
        self.inner_tolerance = 0.0

    def attempt(self, op: Operator, tensors: Tensors, result: Replay) -> dict[int, Array] | None:
        """The outputs of an op of the main subgraph; or None, with the reason noted."""
        self.inner_tolerance = 0.0
        try:
            row, outputs = self._op(self.model.main, op, tensors)
        except KernelError:
            raise
        except Exception as error:  # one broken layer must not take the others' report away
            result.not_replayed[op.index] = failure(op, error)
            return None
        result.rules[op.index] = row.rule or row.algorithm
        if tolerance := row.tolerance + self.inner_tolerance:
            result.tolerances[op.index] = tolerance
        if row.terms is not None:
            graph, engine = self.model.main, self.engine
            made = call_of(graph, op, tensors, engine, row, self.session)
            result.slacks[op.index] = partial(slack, *made)
        return outputs

    def outputs(self, op: Operator, tensors: Tensors) -> dict[int, Array]:
        """Those of an op of the main subgraph.

        Raises:
            NotReplayed: it cannot be replayed.
        """
        return self._op(self.model.main, op, tensors)[1]

    def _op(self, graph: Subgraph, op: Operator, tensors: Tensors) -> tuple[Row, dict[int, Array]]:
        graph = as_run(graph, {i: tensors[i] for i in op.inputs if i in tensors})
        row = self.kernels.get(op.name) or row_of(self.engine, graph, op)
        outputs = run_op(graph, op, tensors, self.engine, row, self.session, self._run, self.halves)
        return row, outputs

    def _run(self, index: int, inputs: Sequence[Array]) -> tuple[Array, ...]:
        """The outputs of a whole subgraph.

        Raises:
            NotReplayed: there is no such subgraph, or one of its ops cannot be replayed.
        """
        if not 0 <= index < len(self.model.subgraphs):
            raise NotReplayed(f"the model has no subgraph {index}")
        graph = self.model.subgraphs[index]
        tensors = dict(zip(graph.inputs, inputs, strict=True))
        for op in graph.operators:
            try:
                row, outputs = self._op(graph, op, tensors)
            except KernelError:
                raise
            except Exception as error:
                self.inner[index, op.index] = error
                where = f"op {op.index} of subgraph {index}"
                kind = type(error) if isinstance(error, NotReplayed) else NotReplayed
                raise kind(f"{where}: {failure(op, error)}") from None
            self.inner[index, op.index] = None
            tensors.update(outputs)
            self.inner_tolerance += row.tolerance
        return tuple(value(graph, graph.tensors[i], tensors, self.session) for i in graph.outputs)


def failure(op: Operator, error: Exception) -> str:
    """Why an op was not replayed, in words."""
    if isinstance(error, NotReplayed):
        return str(error)
    return (
        f"the {op.name} kernel failed ({type(error).__name__}: {error}); "
        "please report this as a bug of tflreplay"
    )


def _same_inputs(graph: Subgraph, op: Operator, chained: Replay, captured: Tensors) -> bool:
    """True where the op was replayed, on inputs that equal the captured ones bit for bit."""
    if op.index not in chained.rules or not op.inputs or _has_state(graph, op):
        return False
    activations = [i for i in op.inputs if i >= 0 and not graph.tensors[i].is_constant]
    return all(
        index in captured
        and index in chained.tensors
        and chained.tensors[index].dtype == captured[index].dtype
        and np.array_equal(chained.tensors[index], captured[index])
        for index in activations
    )


def _has_state(graph: Subgraph, op: Operator) -> bool:
    """True of an op that may read or change a variable."""
    tensors = [graph.tensors[index] for index in op.inputs if index >= 0]
    stateful = any(tensor.is_variable or tensor.dtype in HANDLES for tensor in tensors)
    return stateful or card(op.name).runs_subgraphs
