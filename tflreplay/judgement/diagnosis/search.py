"""Try every candidate on one op's inputs, and say which of them give its output."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import RULES, Accumulation, Array, wrap32
from tflreplay.judgement.diagnosis.candidates import RULES_TRIED, Candidate, base_row, candidates
from tflreplay.judgement.diagnosis.evidence import STRONG, Evidence, evidence, in_lines
from tflreplay.judgement.diagnosis.made import Arrays, Made
from tflreplay.judgement.diagnosis.mistakes import MISTAKES, Mistake, Way, made_in
from tflreplay.judgement.diagnosis.reals import NAME as REAL
from tflreplay.judgement.diagnosis.reals import in_reals
from tflreplay.judgement.diagnosis.verdict import Fit, Rival, Verdict
from tflreplay.model import Model, Operator, Subgraph
from tflreplay.ops import card, row_of
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.precision import Precision
from tflreplay.ops.base.row import Kernel
from tflreplay.ops.seam import FirstHalves, Tensors, call_of, first_half, run_op

# Lines (of the last axis) on which a mistake is tried before it is tried on all.
_SAMPLE_WRONG, _SAMPLE_EVEN = 96, 32
_NEAREST = 4
# Of the sample: above this, what a mistake gives is not what was produced, whatever the rule.
_FAR_OFF = 0.1
# What a mistake may leave wrong to be called near: this share of the elements, and so many times
# less than the arithmetic in force.
_NEAR, _NEARER = 0.01, 10


def diagnose(
    graph: Subgraph,
    op: Operator,
    tensors: Tensors,
    produced: Array,
    engine: Engine,
    halves: FirstHalves | None = None,
) -> Verdict | None:
    """The verdict on ``produced``, the first output of ``op`` on the inputs in ``tensors``.

    Mistakes are looked for only where the engine's own arithmetic does not explain everything.
    ``halves`` knows accumulators that were made before.

    Returns:
        None for an op that has one arithmetic only, such as those that move data, for one that
        cannot be replayed on these tensors, and for floating-point outputs.

    Raises:
        NotReplayed: the engine's tables have no row for this op.
    """
    tried = candidates(engine, graph, op) or _alone(engine, graph, op)
    if not tried or produced.dtype.kind == "f":
        return None
    halves = halves or FirstHalves()
    wrong = dict(_wrong(graph, op, tensors, produced, engine, tried, halves))
    own = tried[0].name
    if own not in wrong:
        return None
    if len(tried) == 1 and not wrong[own].any():
        return None  # nothing else was tried
    rules = {candidate.name: candidate.row.rule for candidate in tried}
    base = base_row(engine, graph, op)
    call, arrays = call_of(graph, op, tensors, engine, base or tried[0].row)
    known = evidence(produced, _sums(call, arrays, halves) if base is not None else None, arrays)
    counted = _channels(op, produced)
    fits = [_plain_fit(name, rules[name], where, counted) for name, where in wrong.items()]
    rivals = [
        Rival(name, rules[name] or name, name, known.count(where))
        for name, where in wrong.items()
        if where.any()
    ]
    if wrong[own].any() and base is not None:
        others = {(c.row.kernel, c.row.rule, c.row.multiplier) for c in tried}
        found = _Search(call, tuple(arrays), produced, wrong, others, halves, known, counted)
        fits += found.fits()
        if not any(fit.explained == produced.size and not fit.mistake for fit in fits):
            rivals += found.rivals()
    real, rival = _in_reals(call, arrays, produced, known, fits, counted)
    fits += [real] if real is not None else []
    rivals += [rival] if rival is not None else []
    complete = [fit for fit in fits if fit.explained == produced.size]
    complete.sort(key=lambda fit: bool(fit.mistake))
    return Verdict(
        op.index,
        op.name,
        own,
        produced.size,
        produced.shape[-1] if counted else 1,
        tuple(complete),
        int(np.logical_or.reduce(list(wrong.values())).sum()),
        {name: int(where.sum()) for name, where in wrong.items() if where.any()},
        () if complete else _nearest(fits, own),
        engine.name,
        tuple(rivals),
    )


def _sums(call: Call, arrays: Sequence[Array | None], halves: FirstHalves) -> Accumulation | None:
    try:
        made = halves.of(call, arrays)
    except NotReplayed:
        return None
    return made if isinstance(made, Accumulation) else None


def _alone(engine: Engine, graph: Subgraph, op: Operator) -> tuple[Candidate, ...]:
    """The engine's own arithmetic of an op that has no other, but is known on real numbers."""
    row = row_of(engine, graph, op)
    if row.moves or card(op.name).on_reals is None:
        return ()
    return (Candidate(row.rule or row.algorithm, row),)


