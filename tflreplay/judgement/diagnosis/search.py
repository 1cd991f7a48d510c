"""Try every candidate on one op's inputs, and say which of them give its output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import RULES, Accumulation, Array, Rule, VectorRule
from tflreplay.judgement.diagnosis.candidates import RULES_TRIED, Candidate, base_row, candidates
from tflreplay.judgement.diagnosis.evidence import STRONG, Evidence, evidence, in_lines
from tflreplay.judgement.diagnosis.families.copies import Source, copied_there, copies, sources
from tflreplay.judgement.diagnosis.in_order import in_order, kernel_in_order
from tflreplay.judgement.diagnosis.made import Arrays, Made, as_it_is
from tflreplay.judgement.diagnosis.mistakes import MISTAKES
from tflreplay.judgement.diagnosis.part import Part
from tflreplay.judgement.diagnosis.place import Box, place
from tflreplay.judgement.diagnosis.reals import NAME as REAL
from tflreplay.judgement.diagnosis.reals import Reals, in_reals, real_kernel, real_row
from tflreplay.judgement.diagnosis.said import Said, there
from tflreplay.judgement.diagnosis.trials import (
    Doing,
    Learned,
    Setting,
    Trial,
    View,
    known,
    several,
    singles,
)
from tflreplay.judgement.diagnosis.verdict import Fit, Rival, Verdict
from tflreplay.model import Model, Operator, Subgraph
from tflreplay.ops import card, row_of
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.ported.quantizing import TO_NEAREST
from tflreplay.ops.base.precision import Precision, Ratio
from tflreplay.ops.base.row import Kernel
from tflreplay.ops.seam import FirstHalves, Tensors, call_of, run_op

_NEAREST = 4
_SETTINGS = 4  # in which mistakes are tried together: those in which one alone comes nearest
# Real arithmetic, by what it does with ties.
REAL_RULES = {
    f"{REAL}, ties to even": RULES["float-even64"],
    f"{REAL}, ties away from zero": RULES["float-away64"],
    f"{REAL}, ties up": RULES["float-up64"],
}
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
    before: Tensors | None = None,
    doing: Doing = lambda what: None,
    learned: Learned | None = None,
    ran: Engine | None = None,
) -> Verdict | None:
    """The verdict on ``produced``, the first output of ``op`` on the inputs in ``tensors``.

    Mistakes are looked for only where the engine's own arithmetic does not explain everything.
    ``halves`` knows accumulators that were made before. ``before`` are the tensors of the inference
    before, None in the first one. ``doing`` is told what is tried, and ``learned`` is of
    other ops of the model. ``ran`` is the engine that produced it, where that is another than
    ``engine`` and no port.

    Returns:
        None for an op that has one arithmetic only, which is right, or only moves data, which no
        mistake explains; for one with a state that an inference before has made; for one that
        cannot be replayed on these tensors; and for floating-point outputs, but of an op that makes
        real numbers of codes.

    Raises:
        NotReplayed: the engine's tables have no row for this op.
    """
    if before is not None and any(graph.tensors[i].is_variable for i in op.inputs if i >= 0):
        return None
    tried = candidates(engine, graph, op, ran) or _alone(engine, graph, op)
    if not tried or (produced.dtype.kind == "f" and not card(op.name).gives_reals):
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
    if ran is not None:
        theirs = next((candidate.name for candidate in tried if candidate.of == ran), None)
        whose = f"the {ran.name} kernels on {ran.machine}"
        fits = [replace(fit, whose=whose if fit.arithmetic == theirs else "") for fit in fits]
    rivals = [
        Rival(name, rules[name] or name, name, known.count(where))
        for name, where in wrong.items()
        if where.any()
    ]
    weighted = card(op.name).weighted
    reals = None if weighted else _reals(call, arrays, produced)
    found = None
    if wrong[own].any():
        settings = _settings(call, tuple(arrays), produced, wrong, tried, base is not None)
        others = {
            (kernel_in_order(op.name, c.row.kernel), c.row.rule, c.row.multiplier) for c in tried
        }
        in_real_numbers = reals is not None and not reals.wrong(produced).any()
        elsewhere = tuple(sources(graph, op, tensors, produced, before or {}))
        found = _Search(
            settings,
            produced,
            elsewhere,
            others,
            halves,
            known,
            counted,
            in_real_numbers,
            doing,
            learned or Learned(),
        )
        fits += found.alone()
        fits += [
            Fit("no arithmetic", produced.size, (said,), elements=produced.size)
            for said in copies(graph, op, produced, elsewhere)
        ]
        if not any(fit.explained == produced.size and not fit.mistakes for fit in fits):
            rivals += found.rivals()
            rivals += [
                Rival(name, REAL, name, known.count(where))
                for setting in settings
                for name, where in setting.wrong.items()
                if name not in wrong
            ]
    if weighted and not any(fit.explained == produced.size for fit in fits):
        # Rules that round a floating-point product were tried on it before.
        reals = _reals(call, arrays, produced)
    if reals is not None:
        real, rival = _in_reals(reals, weighted, produced, known, fits, counted)
        fits += [real] if real is not None else []
        rivals += [rival] if rival is not None else []
    if found is not None and learned is not None and learned.found:
        fits += found.known_together()
    if found is not None and not any(fit.explained == produced.size for fit in fits):
        fits += found.in_a_place()
    if found is not None and not any(fit.explained == produced.size for fit in fits):
        fits += found.together()
    complete = [fit for fit in fits if fit.explained == produced.size]
    complete.sort(key=lambda fit: len(fit.mistakes))
    if not complete and tried[0].row.moves and len(tried) == 1:
        return None  # nothing that was tried comes near what only moves codes
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
        "" if complete else place(min(wrong.values(), key=np.count_nonzero)),
    )


def _sums(call: Call, arrays: Sequence[Array | None], halves: FirstHalves) -> Accumulation | None:
    try:
        made = halves.of(call, arrays)
    except NotReplayed:
        return None
    return made if isinstance(made, Accumulation) else None


def _alone(engine: Engine, graph: Subgraph, op: Operator) -> tuple[Candidate, ...]:
    """The engine's own arithmetic of an op that has no other."""
    if not card(op.name).extracted:
        return ()
    row = row_of(engine, graph, op)
    return (Candidate(row.rule or row.algorithm, row),)


