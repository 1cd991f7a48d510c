"""What else an op may give: in another arithmetic, or with one mistake made in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import RULES, Array
from tflreplay.judgement.diagnosis.candidates import RULES_TRIED, base_row, candidates
from tflreplay.judgement.diagnosis.in_order import in_order
from tflreplay.judgement.diagnosis.mistakes import made_in
from tflreplay.judgement.diagnosis.part import Part
from tflreplay.model import Model, Operator
from tflreplay.ops.seam import FirstHalves, Tensors, call_of, run_op


@dataclass(frozen=True)
class Variant:
    """One change of an op, and its first output with it."""

    op_index: int
    op: str
    arithmetic: str
    mistake: str = ""
    output: Array = field(kw_only=True, repr=False, compare=False)


def variants(
    model: Model,
    op: Operator,
    tensors: Tensors,
    engine: Engine,
    halves: FirstHalves | None = None,
) -> Iterator[Variant]:
    """Every other arithmetic, and every mistake in the rule in force and in every other one.

    Args:
        tensors: the inputs of the op, by tensor index.
        engine: whose arithmetic is in force.
        halves: knows accumulators that were made before.
    """
    graph = model.main
    halves = halves or FirstHalves()
    try:
        _, *others = candidates(engine, graph, op) or [None]
        base = base_row(engine, graph, op)
    except NotReplayed:
        return
    for candidate in others:
        assert candidate is not None
        try:
            outputs = run_op(graph, op, tensors, engine, candidate.row, halves=halves)
        except NotReplayed:
            continue
        yield Variant(op.index, op.name, candidate.name, output=outputs[op.outputs[0]])
    if base is None:
        return
    call, arrays = call_of(graph, op, tensors, engine, base)
    call, given = in_order(call, tuple(arrays))
    whole = Part(call, given, halves)
    rules = [*dict.fromkeys((call.rule.name, *RULES_TRIED))]
    for mistake, _, made in made_in(call, given):
        for rule, codes in whole.codes(made, {rule: RULES[rule] for rule in rules}):
            yield Variant(op.index, op.name, rule, mistake.name, output=codes)