def _channels(op: Operator, produced: Array) -> bool:
    """True where the last axis is one of channels, not of so many elements side by side."""
    return produced.ndim > 0 and (card(op.name).weighted or produced.size > produced.shape[-1])


def _in_reals(
    call: Call,
    arrays: Sequence[Array | None],
    produced: Array,
    known: Evidence,
    fits: Sequence[Fit],
    counted: bool,
) -> tuple[Fit | None, Rival | None]:
    """The fit of real arithmetic, or how it is told from what was produced.

    An op with weights that something else explains is not computed once more: rules that round a
    floating-point product are tried on it.
    """
    explained = any(fit.explained == produced.size for fit in fits)
    weighted = card(call.op.name).weighted
    reals = None if weighted and explained else in_reals(call, arrays)
    if reals is None or reals.steps.shape != produced.shape:
        return None, None
    wrong = reals.wrong(produced)
    fit = Fit(
        REAL,
        wrong.size - int(wrong.sum()),
        exceptions=_exceptions(wrong) if counted else (),
        elements=wrong.size,
    )
    if wrong.any():
        return fit, Rival(REAL, REAL, REAL, known.count(wrong))
    unlike = min(known.count(where) for where in reals.unlike(produced, every=not weighted))
    if (explained or weighted) and unlike >= STRONG:
        return None, Rival(REAL, REAL, REAL, unlike)
    return fit, None


def _nearest(fits: Sequence[Fit], own: str) -> tuple[Fit, ...]:
    """The best, with all that come as near; then one that is right where those are not.

    A mistake is near only where it leaves little wrong, and far less than the arithmetic in force.
    """
    most = next(fit.wrong for fit in fits if fit.arithmetic == own and not fit.mistake)
    near = [
        fit
        for fit in fits
        if not fit.mistake or fit.wrong <= min(_NEAR * fit.elements, most / _NEARER)
    ]
    near.sort(key=lambda fit: fit.wrong)
    best = [fit for fit in near if fit.wrong == near[0].wrong]
    best.sort(key=lambda fit: fit.arithmetic != own)
    apart = [
        fit
        for fit in near
        if fit not in best
        and fit.explained
        and fit.exceptions
        and best[0].exceptions
        and not set(fit.exceptions) & set(best[0].exceptions)
    ]
    apart.sort(key=lambda fit: bool(fit.mistake))
    return (*best, *apart[:1])


def diagnose_all(
    model: Model,
    tensors: Tensors,
    engine: Engine,
    produced: Tensors,
    progress: Callable[[int], None] = lambda op_index: None,
    halves: FirstHalves | None = None,
) -> tuple[dict[int, Verdict], dict[int, str]]:
    """The verdicts on all ops of the main subgraph that have rival arithmetic, by op index.

    A diagnosis that fails takes nothing else away: the second dict says how it failed.

    Args:
        tensors: the inputs of every op, by tensor index.
        engine: whose arithmetic is expected.
        produced: the outputs to explain, by tensor index.
        progress: called with the index of each op before it.
        halves: knows accumulators that were made before.
    """
    verdicts: dict[int, Verdict] = {}
    failures: dict[int, str] = {}
    for op in model.main.operators:
        progress(op.index)
        if not op.outputs or op.outputs[0] not in produced:
            continue
        try:
            found = diagnose(model.main, op, tensors, produced[op.outputs[0]], engine, halves)
        except NotReplayed:
            continue
        except Exception as error:
            failures[op.index] = (
                f"op {op.index} {op.name} has no verdict: its diagnosis failed "
                f"({type(error).__name__}: {error}); please report this as a bug of tflreplay"
            )
            continue
        if found is not None:
            verdicts[op.index] = found
    return verdicts, failures


