"""What an engine's outputs say about its arithmetic, op by op."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Accumulation, Array
from tflreplay.judgement.diagnosis.candidates import Candidate, candidates
from tflreplay.model import Operator, Subgraph
from tflreplay.ops import row_of
from tflreplay.ops.seam import Tensors, call_of, first_half, run_op
from tflreplay.tools.probe.cases import Cases


@dataclass(frozen=True)
class Score:
    """A candidate arithmetic: of ``outputs`` on which it was tried, it gets ``wrong`` wrong."""

    name: str
    outputs: int
    wrong: int


@dataclass(frozen=True)
class Finding:
    """What was found out about one op.

    ``outputs`` counts the outputs of the engine, ``discriminating`` those on which not all
    candidates agree. ``expected`` is what the engine's arithmetic table says, and ``contradicting``
    counts the outputs that are something else. ``remark`` is a property of the op for which
    candidates may be one and the same function. Where the op could not be probed, ``reason`` says
    why and all else is empty.
    """

    op: str
    outputs: int = 0
    discriminating: int = 0
    expected: str = ""
    contradicting: int = 0
    scores: tuple[Score, ...] = field(default=(), repr=False)
    remark: str = ""
    reason: str = ""

    @property
    def ranked(self) -> tuple[Score, ...]:
        """Every candidate that was tried on all outputs, the best first."""
        whole = (score for score in self.scores if score.outputs == self.outputs)
        return tuple(sorted(whole, key=lambda score: score.wrong))

    @property
    def computes(self) -> tuple[str, ...]:
        """The candidates that explain every output: one, none, or several not told apart.

        Without discriminating outputs there is no evidence for any of several, and it is empty.
        """
        if not self.discriminating and len(self.ranked) > 1:
            return ()
        return tuple(score.name for score in self.ranked if score.wrong == 0)

    @property
    def rivals(self) -> tuple[Score, ...]:
        """The candidates that some output contradicts, the nearest first."""
        return tuple(score for score in self.ranked if score.wrong)

    @property
    def unexplained(self) -> int:
        """Outputs that the best candidate gets wrong."""
        return self.ranked[0].wrong if self.ranked else self.outputs

    @property
    def text(self) -> str:
        """The finding in sentences."""
        if self.reason:
            return f"Not probed: {self.reason}."
        return " ".join(filter(None, (self._claim(), self._against(), self._table())))

    def _claim(self) -> str:
        if not self.computes and not self.discriminating and not self.unexplained:
            return f"Not told apart: all candidates give the same on {self.outputs:,} outputs."
        if self.computes and len(self.ranked) == 1:
            return (
                f"Computes {self.computes[0]}, all that is known of it: {self.outputs:,} outputs."
            )
        evidence = f"all {self.outputs:,} outputs, {self.discriminating:,} of them discriminating"
        if not self.computes:
            best = self.ranked[0]
            return (
                f"Not explained: the nearest candidate, {best.name}, gets {best.wrong:,} of "
                f"{self.outputs:,} outputs wrong."
            )
        first, *others = self.computes
        if not others:
            return f"Computes {first}: it explains {evidence}."
        since = f"; {self.remark}" if self.remark else ""
        return (
            f"Computes {first}, or what gives the same on every output ({', '.join(others)}"
            f"{since}): it explains {evidence}."
        )

    def _against(self) -> str:
        if not self.computes or not self.rivals:
            return ""
        listed = ", ".join(f"{score.name} {score.wrong:,}" for score in self.rivals)
        return f"Outputs against every other candidate: {listed}."

    def _table(self) -> str:
        if self.contradicting:
            return (
                f"THIS CONTRADICTS THE TABLE of tflreplay, which says {self.expected}: "
                f"{self.contradicting:,} outputs are not what that gives."
            )
        return f"As the table says: {self.expected}." if self.computes and self.expected else ""


def findings(
    probed: Cases, engine: Engine, tensors: Tensors, missing: Mapping[int, str]
) -> tuple[Finding, ...]:
    """Try every candidate on every op that was captured.

    Args:
        engine: whose tensors they are; its arithmetic table is what they are expected to follow.
        tensors: arrays by tensor index, the inputs among them.
        missing: why a tensor is not in ``tensors``.
    """
    graph = probed.model.main
    groups: dict[str, list[Operator]] = {}
    for op, name in zip(graph.operators, probed.names, strict=True):
        groups.setdefault(name, []).append(op)
    return tuple(
        _finding(name, graph, ops, engine, tensors, missing) for name, ops in groups.items()
    )


def _finding(
    name: str,
    graph: Subgraph,
    ops: Iterable[Operator],
    engine: Engine,
    tensors: Tensors,
    missing: Mapping[int, str],
) -> Finding:
    """The evidence of all operators that are probed under one name."""
    total = Finding(name)
    for op in ops:
        (output,) = op.outputs
        if output in missing:
            return Finding(name, reason=missing[output])
        try:
            one = _evidence(name, graph, op, engine, tensors)
        except NotReplayed as reason:
            return Finding(name, reason=str(reason))
        total = _sum(total, one)
    return total if total.computes else _by_shape(total)


def _by_shape(total: Finding) -> Finding:
    """The table's rows together are a candidate, where it has one for some operators only."""
    if total.expected in {score.name for score in total.scores}:
        return total
    table = Score(total.expected, total.outputs, total.contradicting)
    return replace(total, scores=(table, *total.scores))


