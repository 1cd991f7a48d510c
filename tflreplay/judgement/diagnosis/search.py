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
from tflreplay.judgement.diagnosis.made import Arrays, Made
from tflreplay.judgement.diagnosis.mistakes import MISTAKES, Mistake
from tflreplay.judgement.diagnosis.verdict import Fit, Verdict
from tflreplay.model import Model, Operator, Subgraph
from tflreplay.ops import card
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.precision import Precision
from tflreplay.ops.base.row import Kernel
from tflreplay.ops.seam import FirstHalves, Tensors, call_of, first_half, run_op

# Lines (of the last axis) on which a mistake is tried before it is tried on all.
_SAMPLE_WRONG, _SAMPLE_EVEN = 96, 32
_NEAREST = 4
# Of the sample: above this, what a mistake gives is not what was produced, whatever the rule.
_FAR_OFF = 0.1


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
    tried = candidates(engine, graph, op)
    if not tried or produced.dtype.kind == "f":
        return None
    halves = halves or FirstHalves()
    wrong = dict(_wrong(graph, op, tensors, produced, engine, tried, halves))
    own = tried[0].name
    if own not in wrong:
        return None
    rules = {candidate.name: candidate.row.rule for candidate in tried}
    fits = [_plain_fit(name, rules[name], where) for name, where in wrong.items()]
    if wrong[own].any():
        base = base_row(engine, graph, op)
        if base is not None:
            call, arrays = call_of(graph, op, tensors, engine, base)
            known = {(c.row.kernel, c.row.rule, c.row.multiplier) for c in tried}
            fits += _search(call, tuple(arrays), produced, wrong, known, halves)
    fits.sort(key=lambda fit: produced.size - fit.explained)
    complete = tuple(fit for fit in fits if fit.explained == produced.size)
    return Verdict(
        op.index,
        op.name,
        own,
        produced.size,
        produced.shape[-1] if produced.ndim else 1,
        complete,
        int(np.logical_or.reduce(list(wrong.values())).sum()),
        {name: int(where.sum()) for name, where in wrong.items() if where.any()},
        () if complete else _nearest(fits),
    )


def _nearest(fits: Sequence[Fit]) -> tuple[Fit, ...]:
    """The best few; second, one that is right in the channels in which the best is not."""
    best, *others = fits
    apart = [f for f in others if f.explained and not set(f.exceptions) & set(best.exceptions)]
    apart.sort(key=lambda fit: bool(fit.mistake))
    return (best, *apart[:1], *(fit for fit in others if fit not in apart[:1]))[:_NEAREST]


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


def _plain_fit(name: str, rule: str, wrong: Array) -> Fit:
    same = next((mistake for mistake in MISTAKES if mistake.same_as == name), None)
    explained = wrong.size - int(wrong.sum())
    fit = Fit(name, explained, exceptions=_exceptions(wrong), rule=rule)
    if same is None:
        return fit
    return replace(fit, same_as=same.name, probably=same.probably, fix=same.fix)


def _exceptions(wrong: Array) -> tuple[int, ...]:
    """The channels in which something is wrong."""
    channels = np.atleast_1d(wrong)
    return tuple(np.flatnonzero(channels.reshape(-1, channels.shape[-1]).any(axis=0)).tolist())


@dataclass(frozen=True)
class _Trial:
    """A mistake; ``wrong`` counts the elements of the sample that it gets wrong in each rule."""

    mistake: Mistake
    made: Made
    wrong: dict[str, int]

    @property
    def fewest(self) -> int:
        return min(self.wrong.values())

    def fits(self, whole: _Part, produced: Array) -> Iterator[Fit]:
        """In the rules that are best on the sample, on all elements."""
        best = [rule for rule, count in self.wrong.items() if count == self.fewest]
        for rule, codes in whole.codes(self.made, best):
            wrong = codes != _lines(produced)
            yield Fit(
                rule,
                wrong.size - int(wrong.sum()),
                self.mistake.name,
                self.mistake.probably,
                self.mistake.fix,
                _exceptions(wrong),
            )