def _wrong(
    graph: Subgraph,
    op: Operator,
    tensors: Tensors,
    produced: Array,
    engine: Engine,
    tried: tuple[Candidate, ...],
    halves: FirstHalves,
) -> Iterator[tuple[str, Array]]:
    """For each candidate that gives an output of the right shape, where it is not ``produced``."""
    for candidate in tried:
        row = candidate.row
        try:
            output = run_op(graph, op, tensors, engine, row, halves=halves)[op.outputs[0]]
        except NotReplayed:
            continue
        if output.shape == produced.shape:
            yield candidate.name, output != produced


def _plain_fit(name: str, rule: str, wrong: Array, counted: bool) -> Fit:
    same = next((mistake for mistake in MISTAKES if mistake.same_as == name), None)
    fit = Fit(
        name,
        wrong.size - int(wrong.sum()),
        exceptions=_exceptions(wrong) if counted else (),
        rule=rule,
        elements=wrong.size,
    )
    if same is None:
        return fit
    return replace(fit, same_as=same.name, you=same.you, fix=same.fix)


def _exceptions(wrong: Array) -> tuple[int, ...]:
    """The channels in which something is wrong."""
    channels = np.atleast_1d(wrong)
    return tuple(np.flatnonzero(channels.reshape(-1, channels.shape[-1]).any(axis=0)).tolist())


@dataclass(frozen=True)
class _Trial:
    """A mistake; ``wrong`` counts the elements of the sample that it gets wrong in each rule.

    ``telling`` counts those of them that are evidence.
    """

    mistake: Mistake
    way: Way
    made: Made
    wrong: dict[str, int]
    telling: dict[str, int]

    @property
    def fewest(self) -> int:
        return min(self.wrong.values())

    def name(self, rule: str) -> str:
        return f"{rule}, {self.way.title or self.mistake.name}"


@dataclass(frozen=True)
class _Search:
    """The mistakes that explain everything; where nothing does, the nearest few.

    Each is first tried on some lines, most of them lines that the arithmetic in force gets wrong.
    A mistake counts as found only in a rule that explains less without it.
    """

    call: Call
    arrays: Arrays
    produced: Array
    wrong: dict[str, Array]
    known: set[tuple[Kernel, str, Precision | str]]
    halves: FirstHalves
    evidence: Evidence
    channels: bool

    def fits(self) -> list[Fit]:
        explained = any(not where.any() for where in self.wrong.values())
        found: dict[tuple[str, str, str], Fit] = {}
        for trial in self._trials:
            if trial.fewest and (explained or len(found) >= _NEAREST):
                break
            best = [rule for rule, count in trial.wrong.items() if count == trial.fewest]
            for fit in self._of(trial, best):
                plain = self.wrong[fit.arithmetic]
                if fit.explained > plain.size - int(plain.sum()):
                    found.setdefault((fit.mistake, fit.you, fit.arithmetic), fit)
                    explained |= fit.explained == self.produced.size
        return sorted(found.values(), key=lambda fit: self._rules.index(fit.arithmetic))

    def _of(self, trial: _Trial, rules: Sequence[str]) -> Iterator[Fit]:
        for rule, codes in self._whole.codes(trial.made, rules):
            wrong = codes != in_lines(self.produced)
            yield Fit(
                rule,
                wrong.size - int(wrong.sum()),
                trial.mistake.name,
                trial.way.you,
                trial.way.fix,
                _exceptions(wrong) if self.channels else (),
                title=trial.way.title,
                elements=wrong.size,
            )

    def rivals(self) -> Iterator[Rival]:
        """How each mistake that does not explain everything is told from what was produced.

        Those that hardly are on the sample are tried on everything.
        """
        whole = self.evidence.of(np.arange(len(in_lines(self.produced))))
        for trial in self._trials:
            weak = [rule for rule, count in trial.telling.items() if count < STRONG]
            telling = dict(trial.telling)
            for rule, codes in self._whole.codes(trial.made, weak) if weak else ():
                wrong = codes != in_lines(self.produced)
                telling[rule] = whole.count(wrong) if wrong.any() else -1
            for rule, count in telling.items():
                if count >= 0:
                    kin, you = trial.mistake.name, trial.way.you
                    yield Rival(trial.name(rule), kin, rule, count, you)

    @cached_property
    def _rules(self) -> list[str]:
        rules = [name for name in RULES_TRIED if name in self.wrong and self.wrong[name].any()]
        if self.call.rule.name in rules:
            rules.remove(self.call.rule.name)
            rules.insert(0, self.call.rule.name)
        return rules

    @cached_property
    def _whole(self) -> Part:
        return Part(self.call, self.arrays, self.halves)

    @cached_property
    def _trials(self) -> list[_Trial]:
        lines = _sample(next(iter(self.wrong.values())))
        sample = in_lines(self.produced)[lines]
        known = self.evidence.of(lines)
        part = Part(self.call, self.arrays, self.halves, lines)
        trials = []
        for mistake, way, made in made_in(self.call, self.arrays):
            row = made.call.row
            counts, telling = {}, {}
            for rule, codes in part.codes(made, self._rules):
                if row != self.call.row and (row.kernel, rule, row.multiplier) in self.known:
                    continue  # that is another engine's arithmetic, which was tried
                if codes.shape != sample.shape:
                    break
                where = codes != sample
                counts[rule] = int(where.sum())
                telling[rule] = known.count(where)
                if _far_off(codes, sample):
                    break
            if counts:
                trials.append(_Trial(mistake, way, made, counts, telling))
        trials.sort(key=lambda trial: trial.fewest)
        return trials