def _settings(
    call: Call,
    arrays: Arrays,
    produced: Array,
    wrong: Mapping[str, Array],
    tried: Sequence[Candidate],
    by_rule: bool,
) -> list[Setting]:
    """The arithmetics in which mistakes are tried: by a rule, by none, and in real numbers."""
    found = []
    call, arrays = in_order(call, arrays)
    in_force = [] if isinstance(call.rule, VectorRule) else [call.rule.name]
    rules = [
        name
        for name in dict.fromkeys((*in_force, *RULES_TRIED))
        if name in wrong and wrong[name].any()
    ]
    if by_rule and rules:
        found.append(Setting(call, arrays, {name: RULES[name] for name in rules}, wrong))
    own = tried[0]
    if not by_rule and own.name in wrong:
        found.append(Setting(call, arrays, {own.name: None}, wrong))
    if arrays[0] is not None and arrays[0].dtype.kind == "f":
        alone = {own.name: None}
        ways = _to_nearest(call, arrays)
        return found + [made for way in ways for made in _also(way, arrays, produced, alone)]
    kernel = None if card(call.op.name).weighted else real_kernel(call)
    if kernel is not None:
        real = replace(call, row=real_row(call.row, kernel))
        found += _also(real, arrays, produced, REAL_RULES)
    return found


def _to_nearest(call: Call, arrays: Arrays) -> Iterator[Call]:
    """Real numbers rounded in every way to nearest that makes other codes of them."""
    seen: set[bytes] = set()
    for kernel in TO_NEAREST:
        way = replace(call, row=replace(call.row, kernel=kernel))
        for _, codes in Part(way, arrays, FirstHalves(0)).codes(Made(way, arrays), {"": None}):
            if (key := codes.tobytes()) not in seen:
                seen.add(key)
                yield way


