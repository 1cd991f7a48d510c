"""What explains one op's output, with the evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from tflreplay.ground import notebook
from tflreplay.judgement.diagnosis import words
from tflreplay.judgement.diagnosis.candidates import ROUND_ONCE
from tflreplay.judgement.diagnosis.evidence import STRONG
from tflreplay.judgement.diagnosis.reals import NAME as REAL
from tflreplay.judgement.diagnosis.said import Said

SHOWN_CHANNELS = 8
SHOWN_NAMES = 6
SHOWN_SEVERAL = 2  # of several mistakes together, whose names are long
SHOWN_WAYS = 3


@dataclass(frozen=True)
class Fit:
    """A candidate, and how much of the output it gives.

    ``arithmetic`` is a rule, or an engine's algorithm; ``mistakes`` are the porting mistakes made
    in it, each of which it needs. ``explained`` counts ``elements``. ``exceptions`` holds the
    channels in which some are not explained. ``same_as`` is a mistake that comes to this very
    arithmetic. ``rule`` is the requantization rule of an arithmetic that has one: two engines'
    algorithms may share it. ``whose`` are the kernels that were run, where they compute this.
    """

    arithmetic: str
    explained: int
    mistakes: tuple[Said, ...] = ()
    exceptions: tuple[int, ...] = ()
    same_as: Said | None = None
    rule: str = ""
    elements: int = 0
    whose: str = ""

    @property
    def mistake(self) -> str:
        """The names of its mistakes; empty for none."""
        return _joined(said.name for said in self.mistakes)

    @property
    def you(self) -> str:
        """What the porter does, to complete "you ..."."""
        return "; and you ".join(said.you for said in self.mistakes)

    @property
    def fix(self) -> str:
        return "; and ".join(said.fix for said in self.mistakes)

    @property
    def sorts(self) -> tuple[str, ...]:
        """What its mistakes may have in common with those of other layers; empty for none."""
        every = product(*(said.sorts for said in self.mistakes))
        return tuple(_joined(names) for names in every) if self.mistakes else ()

    @property
    def wrong(self) -> int:
        """The elements that it does not explain."""
        return self.elements - self.explained

    @property
    def named(self) -> str:
        """Its mistakes, in the way in which they are written; empty for none."""
        return _joined(said.named for said in self.mistakes)

    @property
    def name(self) -> str:
        return f"{self.arithmetic}, {self.named}" if self.mistake else self.arithmetic

    @property
    def answer(self) -> str:
        """What it says in one word: its mistake, or else its arithmetic."""
        return self.named or self.arithmetic

    @property
    def kin(self) -> str:
        """What it shares with the fits that say the same: its mistake, or else its rule."""
        return self.mistake or self.rule or self.arithmetic

    @property
    def claim(self) -> str:
        """What was done, in plain words and then the term; of a mistake, "you ..."."""
        if self.mistake:
            # An algorithm that is the only one of its op is what the mistake changes.
            told = self.term != self.arithmetic or self.arithmetic.startswith(REAL)
            return f"you {self.you} ({self.term})" if told else f"you {self.you}"
        return self.term if self.term == self.arithmetic else f"{self.term} ({self.arithmetic})"

    @property
    def term(self) -> str:
        return words.term(self.arithmetic, "" if self.mistake else self.arithmetic)

    def advice(self, sure: bool, engine: str, in_force: str) -> str:
        """How this differs from what is expected, and the fix, in sentences."""
        if self.mistake:
            return f"Fix: {self.fix}." if sure else f"If so, the fix: {self.fix}."
        rule = self.rule or self.arithmetic
        if self.whose:
            return (
                f"{'That' if sure else 'It'} is what {self.whose} compute, by our tables: they "
                f"{words.does(self.arithmetic, self.rule)}; those that are replayed "
                f"{words.does(in_force, in_force)}."
            )
        if self.same_as and in_force != rule:
            same = self.same_as
            return f"In a port meant to compute double, you {same.you}. Fix: {same.fix}."
        if words.term(rule, "") == words.term(in_force, ""):
            return ""
        port, they = words.expected(engine, in_force)
        return (
            f"{'In' if sure else 'If so: in'} {port}, you "
            f"{words.does(self.arithmetic, self.rule)}; {they} {words.does(in_force, in_force)}."
        )


def _joined(names: Iterable[str]) -> str:
    return " and ".join(names)


@dataclass(frozen=True)
class Rival:
    """A candidate that does not give what was produced.

    ``kin``, ``arithmetic`` and ``you`` are as those of a fit. ``telling`` counts the independent,
    unsaturated elements that it gets wrong.
    """

    name: str
    kin: str
    arithmetic: str
    telling: int
    you: str = ""


@dataclass(frozen=True)
class Verdict:
    """Which candidates explain an output of ``elements`` elements.

    ``fits`` are the candidates that explain all of it, the simplest first: arithmetic alone before
    a mistake, the arithmetic in force before another. Where there are none, ``nearest`` are best,
    all that leave as much wrong; the last may be one that is right in the channels in which those
    are not. ``discriminating`` counts the elements on which the candidates do not all agree with
    the first fit. ``contradicted`` counts, for each rejected arithmetic, the elements that it gets
    wrong. ``in_force`` is the arithmetic that was expected, of the kernels of ``engine``.
    ``place`` is where all elements lie that the nearest arithmetic does not give, where that is a
    part of the output only.
    """

    op_index: int
    op: str
    in_force: str
    elements: int
    channels: int
    fits: tuple[Fit, ...]
    discriminating: int
    contradicted: Mapping[str, int] = field(repr=False)
    nearest: tuple[Fit, ...] = ()
    engine: str = ""
    rivals: tuple[Rival, ...] = field(default=(), repr=False)
    place: str = ""

    @property
    def strength(self) -> int:
        """The independent, unsaturated elements that tell the first fit from every other answer.

        0 where nothing explains the output, or nothing is rejected.
        """
        return strength(self.fits, {rival: rival.telling for rival in self.rivals})

    @property
    def sure(self) -> bool:
        """True where one answer fits, and the evidence for it is strong."""
        return len({fit.kin for fit in self.fits}) == 1 and self.strength >= STRONG

    @property
    def kind(self) -> str:
        """``expected``, ``rule``, ``mistake``, ``ambiguous`` or ``unexplained``."""
        if not self.fits:
            return "unexplained"
        if self.fits[0].name == self.in_force:
            return "expected"
        if not self.sure:
            return "ambiguous"
        return "mistake" if self.fits[0].mistake else "rule"

    @property
    def answer(self) -> str:
        """The verdict in a few words, as a table has room for."""
        if self.kind == "unexplained":
            return "unexplained"
        first = self.fits[0]
        others = len({fit.kin for fit in self.fits}) - 1
        if self.kind == "expected" or (self.sure and not others):
            return first.answer
        return f"{first.answer} (or {others} more)" if others else f"{first.answer}?"

    @property
    def text(self) -> str:
        """The verdict in sentences."""
        said = (self._claim(), self._others(), self._or(), self._advice())
        return " ".join(filter(None, said))

    def _repr_html_(self) -> str:
        wrong = dict.fromkeys((fit.name for fit in self.fits), 0)
        wrong |= {fit.name: self.elements - fit.explained for fit in self.nearest}
        rows = sorted({**self.contradicted, **wrong}.items(), key=lambda item: item[1])
        return (
            notebook.paragraph(f"op {self.op_index} {self.op}: {self.answer}", bold=True)
            + notebook.paragraph(self.text)
            + notebook.table(("candidate", f"differs in, of {self.elements:,}"), rows)
        )

    def _claim(self) -> str:
        if not self.fits:
            return self._unexplained()
        first = self.fits[0]
        one = self.elements == 1
        counted = "its one element" if one else f"all {self.elements:,} elements"
        if not self.discriminating:
            return (
                f"{claimed(first, sure=not first.mistake)}: {counted}; "
                "but every candidate gives the same here, so nothing is told apart."
            )
        telling = (
            "a discriminating one" if one else f"{self.discriminating:,} of them discriminating"
        )
        evidence = f"{counted}, {telling}"
        if self.contradicted:
            nearest = min(self.contradicted, key=self.contradicted.__getitem__)
            evidence += f"; the nearest other, {nearest}, gets {self.contradicted[nearest]:,} wrong"
        if self.kind == "expected":
            return f"As expected, {first.name}: {evidence}."
        return (
            f"{claimed(first, self.sure)}: {evidence}. {evidence_words(self.strength, self.fits)}."
        )

    def _unexplained(self) -> str:
        if not self.nearest:
            return "Not explained by any candidate."
        best = self.nearest[0]
        equals = [fit for fit in self.nearest if fit.explained == best.explained]
        wrong = self.elements - best.explained
        names = told(best, equals[1:])
        text = f"Not explained by any candidate. The nearest, {best.name}"
        text += f" (and as near: {names}), " if names else ", "
        text += f"gets {wrong:,} of {self.elements:,} elements wrong"
        if best.exceptions and len(best.exceptions) < self.channels:
            text += f", in {len(best.exceptions)} of {self.channels} channels "
            text += f"({_listed(best.exceptions)})"
        if self.place and not best.mistakes:
            text += f"; all of them in {self.place}"
        for other in self.nearest[len(equals) : len(equals) + 1]:
            if not set(other.exceptions) & set(best.exceptions):
                text += f"; those are explained by {other.name}"
        return text + "."

    def _others(self) -> str:
        if len(self.fits) < 2 or not self.discriminating:
            return ""
        return f"Not told apart by these data: {told(self.fits[0], self.fits[1:])}."

    def _or(self) -> str:
        if self.kind in ("expected", "unexplained"):
            return ""
        return other_ways(self.fits, {rival: rival.telling for rival in self.rivals})

    def _advice(self) -> str:
        if self.kind in ("expected", "unexplained") or not self.discriminating:
            return ""
        return self.fits[0].advice(self.sure, self.engine, self.in_force)


def strength(fits: Sequence[Fit], telling: Mapping[Rival, int]) -> int:
    """The least that tells the first fit from a rival that says something else.

    Beside a fit without a mistake, mistakes are no rivals: the simpler answer stands.
    """
    if not fits:
        return 0
    kin = {fit.kin for fit in fits}
    return min((count for rival, count in telling.items() if rival.kin not in kin), default=0)


def other_ways(fits: Sequence[Fit], telling: Mapping[Rival, int]) -> str:
    """The other ways of writing the first fit's mistake that are hardly told from it."""
    first = fits[0]
    if not first.mistake:
        return ""
    others = [fit.you for fit in fits[1:] if fit.mistake == first.mistake]
    others += [r.you for r, count in telling.items() if r.kin == first.kin and count < STRONG]
    ways = [you for you in dict.fromkeys(others) if you != first.you]
    if not ways:
        return ""
    shown = SHOWN_WAYS if len(first.mistakes) == 1 else SHOWN_SEVERAL
    more = f"; or {len(ways) - shown} others" if len(ways) > shown else ""
    return f"Or you {'; or you '.join(ways[:shown])}{more}: these data hardly tell."