def _search(
    call: Call,
    arrays: Arrays,
    produced: Array,
    wrong: dict[str, Array],
    known: set[tuple[Kernel, str, Precision | str]],
    halves: FirstHalves,
) -> list[Fit]:
    """The mistakes that explain everything; where nothing does, the nearest few.

    Each is first tried on some lines, most of them lines that the arithmetic in force gets wrong.
    A mistake counts as found only in a rule that explains less without it.
    """
    rules = [name for name in RULES_TRIED if name in wrong and wrong[name].any()]
    if call.rule.name in rules:
        rules.remove(call.rule.name)
        rules.insert(0, call.rule.name)
    lines = _sample(next(iter(wrong.values())))
    sample = _lines(produced)[lines]
    explained = any(not where.any() for where in wrong.values())
    part, whole = _Part(call, arrays, halves, lines), _Part(call, arrays, halves)
    trials = []
    for mistake, made in _made(call, arrays):
        row = made.call.row
        counts = {}
        for rule, codes in part.codes(made, rules):
            if row != call.row and (row.kernel, rule, row.multiplier) in known:
                continue  # that is another engine's arithmetic, which was tried
            if codes.shape != sample.shape:
                break
            counts[rule] = int((codes != sample).sum())
            if _far_off(codes, sample):
                break
        if counts:
            trials.append(_Trial(mistake, made, counts))
    trials.sort(key=lambda trial: trial.fewest)
    found: dict[tuple[str, str], Fit] = {}
    for trial in trials:
        if trial.fewest and (explained or len(found) >= _NEAREST):
            break
        for fit in trial.fits(whole, produced):
            plain = wrong[fit.arithmetic]
            if fit.explained > plain.size - int(plain.sum()):
                found.setdefault((fit.mistake, fit.arithmetic), fit)
                explained |= fit.explained == produced.size
    return sorted(found.values(), key=lambda fit: rules.index(fit.arithmetic))


def _far_off(codes: Array, sample: Array) -> bool:
    """True where no other rule would help: it moves a code by one, or by two if used twice."""
    distance = (codes.astype(np.int16) - sample).astype(np.int8)  # a code may have wrapped around
    return bool((np.abs(distance.astype(np.int16)) > 2).mean() > _FAR_OFF)


def _made(call: Call, arrays: Arrays) -> Iterator[tuple[Mistake, Made]]:
    for mistake in MISTAKES:
        for form in mistake.forms:
            made = form(call, arrays)
            if made is not None:
                yield mistake, made


@dataclass(frozen=True)
class _Part:
    """Some lines of an op, or all; what it sums without a mistake is worked out once."""

    call: Call
    arrays: Arrays
    halves: FirstHalves
    lines: Array | None = None

    def codes(self, made: Made, rules: Sequence[str]) -> Iterator[tuple[str, Array]]:
        """What the mistake gives in each rule in which it can be made: ``(lines, channels)``."""
        once = card(self.call.op.name).sums_once
        unchanged = made.call is self.call and made.arrays is self.arrays
        sums = self._right if unchanged and once else None
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
    def _right(self) -> Accumulation | None:
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
        values = _lines(result.values)
        if self.lines is not None and cropped is None:
            values = values[self.lines]
        return replace(result, values=values)


def _sample(wrong: Array) -> Array:
    """Indices of lines: some that hold wrong elements, and some from all over."""
    rows = _lines(wrong)
    (bad,) = np.nonzero(rows.any(axis=1))
    some = bad[:: max(len(bad) // _SAMPLE_WRONG, 1)][:_SAMPLE_WRONG]
    even = np.linspace(0, len(rows) - 1, _SAMPLE_EVEN).astype(np.intp)
    return np.union1d(some, even)


def _lines(values: Array) -> Array:
    """Of shape ``(lines, channels)``."""
    values = np.atleast_1d(values)
    return values.reshape(-1, values.shape[-1])