def _also(
    call: Call, arrays: Arrays, produced: Array, rules: Mapping[str, Rule | None]
) -> list[Setting]:
    """The arithmetics of these rules, where none of them explains everything."""
    part = Part(call, arrays, FirstHalves(0))
    wrong = {
        name: (codes != in_lines(produced)).reshape(produced.shape)
        for name, codes in part.codes(Made(call, arrays), rules)
        if codes.size == produced.size
    }
    if not wrong or not all(where.any() for where in wrong.values()):
        return []
    return [Setting(call, arrays, {name: rules[name] for name in wrong}, wrong)]


def _channels(op: Operator, produced: Array) -> bool:
    """True where the last axis is one of channels, not of so many elements side by side."""
    return produced.ndim > 0 and (card(op.name).weighted or produced.size > produced.shape[-1])


def _reals(call: Call, arrays: Sequence[Array | None], produced: Array) -> Reals | None:
    reals = in_reals(call, arrays)
    return reals if reals is not None and reals.steps.shape == produced.shape else None


def _in_reals(
    reals: Reals,
    weighted: bool,
    produced: Array,
    known: Evidence,
    fits: Sequence[Fit],
    counted: bool,
) -> tuple[Fit | None, Rival | None]:
    """The fit of real arithmetic, or how it is told from what was produced."""
    explained = any(fit.explained == produced.size for fit in fits)
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
    most = next(fit.wrong for fit in fits if fit.arithmetic == own and not fit.mistakes)
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
    progress: Callable[[int, str], None] = lambda op_index, doing: None,
    halves: FirstHalves | None = None,
    before: Tensors | None = None,
    ran: Engine | None = None,
) -> tuple[dict[int, Verdict], dict[int, str]]:
    """The verdicts on all ops of the main subgraph that have rival arithmetic, by op index.

    A diagnosis that fails takes nothing else away: the second dict says how it failed.

    Args:
        tensors: the inputs of every op, by tensor index.
        engine: whose arithmetic is expected.
        produced: the outputs to explain, by tensor index.
        progress: called with the index of each op before it, and then with what is tried on it.
        halves: knows accumulators that were made before.
        before: the tensors of the inference before, where there was one.
        ran: the engine that produced the outputs, where that is another and no port.
    """
    verdicts: dict[int, Verdict] = {}
    failures: dict[int, str] = {}
    learned = Learned()

    def judge(op: Operator) -> None:
        progress(op.index, "")
        if not op.outputs or op.outputs[0] not in produced:
            return
        try:
            found = diagnose(
                model.main,
                op,
                tensors,
                produced[op.outputs[0]],
                engine,
                halves,
                before,
                partial(progress, op.index),
                learned,
                ran,
            )
        except NotReplayed:
            return
        except Exception as error:
            failures[op.index] = (
                f"op {op.index} {op.name} has no verdict: its diagnosis failed "
                f"({type(error).__name__}: {error}); please report this as a bug of tflreplay"
            )
            return
        if found is not None:
            verdicts[op.index] = found

    for op in model.main.operators:
        judge(op)
    for index in _to_be_tried_again(list(verdicts.values())):
        judge(model.main.operators[index])
    return verdicts, failures


def _to_be_tried_again(verdicts: Sequence[Verdict]) -> list[int]:
    """Ops that differ, beside others of their name that only several mistakes explain."""
    several = {
        verdict.op for verdict in verdicts if verdict.fits and len(verdict.fits[0].mistakes) > 1
    }
    return [
        verdict.op_index
        for verdict in verdicts
        if verdict.op in several
        and verdict.kind != "expected"
        and not any(len(fit.mistakes) > 1 for fit in verdict.fits)
    ]


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
            whose = candidate.of or engine
            output = run_op(graph, op, tensors, whose, row, halves=halves)[op.outputs[0]]
        except NotReplayed:
            continue
        if output.shape == produced.shape:
            yield candidate.name, output != produced


