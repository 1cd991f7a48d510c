"""What a device computes, from its outputs of the kit alone, and which known engine it is like.

Tried on each kind of op are the kernels of every engine known, and where these requantize by a rule
every rule in its place. An engine's kernels may differ from operator to operator of one kind, by
shape or scale; they are tried as the engine has them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property

import numpy as np

from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.profile import Measured, Profile
from tflreplay.ground.rounding import Array
from tflreplay.judgement.diagnosis.candidates import RULES_TRIED, row_key
from tflreplay.model import Operator
from tflreplay.ops import Row, kind_of, row_of, site
from tflreplay.ops.seam import Tensors, call_of, compute
from tflreplay.runtimes.profiles import spelled
from tflreplay.tools.probe.alike import function_of
from tflreplay.tools.probe.build import on_type
from tflreplay.tools.probe.cases import Cases
from tflreplay.tools.probe.evidence import Finding, Score
from tflreplay.tools.probe.known import known_engines

# Outputs of the operators of one kind, None where one was not given.
Given = Sequence[Array | None]

# Whose sums every rule is tried on.
BASE = Engine()


@dataclass(frozen=True)
class Arithmetic:
    """The kernels of an engine, with ``rule`` in the place of theirs where it is not empty."""

    kernels: Engine
    rule: str = ""


@dataclass(frozen=True, eq=False)
class Trial:
    """An arithmetic on the operators of one kind, and what it gives of each.

    Two of the same ``function`` cannot be told apart by any input.
    """

    arithmetic: Arithmetic
    name: str
    outputs: tuple[Array, ...] = field(repr=False)
    function: int = field(repr=False)

    def wrong(self, theirs: Given) -> int:
        """How many of the outputs that are given it does not give."""
        pairs = zip(self.outputs, theirs, strict=True)
        return sum(int(np.count_nonzero(a != b)) for a, b in pairs if b is not None)


class Trials:
    """Every arithmetic on the operators of one kind; those that compute the same are one."""

    def __init__(self, cases: Cases, kind: str) -> None:
        self.kind = kind
        graph = cases.model.main
        self.ops = tuple(
            op for op, name in zip(graph.operators, cases.names, strict=True) if name == kind
        )
        self.op = kind_of(graph, self.ops[0])
        self.dtype = site(BASE, graph, self.ops[0]).dtype
        self._graph, self._inputs = graph, cases.inputs
        self._made: dict[object, tuple[Array, int]] = {}
        self._by_rows: dict[object, Trial] = {}
        self._of: dict[Arithmetic, Trial | None] = {}

    @cached_property
    def known(self) -> tuple[Trial, ...]:
        """The kernels of every engine, of other machines only those that are a further function;
        then every rule on the sums of :data:`BASE`.
        """
        engines = (self.of(Arithmetic(engine)) for engine in known_engines())
        found: dict[Trial, int] = {}
        for trial in (*engines, *self.by_rules(BASE)):
            if trial is not None and (_is_here(trial) or trial.function not in found.values()):
                found[trial] = trial.function
        return tuple(found)

    def by_rules(self, kernels: Engine) -> Iterator[Trial]:
        for rule in RULES_TRIED:
            if (trial := self.of(Arithmetic(kernels, rule))) is not None:
                yield trial

    def of(self, arithmetic: Arithmetic) -> Trial | None:
        """The first trial that computes the same; None where an operator has no such row."""
        if arithmetic not in self._of:
            self._of[arithmetic] = self._tried(arithmetic)
        return self._of[arithmetic]

    def _tried(self, arithmetic: Arithmetic) -> Trial | None:
        engine, rule = arithmetic.kernels, arithmetic.rule
        try:
            rows = [row_of(engine, self._graph, op) for op in self.ops]
        except NotReplayed:
            return None
        if rule and not all(row.rule for row in rows):
            return None
        rows = [replace(row, rule=rule) for row in rows] if rule else rows
        key = tuple(map(row_key, rows))
        if key not in self._by_rows:
            try:
                made = [
                    self._output(op, engine, row) for op, row in zip(self.ops, rows, strict=True)
                ]
            except NotReplayed:
                return None
            outputs, functions = zip(*made, strict=True)
            name = _name(arithmetic, rows)
            self._by_rows[key] = Trial(arithmetic, name, outputs, hash(functions))
        return self._by_rows[key]

    def _output(self, op: Operator, engine: Engine, row: Row) -> tuple[Array, int]:
        key = op.index, row_key(row)
        if key not in self._made:
            call, arrays = call_of(self._graph, op, self._inputs, engine, row)
            (output,) = compute(call, arrays)
            self._made[key] = output, hash(function_of(call, arrays))
        return self._made[key]

    def vectors(self, theirs: Given, nearest: str) -> Iterator[tuple[str, Array]]:
        """Of each operator on which the trial of this name is wrong: inputs and both outputs."""
        trial = next(each for each in self._by_rows.values() if each.name == nearest)
        for op, ours, given in zip(self.ops, trial.outputs, theirs, strict=True):
            if given is None or np.array_equal(ours, given):
                continue
            for position, index in enumerate(op.inputs):
                array = self._inputs.get(index, self._graph.tensors[index].data)
                if array is not None:
                    yield f"{self.kind}/{op.index}/input_{position}", array
            yield f"{self.kind}/{op.index}/device", given
            yield f"{self.kind}/{op.index}/nearest", ours

    @cached_property
    def discriminating(self) -> tuple[int, ...]:
        """Of each operator, the outputs on which not all arithmetics agree."""
        first, *others = self.known
        return tuple(
            int(np.count_nonzero(np.any([each.outputs[i] != ours for each in others], axis=0)))
            if others
            else 0
            for i, ours in enumerate(first.outputs)
        )


def _is_here(trial: Trial) -> bool:
    return trial.arithmetic.kernels.machine == BASE.machine


def _name(arithmetic: Arithmetic, rows: Sequence[Row]) -> str:
    if arithmetic.rule and arithmetic.kernels == BASE:
        return arithmetic.rule
    how = (", ".join(filter(None, (row.algorithm, row.rule))) for row in rows)
    return f"{' or '.join(dict.fromkeys(how))} ({spelled(arithmetic.kernels)})"


@dataclass(frozen=True)
class Fingerprint:
    """What a device computes. ``nearest`` are the known engines that differ from it in the fewest
    kinds of op, then outputs; ``differs`` says in which, and in how many outputs. ``ambiguous`` are
    the other arithmetics that give all outputs of a kind, though they are another function.
    ``vectors`` hold, of each operator that nothing explains, its inputs, the device's output and
    that of the arithmetic which is nearest.
    """

    findings: tuple[Finding, ...] = field(repr=False)
    measured: tuple[Measured, ...] = field(repr=False)
    nearest: tuple[Engine, ...] = ()
    differs: Mapping[str, int] = field(default_factory=dict)
    ambiguous: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    vectors: Mapping[str, Array] = field(default_factory=dict, repr=False)

    @property
    def unexplained(self) -> tuple[str, ...]:
        return tuple(on_type(m.op, m.dtype) for m in self.measured if m.kernels is None)

    def engine(self, name: str) -> Engine:
        """The nearest engine, with this as its profile."""
        return replace(self.nearest[0], profile=Profile(name, self.measured))


@cache
def trials_of(cases: Cases, kind: str) -> Trials:
    return Trials(cases, kind)


def kinds(cases: Cases) -> tuple[str, ...]:
    return tuple(dict.fromkeys(cases.names))


def fingerprint(
    cases: Cases, tensors: Tensors, missing: Mapping[int, str], engine: Engine | None = None
) -> Fingerprint:
    """Find out what gave ``tensors``. Of types without any output nothing is said.

    Args:
        cases: the kit's operators, all of them independent.
        tensors: outputs by tensor index of ``cases``.
        missing: why an output is not in ``tensors``.
        engine: whose outputs they should be, where that is known.
    """
    asked = {kind: trials_of(cases, kind) for kind in kinds(cases)}
    given: dict[str, Given] = {}
    reasons: dict[str, str] = {}
    for kind, trials in asked.items():
        outputs = [op.outputs[0] for op in trials.ops]
        if any(index in tensors for index in outputs):
            given[kind] = [tensors.get(index) for index in outputs]
        else:
            reasons[kind] = missing.get(outputs[0], "its outputs are not there")
    returned = {asked[kind].dtype for kind in given}
    nearest, differs = _nearest(asked, given, (engine,) if engine else known_engines())
    findings, measured = [], []
    ambiguous: dict[str, tuple[str, ...]] = {}
    vectors: dict[str, Array] = {}
    for kind, trials in asked.items():
        if trials.dtype not in returned:
            continue
        if kind in reasons:
            findings.append(Finding(kind, reason=reasons[kind]))
            continue
        finding, one, rivals = _measure(trials, given[kind], nearest[0])
        findings.append(finding)
        measured.append(one)
        if rivals:
            ambiguous[kind] = rivals
        if one.kernels is None:
            vectors |= trials.vectors(given[kind], finding.ranked[0].name)
    return Fingerprint(tuple(findings), tuple(measured), nearest, differs, ambiguous, vectors)


def _nearest(
    asked: Mapping[str, Trials], given: Mapping[str, Given], engines: Sequence[Engine]
) -> tuple[tuple[Engine, ...], dict[str, int]]:
    """The engines that are as near as any, and where the first of them differs."""
    wrong: dict[int, int] = {}  # by trial, which many engines share
    best: tuple[int, int] | None = None
    nearest: list[Engine] = []
    differs: dict[str, int] = {}
    for engine in engines:
        counts = {}
        for kind, theirs in given.items():
            trial = asked[kind].of(Arithmetic(engine))
            if trial is None:
                counts[kind] = sum(array.size for array in theirs if array is not None)
                continue
            if id(trial) not in wrong:
                wrong[id(trial)] = trial.wrong(theirs)
            counts[kind] = wrong[id(trial)]
        differing = {kind: count for kind, count in counts.items() if count}
        distance = len(differing), sum(differing.values())
        if best is None or distance < best:
            best, nearest, differs = distance, [], differing
        if distance == best:
            nearest.append(engine)
    return tuple(nearest), differs


def _measure(
    trials: Trials, theirs: Given, near: Engine
) -> tuple[Finding, Measured, tuple[str, ...]]:
    """What gives these outputs, and what else gives them: the near engine's kernels before those of
    others, and these before rules.
    """
    own = trials.of(Arithmetic(near))
    tried = dict.fromkeys([*([own] if own else []), *trials.known])
    wrong = {trial: trial.wrong(theirs) for trial in tried}
    if all(wrong.values()):
        wrong |= {trial: trial.wrong(theirs) for trial in trials.by_rules(near)}
    outputs = sum(array.size for array in theirs if array is not None)
    pairs = zip(trials.discriminating, theirs, strict=True)
    discriminating = sum(count for count, array in pairs if array is not None)
    scores = tuple(Score(trial.name, outputs, count) for trial, count in wrong.items())
    finding = Finding(trials.kind, outputs, discriminating, scores=scores)
    evidence = f"{outputs:,} outputs, {discriminating:,} of them discriminating"
    right = [trial for trial, count in wrong.items() if not count]
    if not right:
        best = min(wrong, key=lambda trial: wrong[trial])
        evidence += f"; the nearest, {best.name}, gets {wrong[best]:,} wrong"
        return finding, Measured(trials.op, trials.dtype, None, evidence=evidence), ()
    found, *others = right
    alike = [trial.name for trial in others if trial.function == found.function]
    rivals = tuple(trial.name for trial in others if trial.function != found.function)
    if alike:
        evidence += f"; one function here: {', '.join(alike)}"
    if rivals:
        evidence += f"; not told apart: {', '.join(rivals)}"
    kernels, rule = found.arithmetic.kernels, found.arithmetic.rule
    if found is own:
        kernels, rule = near, ""
    return finding, Measured(trials.op, trials.dtype, kernels, rule, evidence), rivals
