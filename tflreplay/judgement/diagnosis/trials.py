"""Mistakes tried on a few lines of one op, one at a time and then several together."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import combinations

import numpy as np

from tflreplay.ground.rounding import Array, Rule
from tflreplay.judgement.diagnosis.evidence import Evidence, in_lines
from tflreplay.judgement.diagnosis.families import generated
from tflreplay.judgement.diagnosis.made import (
    Arrays,
    Form,
    Made,
    joint,
    merged,
    same_step,
)
from tflreplay.judgement.diagnosis.mistakes import made_in
from tflreplay.judgement.diagnosis.part import Part
from tflreplay.judgement.diagnosis.said import Said
from tflreplay.ops import card
from tflreplay.ops.base.call import Call
from tflreplay.ops.seam import FirstHalves

# Lines (of the last axis) on which a mistake is tried before it is tried on all.
_WRONG, _EVEN = 96, 32
_FEW_WRONG, _FEW_EVEN = 20, 8
_WIDE_WRONG, _WIDE_EVEN = 768, 256
# Of the sample: above this, what a mistake gives is not what was produced, whatever the rule.
_FAR_OFF = 0.1
_CAPPED = 16  # codes further off than this are as wrong as any
# How many mistakes are tried with all others.
_BEAM = 10
_RULES = 3  # in which a pair is tried, of a mistake that is near
_PAIRS, _WORK = 12000, 1 << 24
_CELL = 32  # times the work of another op, of one that computes step by step
_TOLD = 256  # pairs, between two reports of what is done
_DEEPER = 3  # pairs that are tried with a third

Doing = Callable[[str], None]


@dataclass
class Learned:
    """What searches for two mistakes came to in a model's ops of one name, and arithmetic.

    A port has its mistakes in all of them: what was ``found`` in one is tried first on the next,
    and each time that nothing was found, the next search is half as long.
    """

    found: dict[str, set[frozenset[str]]] = field(default_factory=lambda: defaultdict(set))
    failed: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Setting:
    """Arithmetics that share the first half of a kernel, and what each gets wrong unchanged."""

    call: Call
    arrays: Arrays
    rules: Mapping[str, Rule | None]
    wrong: Mapping[str, Array]

    def possible(self, made: Made, best: Sequence[str] | None) -> list[str]:
        """The rules in which these mistakes can be made: all, or the first and the best few."""
        names = list(self.rules)
        tried = names if best is None else dict.fromkeys((names[0], *best))
        found = [
            name
            for name in tried
            if (rule := self.rules[name]) is None or made.rule(rule) is not None
        ]
        return found if best is None else found[:_RULES]


@dataclass(frozen=True)
class Trial:
    """Mistakes made together; ``wrong`` counts what they get wrong of the sample in each rule.

    ``telling`` counts those of them that are evidence, and ``error`` is how far off the codes lie
    on average in the rule in which they lie nearest. ``listed`` is one of MISTAKES.
    """

    said: tuple[Said, ...]
    forms: tuple[Form, ...]
    made: Made
    wrong: Mapping[str, int]
    telling: Mapping[str, int]
    error: float
    scrambles: bool = False
    listed: bool = False
    slow: bool = False

    @property
    def fewest(self) -> int:
        return min(self.wrong.values())

    @property
    def right(self) -> list[str]:
        """The rules in which the sample is right."""
        return [rule for rule, count in self.wrong.items() if not count]

    @property
    def best(self) -> list[str]:
        """The rules, the best first."""
        return sorted(self.wrong, key=self.wrong.__getitem__)


@dataclass(frozen=True)
class View:
    """Some lines of an op, and what was produced there; only what is ``inside`` counts, or all."""

    setting: Setting
    produced: Array
    evidence: Evidence
    lines: Array
    halves: FirstHalves
    inside: Array | None = None

    @classmethod
    def of(
        cls,
        setting: Setting,
        produced: Array,
        evidence: Evidence,
        halves: FirstHalves,
        inside: Array | None = None,
    ) -> View:
        lines = _sample(next(iter(setting.wrong.values())), _WRONG, _EVEN)
        return cls(setting, produced, evidence, lines, halves, inside)

    @cached_property
    def few(self) -> View:
        """A smaller one, for many mistakes."""
        lines = _sample(next(iter(self.setting.wrong.values())), _FEW_WRONG, _FEW_EVEN)
        return replace(self, lines=lines)

    @property
    def wide(self) -> View:
        """A larger one, to count evidence."""
        lines = _sample(next(iter(self.setting.wrong.values())), _WIDE_WRONG, _WIDE_EVEN)
        return replace(self, lines=lines)

    @property
    def most_pairs(self) -> int:
        """So many are tried that all together take some seconds.

        An op that cannot be computed on some lines only is computed whole each time.
        """
        size = self.produced.size + sum(a.size for a in self.setting.arrays if a is not None)
        known = card(self.setting.call.op.name)
        size *= _CELL if known.stateful else 1
        return min(_PAIRS, _WORK // size) if known.lines is None else _PAIRS

    @cached_property
    def part(self) -> Part:
        return Part(self.setting.call, self.setting.arrays, self.halves, self.lines)

    @cached_property
    def known(self) -> Evidence:
        return self.evidence.of(self.lines)

    def trial(
        self,
        said: tuple[Said, ...],
        forms: tuple[Form, ...],
        made: Made,
        rules: Sequence[str],
        scrambles: bool = False,
    ) -> Trial | None:
        """None where the mistakes cannot be made in any of the rules."""
        wrong: dict[str, int] = {}
        telling: dict[str, int] = {}
        error = np.inf
        for rule, codes in self.part.codes(made, {r: self.setting.rules[r] for r in rules}):
            off = made.off(codes, self.produced, self.lines)
            if off is None:
                break
            if self.inside is not None:
                off = np.where(in_lines(self.inside)[self.lines], off, 0)
            differs = off > 0
            wrong[rule] = int(differs.sum())
            telling[rule] = self.known.count(differs)
            error = min(error, float(np.minimum(off, _CAPPED).mean()))
            if (off > 2).mean() > _FAR_OFF:
                break  # no other rule would help: it moves a code by one, or by two if used twice
        return Trial(said, forms, made, wrong, telling, error, scrambles) if wrong else None


def _sample(wrong: Array, most_wrong: int, even: int) -> Array:
    """Indices of lines: some that hold wrong elements, and some from all over."""
    rows = in_lines(wrong)
    (bad,) = np.nonzero(rows.any(axis=1))
    some = bad[:: max(len(bad) // most_wrong, 1)][:most_wrong]
    return np.union1d(some, np.linspace(0, len(rows) - 1, even).astype(np.intp))


def singles(view: View, further: bool, skipped: Callable[[Made, str], bool]) -> Iterator[Trial]:
    """Every mistake alone, the generated ones too where ``further``."""
    setting = view.setting
    rules = list(setting.rules)
    for mistake, way, made in made_in(setting.call, setting.arrays):
        left = [rule for rule in rules if not skipped(made, rule)]
        said = Said(mistake.name, way.you, way.fix, way.title)
        trial = view.trial((said,), (way.form,), made, left, mistake.scrambles)
        if trial is not None:
            yield replace(trial, listed=True)
    for change in generated(setting.call, setting.arrays) if further else ():
        changed = change.form(setting.call, setting.arrays)
        if changed is not None:
            trial = view.trial((change.said,), (change.form,), changed, rules, change.scrambles)
            if trial is not None:
                yield replace(trial, slow=change.slow)


def known(view: View, learned: Learned, alone: Sequence[Trial]) -> list[Trial]:
    """Pairs that were found in other ops of the model, and that each part of is needed here."""
    return _again(view, sorted(alone, key=_badness), learned.found[_key(view)])


def _key(view: View) -> str:
    call = view.setting.call
    return f"{call.op.name} {call.row.algorithm}"


def several(view: View, doing: Doing, learned: Learned, alone: Sequence[Trial]) -> list[Trial]:
    """Pairs that give the whole sample, or else three together; each part of them is needed.

    The mistakes that come nearest are tried with all others, those that are listed with one
    another, and those that put elements elsewhere, of which one alone shows nothing, with both.
    """
    ranked = sorted(alone, key=_badness)
    key = _key(view)
    found = _searched(view, doing, ranked, learned.failed[key])
    learned.found[key] |= {frozenset(said.named for said in trial.said) for trial in found}
    learned.failed[key] += not found
    return found


def _again(view: View, ranked: Sequence[Trial], known: Set[frozenset[str]]) -> list[Trial]:
    """Pairs of these names."""
    if not known:
        return []
    named = set().union(*known)
    meant = [trial for trial in ranked if trial.said[0].named in named]
    pairs = [
        (one, other)
        for one, other in combinations(meant, 2)
        if {one.said[0].named, other.said[0].named} in known
    ]
    right, _ = _joined(view.few, pairs, lambda done, total: None)
    return _confirmed(view, right, ranked)


def _searched(view: View, doing: Doing, ranked: Sequence[Trial], failed: int) -> list[Trial]:
    noise = [trial for trial in ranked if trial.scrambles]
    listed = [trial for trial in ranked if trial.listed]
    others = [trial for trial in ranked if not trial.slow]
    pairs = [(one, other) for one in ranked[:_BEAM] for other in others]
    pairs += [(one, other) for one in (*noise, *listed) for other in listed]
    setting = view.setting
    pairs += [
        (one, other)
        for number, one in enumerate(noise)
        for other in noise[:number]
        if merged(setting.call, setting.arrays, one.made, other.made) is not None
    ]
    most = view.few.most_pairs >> failed
    pairs = pairs[:most]
    right, near = _joined(view.few, pairs, partial(_counted, doing, "two mistakes"))
    found = _confirmed(view, right, ranked)
    if found:
        return found
    deeper = [(pair, other) for pair in near for other in others]
    deeper = deeper[: most // 2]
    right, _ = _joined(view.few, deeper, partial(_counted, doing, "three mistakes"))
    return _confirmed(view, right, ranked)


def _badness(trial: Trial) -> tuple[float, int]:
    return trial.error, trial.fewest


def _counted(doing: Doing, what: str, done: int, total: int) -> None:
    if done % _TOLD == 0:
        doing(f"{what}, {done:,} of {total:,}")


def _joined(
    few: View, pairs: Sequence[tuple[Trial, Trial]], tell: Callable[[int, int], None]
) -> tuple[list[Trial], list[Trial]]:
    """Pairs that are right on few lines, and the others that come nearest."""
    seen: set[frozenset[Said]] = set()
    right: list[Trial] = []
    near: list[Trial] = []
    for number, (one, other) in enumerate(pairs):
        tell(number, len(pairs))
        said = (*one.said, *other.said)
        key = frozenset(said)
        if len({part.named for part in said}) < len(said) or key in seen:
            continue
        seen.add(key)
        for made in _made_together(few.setting, one, other):
            rules = few.setting.possible(made, one.best if len(one.wrong) > 1 else None)
            trial = few.trial(said, (*one.forms, *other.forms), made, rules)
            if trial is None:
                continue
            if not trial.fewest:
                right.append(trial)
                break
            if trial.error < min(one.error, other.error):
                near = sorted([*near, trial], key=_badness)[:_DEEPER]
    return right, near


def _made_together(setting: Setting, one: Trial, other: Trial) -> Iterator[Made]:
    """Both mistakes: put together where they touch different things, or made one in the other.

    In both orders where both change the same step or the same thing.
    """
    orders = ((one, other), (other, one))
    for first, second in orders:
        made = merged(setting.call, setting.arrays, first.made, second.made)
        if made is None:
            break
        yield made
        if not same_step(one.made, other.made):
            return
    else:
        return
    for first, second in orders:
        made = first.made
        for form in second.forms:
            changed = form(made.call, made.arrays) if made is not None else None
            made = joint(made, changed) if made is not None and changed is not None else None
        if made is not None:
            yield made


def _confirmed(view: View, right: Sequence[Trial], alone: Sequence[Trial]) -> list[Trial]:
    """Those that are right on the sample too, where each part makes them better."""
    by_said = {trial.said[0]: trial for trial in alone}
    found = []
    for trial in right:
        whole = view.trial(trial.said, trial.forms, trial.made, list(view.setting.rules))
        if whole is None or whole.fewest:
            continue
        parts = [by_said[said] for said in trial.said]
        if all(part.wrong.get(rule, 1) for rule in whole.right for part in parts):
            found.append(whole)
    return found
