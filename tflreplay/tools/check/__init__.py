"""What of a model is wrong, or does not run, before anything is run: one function a rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Array
from tflreplay.ground.words import few
from tflreplay.model import Model
from tflreplay.ops.base.conditions import Absent
from tflreplay.replayer.loop import replay
from tflreplay.tools.check import engines, structure, sums, tensors
from tflreplay.tools.check.records import At, Finding, Found, Rule, Severity

__all__ = ["RULES", "Finding", "Rule", "Severity", "check", "errors", "foretold"]

RULES: tuple[Rule, ...] = (*tensors.RULES, *engines.RULES, *sums.RULES, *structure.RULES)
# What is known of an error without any arithmetic.
_QUICK: tuple[Rule, ...] = (*tensors.RULES, *engines.RULES)


def check(
    model: Model,
    asked: Sequence[Engine],
    inputs: Mapping[int, Array] | None = None,
) -> tuple[Finding, ...]:
    """All that is found, the worst first, then in the order of the operators.

    Args:
        asked: the engines to check for; one finding names all of those that it is about.
        inputs: arrays by tensor index: they are replayed, and what is seen is told. None says only
            what holds for every input.
    """
    found = [one for engine in asked for one in _of(model, engine, inputs, RULES)]
    return tuple(sorted(_merged(found), key=_order))


def errors(model: Model, engine: Engine) -> tuple[Finding, ...]:
    """The errors that are known without an input: what a replay says before it starts."""
    found = _merged(_of(model, engine, None, _QUICK))
    worst = (one for one in found if one.severity is Severity.ERROR)
    return tuple(sorted(worst, key=_order))


def foretold(model: Model, engine: Engine) -> str:
    """The errors in a line; empty where there are none."""
    found = errors(model, engine)
    if not found:
        return ""
    told = few([f"{one.place}: {one.what}" for one in found])
    count = f"{len(found)} error{'' if len(found) == 1 else 's'}"
    return f"check: {count}: {told}; tflreplay check says what to do"


def _order(one: Finding) -> tuple[int, int, int, str]:
    return -one.severity, one.subgraph, -1 if one.op_index is None else one.op_index, one.rule


def _of(
    model: Model, engine: Engine, inputs: Mapping[int, Array] | None, rules: Sequence[Rule]
) -> Iterator[Finding]:
    known: Mapping[int, Array] = {}
    if inputs is not None:
        known = replay(model, inputs, engine=engine).tensors
    for graph in model.subgraphs:
        for op in graph.operators:
            at = At(graph, op, engine, known if graph.index == 0 else {})
            for rule in rules:
                yield from (rule.finding(one, str(engine)) for one in _asked(rule, at))
    for rule in rules:
        if rule.of_model is not None:
            yield from (rule.finding(one, str(engine)) for one in rule.of_model(model, engine))


def _asked(rule: Rule, at: At) -> Iterator[Found]:
    """What a rule finds of an operator; that it could not be asked is a hint."""
    if rule.of_op is None:
        return
    try:
        yield from rule.of_op(at)
    except (NotReplayed, Absent) as error:
        why = str(error) or "the operator has not what it asks for"
        yield Found(f"not checked: {why}", at.op, at.graph.index, Severity.HINT)


def _merged(found: Iterator[Finding] | list[Finding]) -> list[Finding]:
    """What is found of several engines alike, once."""
    by_rest: dict[Finding, list[str]] = {}
    for one in found:
        names = by_rest.setdefault(replace(one, engines=()), [])
        names += [name for name in one.engines if name not in names]
    return [replace(one, engines=tuple(names)) for one, names in by_rest.items()]