def _evidence(
    name: str, graph: Subgraph, op: Operator, engine: Engine, tensors: Tensors
) -> Finding:
    (output,) = op.outputs
    theirs = tensors[output]
    own = row_of(engine, graph, op)
    found = candidates(engine, graph, op) or (Candidate(own.rule or own.algorithm, own),)
    outputs = [run_op(graph, op, tensors, engine, each.row)[output] for each in found]
    disagree = np.zeros(theirs.shape, bool)
    for other in outputs[1:]:
        disagree |= other != outputs[0]
    scores = [
        Score(each.name, theirs.size, int(np.count_nonzero(ours != theirs)))
        for each, ours in zip(found, outputs, strict=True)
    ]
    return Finding(
        name,
        theirs.size,
        int(np.count_nonzero(disagree)),
        found[0].name,
        scores[0].wrong,
        tuple(scores),
        _remark(graph, op, engine, tensors),
    )


def _sum(total: Finding, one: Finding) -> Finding:
    if not total.outputs:
        return one
    scores = {score.name: score for score in total.scores}
    for score in one.scores:
        so_far = scores.get(score.name, Score(score.name, 0, 0))
        scores[score.name] = Score(
            score.name, so_far.outputs + score.outputs, so_far.wrong + score.wrong
        )
    return replace(
        total,
        outputs=total.outputs + one.outputs,
        discriminating=total.discriminating + one.discriminating,
        expected=" or ".join(dict.fromkeys((*total.expected.split(" or "), one.expected))),
        contradicting=total.contradicting + one.contradicting,
        scores=tuple(scores.values()),
        remark=total.remark if total.remark == one.remark else "",
    )


def _remark(graph: Subgraph, op: Operator, engine: Engine, tensors: Tensors) -> str:
    """What makes several candidates one function, if anything known does."""
    call, arrays = call_of(graph, op, tensors, engine, row_of(engine, graph, op))
    result = first_half(call, arrays)
    if isinstance(result, Accumulation):
        if result.low >= result.zero_point:
            return "what is below zero is cut off"
        if _is_power_of_two(result.multiplier.real):
            return "the multiplier is a power of two"
    elif call.output.zero_point == 0:
        return "the output's zero point is 0"
    return ""


def _is_power_of_two(real: Array) -> bool:
    return bool((np.frexp(real)[0] == 0.5).all())
