"""Try every candidate on one op's inputs, and say which of them give its output."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from tflreplay.diagnosis.candidates import RULES_TRIED, Candidate, candidates, seam
from tflreplay.diagnosis.crop import crop
from tflreplay.diagnosis.made import Arrays, Made
from tflreplay.diagnosis.mistakes import MISTAKES, Mistake
from tflreplay.diagnosis.verdict import Fit, Verdict
from tflreplay.engine import Engine
from tflreplay.errors import NotReplayed
from tflreplay.kernels.call import Call, Kernel
from tflreplay.model import Model, Operator, Subgraph
from tflreplay.replayer import Tensors, call_of, run_op
from tflreplay.rounding import RULES, Accumulation, Array, requantize, wrap32

# Lines (of the last axis) on which a mistake is tried before it is tried on all.
_SAMPLE_WRONG, _SAMPLE_EVEN = 192, 64
_NEAREST = 4
# Ops whose kernels also rescale their inputs by the rule, before they sum.
_RESCALED_BY_RULE = ("ADD", "SUB", "LEAKY_RELU")


def diagnose(
    graph: Subgraph, op: Operator, tensors: Tensors, produced: Array, engine: Engine
) -> Verdict | None:
    """The verdict on ``produced``, the first output of ``op`` on the inputs in ``tensors``.

    Mistakes are looked for only where the engine's own arithmetic does not explain everything.

    Returns:
        None for an op that has one arithmetic only, such as those that move data, and for
        floating-point outputs.

    Raises:
        NotReplayed: the engine's tables have no row for this op, or an input is not known.
    """
    tried = candidates(engine, graph, op)
    if not tried or produced.dtype.kind == "f":
        return None
    wrong = dict(_wrong(graph, op, tensors, produced, engine, tried))
    own = tried[0].name
    if own not in wrong:
        return None
    fits = [_plain_fit(name, where) for name, where in wrong.items()]
    if wrong[own].any():
        base = seam(engine, graph, op)
        if base is not None:
            call, arrays = call_of(graph, op, tensors, engine, base)
            known = {(c.row.kernel, c.row.rule, c.row.multiplier) for c in tried}
            fits += _search(call, tuple(arrays), produced, wrong, known)
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
        () if complete else tuple(fits[:_NEAREST]),
    )


def diagnose_all(
    model: Model,
    tensors: Tensors,
    engine: Engine,
    produced: Tensors,
    ops: Sequence[str] = (),
    progress: Callable[[int], None] = lambda op_index: None,
) -> dict[int, Verdict]:
    """The verdicts on all ops of the main subgraph that have rival arithmetic, by op index.

    Args:
        tensors: the inputs of every op, by tensor index.
        engine: whose arithmetic is expected.
        produced: the outputs to explain, by tensor index.
        ops: names of the only ops to look at; empty for all.
        progress: called with the index of each op before it.
    """
    verdicts = {}
    for op in model.main.operators:
        progress(op.index)
        if (ops and op.name not in ops) or not op.outputs or op.outputs[0] not in produced:
            continue
        with suppress(NotReplayed):
            found = diagnose(model.main, op, tensors, produced[op.outputs[0]], engine)
            if found is not None:
                verdicts[op.index] = found
    return verdicts


def _wrong(
    graph: Subgraph,
    op: Operator,
    tensors: Tensors,
    produced: Array,
    engine: Engine,
    tried: tuple[Candidate, ...],
) -> Iterator[tuple[str, Array]]:
    """For each candidate that gives an output of the right shape, where it is not ``produced``."""
    shared: dict[tuple[object, ...], Accumulation] = {}
    for candidate in tried:
        row = candidate.row
        key = (row.kernel, row.multiplier, row.clamp)
        try:
            if key in shared:
                output = requantize(shared[key], RULES[row.rule])
            elif row.rule and not row.pairwise and op.name not in _RESCALED_BY_RULE:
                call, arrays = call_of(graph, op, tensors, engine, row)
                sums = row.kernel(call, *arrays)
                assert isinstance(sums, Accumulation)
                shared[key] = sums
                output = requantize(sums, call.rule)
            else:
                output = run_op(graph, op, tensors, engine, row)[op.outputs[0]]
        except NotReplayed:
            continue
        if output.shape == produced.shape:
            yield candidate.name, output != produced


def _plain_fit(name: str, wrong: Array) -> Fit:
    same = next((mistake for mistake in MISTAKES if mistake.same_as == name), None)
    fit = Fit(name, wrong.size - int(wrong.sum()), exceptions=_exceptions(wrong))
    if same is None:
        return fit
    return replace(fit, same_as=same.name, probably=same.probably, fix=same.fix)


def _exceptions(wrong: Array) -> tuple[int, ...]:
    """The channels in which something is wrong."""
    channels = np.atleast_1d(wrong)
    return tuple(np.flatnonzero(channels.reshape(-1, channels.shape[-1]).any(axis=0)).tolist())


@dataclass(frozen=True)
class _Trial:
    """A mistake made in the rule called ``rule``; ``wrong`` counts elements of the sample."""

    mistake: Mistake
    made: Made
    rule: str
    wrong: int

    def fit(self, produced: Array) -> Fit:
        """On all elements."""
        codes = next(_codes(self.made, [self.rule]))[1]
        wrong = codes != _lines(produced)
        return Fit(
            self.rule,
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
    known: set[tuple[Kernel, str, str]],
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
    trials = []
    for mistake, made in _made(call, arrays):
        row = made.call.arithmetic
        for rule, codes in _codes(made, rules, lines):
            if row != call.arithmetic and (row.kernel, rule, row.multiplier) in known:
                continue  # that is another engine's arithmetic, which was tried
            if codes.shape == sample.shape:
                trials.append(_Trial(mistake, made, rule, int((codes != sample).sum())))
    trials.sort(key=lambda trial: trial.wrong)
    found: dict[tuple[str, str], Fit] = {}
    for trial in trials:
        if trial.wrong and (explained or len(found) >= _NEAREST):
            break
        fit = trial.fit(produced)
        plain = wrong[trial.rule]
        if fit.explained > plain.size - int(plain.sum()):
            found.setdefault((fit.mistake, fit.arithmetic), fit)
    return sorted(found.values(), key=lambda fit: rules.index(fit.arithmetic))


def _made(call: Call, arrays: Arrays) -> Iterator[tuple[Mistake, Made]]:
    for mistake in MISTAKES:
        for form in mistake.forms:
            made = form(call, arrays)
            if made is not None:
                yield mistake, made


def _codes(
    made: Made, rules: Sequence[str], lines: Array | None = None
) -> Iterator[tuple[str, Array]]:
    """What the mistake gives with each rule in which it can be made: ``(lines, channels)``."""
    call, arrays = made.call, made.arrays
    cropped = crop(call, arrays, lines) if lines is not None else None
    if cropped is not None:
        call, arrays = cropped
    sums = None
    for name in rules:
        rule = made.rule(RULES[name])
        if rule is None:
            continue
        if sums is None or call.op.name in _RESCALED_BY_RULE:
            sums = _sums(made, replace(call, rule=rule), arrays)
            if sums is None:
                return
        values = _lines(sums.values)
        if lines is not None and cropped is None:
            values = values[lines]
        code = wrap32(rule(values.astype(np.int64), sums.multiplier) + sums.zero_point)
        yield name, np.asarray(code.clip(sums.low, sums.high).astype(sums.dtype))


def _sums(made: Made, call: Call, arrays: Arrays) -> Accumulation | None:
    """What the mistake accumulates; None where the op cannot be computed with it."""
    try:
        result = call.arithmetic.kernel(call, *arrays)
    except NotReplayed:
        return None
    return made.sums(result) if isinstance(result, Accumulation) else None


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