def _plain_fit(name: str, rule: str, wrong: Array, counted: bool) -> Fit:
    same = next((mistake for mistake in MISTAKES if mistake.same_as == name), None)
    return Fit(
        name,
        wrong.size - int(wrong.sum()),
        exceptions=_exceptions(wrong) if counted else (),
        same_as=None if same is None else Said(same.name, same.you, same.fix),
        rule=rule,
        elements=wrong.size,
    )


def _exceptions(wrong: Array) -> tuple[int, ...]:
    """The channels in which something is wrong."""
    channels = np.atleast_1d(wrong)
    return tuple(np.flatnonzero(channels.reshape(-1, channels.shape[-1]).any(axis=0)).tolist())


@dataclass(frozen=True)
class _Search:
    """Mistakes tried on an output that the arithmetic in force does not explain.

    Each is first tried on some lines, most of them lines that the arithmetic in force gets wrong.
    A mistake counts as found only in a rule that explains less without it. ``real`` says that
    real arithmetic explains everything.
    """

    settings: Sequence[Setting]
    produced: Array
    elsewhere: Sequence[Source]
    others: set[tuple[Kernel, str, Precision | Ratio | str]]
    halves: FirstHalves
    evidence: Evidence
    channels: bool
    real: bool
    doing: Doing
    learned: Learned

    def alone(self) -> list[Fit]:
        """The mistakes that explain everything; where nothing does, the nearest few."""
        found: dict[tuple[tuple[Said, ...], str], Fit] = {}
        explained = self._explained
        for setting, trial in self._ranked:
            if trial.fewest and (explained or len(found) >= _NEAREST):
                break
            rules = [rule for rule, count in trial.wrong.items() if count == trial.fewest]
            for fit in self._of(setting, trial, rules):
                plain = setting.wrong[fit.arithmetic]
                if fit.explained > plain.size - int(plain.sum()):
                    found.setdefault((fit.mistakes, fit.arithmetic), fit)
                    explained |= fit.explained == self.produced.size
        return self._sorted(found.values())

    def together(self) -> list[Fit]:
        """Several mistakes that explain everything, each of which is needed."""
        return self._several(lambda view, alone: several(view, self.doing, self.learned, alone))

    def known_together(self) -> list[Fit]:
        """Those that explain another op of the model."""
        return self._several(lambda view, alone: known(view, self.learned, alone))

    def _several(self, tried: Callable[[View, list[Trial]], list[Trial]]) -> list[Fit]:
        nearest = list(dict.fromkeys(id(setting) for setting, _ in self._ranked))[:_SETTINGS]
        found = {
            (frozenset(fit.mistakes), fit.arithmetic): fit
            for setting, view in self._views
            if id(setting) in nearest
            for trial in tried(view, [one for its, one in self._ranked if its is setting])
            for fit in self._of(setting, trial, trial.right)
            if fit.explained == self.produced.size
        }
        return self._sorted(found.values())

    def in_a_place(self) -> list[Fit]:
        """What is wrong in one place only: never computed, copied, or by one mistake there.

        A place counts where enough in it is wrong.
        """
        nearest = min(
            (where for setting in self.settings for where in setting.wrong.values()),
            key=np.count_nonzero,
            default=np.zeros(0, bool),
        )
        box = Box.of(nearest)
        if (
            box is None
            or box.share == 1
            or not box.text
            or self.evidence.different(nearest) < STRONG
        ):
            return []
        size = self.produced.size
        fits = [
            Fit("no arithmetic", size, (said,), elements=size)
            for said in copied_there(self.produced, box, self.elsewhere)
        ]
        self.doing(f"mistakes in {box.text}")
        inside = box.mask
        for setting in self.settings:
            right = [r for r in setting.rules if not (setting.wrong[r] & ~inside).any()]
            if right:
                kept = replace(
                    setting,
                    rules={rule: setting.rules[rule] for rule in right},
                    wrong={rule: setting.wrong[rule] for rule in right},
                )
                fits += self._there(kept, box)
        return self._sorted(fits) if fits and fits[0].rule else fits

    def _there(self, setting: Setting, box: Box) -> Iterator[Fit]:
        view = View.of(setting, self.produced, self.evidence, self.halves, box.mask)
        inside = in_lines(box.mask)
        for trial in singles(view, True, self._is_known):
            if trial.made.back is not as_it_is:
                continue
            for rule, codes in self._codes(setting, trial, trial.right):
                if not ((codes != in_lines(self.produced)) & inside).any():
                    (said,) = trial.said
                    yield Fit(
                        rule,
                        self.produced.size,
                        (there(said, box),),
                        rule=rule if rule in RULES else "",
                        elements=self.produced.size,
                    )

    def _sorted(self, fits: Iterable[Fit]) -> list[Fit]:
        rules = [rule for setting in self.settings for rule in setting.rules]
        return sorted(fits, key=lambda fit: rules.index(fit.arithmetic))

    @cached_property
    def _explained(self) -> bool:
        """True where arithmetic alone explains everything."""
        return any(not where.any() for setting in self.settings for where in setting.wrong.values())

    def _of(self, setting: Setting, trial: Trial, rules: Sequence[str]) -> Iterator[Fit]:
        for rule, codes in self._codes(setting, trial, rules):
            wrong = self._wrong(trial, codes)
            yield Fit(
                rule,
                wrong.size - int(wrong.sum()),
                trial.said,
                _exceptions(wrong) if self.channels else (),
                rule=rule if rule in RULES else "",
                elements=wrong.size,
            )

    def _codes(
        self, setting: Setting, trial: Trial, rules: Sequence[str]
    ) -> Iterator[tuple[str, Array]]:
        whole = Part(setting.call, setting.arrays, self.halves)
        return whole.codes(trial.made, {rule: setting.rules[rule] for rule in rules})

    def _wrong(self, trial: Trial, codes: Array) -> Array:
        off = trial.made.off(codes, self.produced)
        return np.ones(codes.shape, bool) if off is None else off > 0

    def rivals(self) -> Iterator[Rival]:
        """How each mistake that does not explain everything is told from what was produced.

        Those that hardly are on the sample are tried on more lines, and then on all.
        """
        wide = {id(setting): view.wide for setting, view in self._views}
        whole = self.evidence.of(np.arange(len(in_lines(self.produced))))
        for setting, trial in self._ranked:
            telling = dict(trial.telling)
            weak = [rule for rule, count in telling.items() if count < STRONG]
            more = wide[id(setting)].trial(trial.said, trial.forms, trial.made, weak)
            telling |= {} if not weak or more is None else more.telling
            hidden = [rule for rule in weak if not telling[rule]]
            for rule, codes in self._codes(setting, trial, hidden) if hidden else ():
                wrong = self._wrong(trial, codes)
                telling[rule] = whole.count(wrong) if wrong.any() else -1
            for rule, count in telling.items():
                if count >= 0:
                    (said,) = trial.said
                    name = f"{rule}, {said.named}"
                    yield Rival(name, said.name, rule, count, said.you)

    @cached_property
    def _ranked(self) -> list[tuple[Setting, Trial]]:
        """Every mistake alone; the generated ones where no arithmetic alone explains all."""
        self.doing("one mistake")
        found = [
            (setting, trial)
            for setting, view in self._views
            for trial in singles(view, not self._explained, self._is_known)
        ]
        found.sort(key=lambda one: one[1].fewest)
        return found

    @cached_property
    def _views(self) -> list[tuple[Setting, View]]:
        return [
            (setting, View.of(setting, self.produced, self.evidence, self.halves))
            for setting in self.settings
        ]

    def _is_known(self, made: Made, rule: str) -> bool:
        """True of what is another engine's arithmetic, which was tried."""
        row = made.call.row
        own = any(row == setting.call.row for setting in self.settings)
        return not own and (row.kernel, rule, row.multiplier) in self.others