def claimed(first: Fit, sure: bool) -> str:
    """The claim, as sure as it is."""
    if not first.mistake:
        return f"{'Explained by' if sure else 'Could be'} {first.claim}"
    return first.claim[0].upper() + first.claim[1:] if sure else f"Could be that {first.claim}"


def evidence_words(telling: int, fits: Sequence[Fit]) -> str:
    """How strong the evidence is."""
    these = "it" if len({fit.kin for fit in fits}) == 1 else "these"
    if telling >= STRONG:
        return f"Strong evidence: {telling:,} independent elements tell {these} from all else tried"
    if telling == 0:
        return f"No evidence: no unsaturated element tells {these} from all else tried"
    only = f"only {telling} independent element{'' if telling == 1 else 's'}"
    return f"Weak evidence: {only} tell{'s' if telling == 1 else ''} {these} from all else tried"


def told(fit: Fit, others: Sequence[Fit]) -> str:
    """The names of other fits, the rules of one mistake together, the first few of many."""
    rules: dict[str, list[str]] = {fit.named: []}
    for other in others:
        found = rules.setdefault(other.named, [])
        if other.arithmetic not in found:  # several ways of writing one mistake
            found.append(other.arithmetic)
    names = []
    for mistake, found in rules.items():
        same = mistake == fit.named
        grouped = _grouped(found, fit.arithmetic if same else "")
        if mistake and grouped:
            grouped = [f"{'the same' if same else mistake} in {_series(grouped)}"]
        names += grouped
    return _first(names, SHOWN_SEVERAL if len(fit.mistakes) > 1 else SHOWN_NAMES)


def _first(names: Sequence[str], shown: int) -> str:
    """The first few, and how many more there are."""
    more = f"; and {len(names) - shown} more" if len(names) > shown else ""
    return "; ".join(names[:shown]) + more


def _grouped(rules: Sequence[str], first: str) -> list[str]:
    """All rules that round once, with ``first`` perhaps, are told in a few words."""
    if not set(ROUND_ONCE) <= {*rules, first}:
        return list(rules)
    every = (
        f"every {'other ' if first in ROUND_ONCE else ''}rule that rounds the whole product once"
    )
    return [*(rule for rule in rules if rule not in ROUND_ONCE), every]


def _series(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _listed(channels: Sequence[int]) -> str:
    shown = ", ".join(map(str, channels[:SHOWN_CHANNELS]))
    return shown + (", ..." if len(channels) > SHOWN_CHANNELS else "")