def _far_off(codes: Array, sample: Array) -> bool:
    """True where no other rule would help: it moves a code by one, or by two if used twice."""
    distance = (codes.astype(np.int16) - sample).astype(np.int8)  # a code may have wrapped around
    return bool((np.abs(distance.astype(np.int16)) > 2).mean() > _FAR_OFF)


@dataclass(frozen=True)
class Part:
    """Some lines of an op, or all; what it sums without a mistake is worked out once."""

    call: Call
    arrays: Arrays
    halves: FirstHalves
    lines: Array | None = None

    def codes(self, made: Made, rules: Sequence[str]) -> Iterator[tuple[str, Array]]:
        """What the mistake gives in each rule in which it can be made: ``(lines, channels)``."""
        once = card(self.call.op.name).sums_once
        unchanged = made.call is self.call and made.arrays is self.arrays
        sums = self.sums if unchanged and once else None
        for name in rules:
            rule = made.rule(RULES[name])
            if rule is None:
                continue
            if sums is None or not once:
                sums = self._sums(replace(made.call, rule=rule), made.arrays)
                if sums is None:
                    return
            a = made.sums(sums)
            rescaled = made.rescaled(rule(a.values.astype(np.int64), a.multiplier))
            code = wrap32(rescaled + a.zero_point)
            yield name, np.asarray(code.clip(a.low, a.high).astype(a.dtype))

    @cached_property
    def sums(self) -> Accumulation | None:
        """What is summed without a mistake; None where the op cannot be computed so."""
        return self._sums(self.call, self.arrays)

    def _sums(self, call: Call, arrays: Arrays) -> Accumulation | None:
        """``(lines, channels)`` of sums; None where the op cannot be computed so."""
        lines = card(call.op.name).lines
        cropped = None
        if lines is not None and self.lines is not None:
            cropped = lines(call, arrays, self.lines)
        if cropped is not None:
            call, arrays = cropped
        try:
            whole = call is self.call and arrays is self.arrays
            result = (self.halves.of if whole else first_half)(call, arrays)
        except NotReplayed:
            return None
        if not isinstance(result, Accumulation):
            return None
        values = in_lines(result.values)
        if self.lines is not None and cropped is None:
            values = values[self.lines]
        return replace(result, values=values)


def _sample(wrong: Array) -> Array:
    """Indices of lines: some that hold wrong elements, and some from all over."""
    rows = in_lines(wrong)
    (bad,) = np.nonzero(rows.any(axis=1))
    some = bad[:: max(len(bad) // _SAMPLE_WRONG, 1)][:_SAMPLE_WRONG]
    even = np.linspace(0, len(rows) - 1, _SAMPLE_EVEN).astype(np.intp)
    return np.union1d(some, even)
