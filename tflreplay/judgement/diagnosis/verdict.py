"""What explains one op's output, with the evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tflreplay.ground import notebook
from tflreplay.judgement.diagnosis.candidates import ROUND_ONCE

SHOWN_CHANNELS = 8
SHOWN_NAMES = 6


@dataclass(frozen=True)
class Fit:
    """A candidate, and how much of the output it gives.

    ``arithmetic`` is a rule, or an engine's algorithm; ``mistake`` the porting mistake made in it,
    empty for none, with what the porter ``probably`` did and the ``fix``. ``explained`` counts
    elements. ``exceptions`` holds the channels in which some are not explained. ``same_as`` is a
    mistake that comes to this very arithmetic. ``rule`` is the requantization rule of an arithmetic
    that has one: two engines' algorithms may share it.
    """

    arithmetic: str
    explained: int
    mistake: str = ""
    probably: str = ""
    fix: str = ""
    exceptions: tuple[int, ...] = ()
    same_as: str = ""
    rule: str = ""

    @property
    def name(self) -> str:
        return f"{self.arithmetic}, {self.mistake}" if self.mistake else self.arithmetic

    @property
    def answer(self) -> str:
        """What it says in one word: its mistake, or else its arithmetic."""
        return self.mistake or self.arithmetic

    @property
    def kin(self) -> str:
        """What it shares with the fits that say the same: its mistake, or else its rule."""
        return self.mistake or self.rule or self.arithmetic

    def advice(self, sure: bool) -> str:
        """What the porter probably did, and the fix, in sentences; empty for plain arithmetic."""
        if not self.probably:
            return ""
        text = f"you probably {self.probably}. Fix: {self.fix}."
        if self.same_as:
            text = f"in a port meant to compute double, this is a {self.same_as}: {text}"
        return text[0].upper() + text[1:] if sure else f"If it is the first: {text}"


@dataclass(frozen=True)
class Verdict:
    """Which candidates explain an output of ``elements`` elements.

    ``fits`` are the candidates that explain all of it, the simplest first: arithmetic alone before
    a mistake, the arithmetic in force before another. Where there are none, ``nearest`` are best;
    the second is right in the channels in which the first is not, if any is.
    ``discriminating`` counts the elements on which the candidates do not all agree with the first
    fit. ``contradicted`` counts, for each rejected arithmetic, the elements that it gets wrong.
    ``in_force`` is the arithmetic that was expected.
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

    @property
    def kind(self) -> str:
        """``expected``, ``rule``, ``mistake``, ``ambiguous`` or ``unexplained``."""
        if not self.fits:
            return "unexplained"
        if self.fits[0].name == self.in_force:
            return "expected"
        if len({fit.kin for fit in self.fits}) > 1:
            return "ambiguous"
        return "mistake" if self.fits[0].mistake else "rule"

    @property
    def answer(self) -> str:
        """The verdict in a few words, as a table has room for."""
        if self.kind == "unexplained":
            return "unexplained"
        first = self.fits[0]
        others = len({fit.kin for fit in self.fits}) - 1
        if self.kind == "expected" or not others:
            return first.answer
        return f"{first.answer} (or {others} more)"

    @property
    def text(self) -> str:
        """The verdict in sentences."""
        return " ".join(filter(None, (self._claim(), self._others(), self._advice())))

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
                f"Explained by {first.name}: {counted}; "
                "but every candidate gives the same here, so nothing is told apart."
            )
        telling = (
            "a discriminating one" if one else f"{self.discriminating:,} of them discriminating"
        )
        evidence = f"{counted}, {telling}"
        nearest = min(self.contradicted, key=self.contradicted.__getitem__)
        evidence += f"; the nearest other, {nearest}, gets {self.contradicted[nearest]:,} wrong"
        if self.kind == "expected":
            return f"As expected, {first.name}: {evidence}."
        verb = "Could be" if self.kind == "ambiguous" else "Explained by"
        return f"{verb} {first.name}: {evidence}."

    def _unexplained(self) -> str:
        if not self.nearest:
            return "Not explained by any candidate."
        best = self.nearest[0]
        wrong = self.elements - best.explained
        text = (
            f"Not explained by any candidate. The nearest, {best.name}, gets {wrong:,} of "
            f"{self.elements:,} elements wrong"
        )
        if len(best.exceptions) < self.channels:
            text += f", in {len(best.exceptions)} of {self.channels} channels "
            text += f"({_listed(best.exceptions)})"
        for other in self.nearest[1:2]:
            if not set(other.exceptions) & set(best.exceptions):
                text += f"; those are explained by {other.name}"
        return text + "."

    def _others(self) -> str:
        if len(self.fits) < 2 or not self.discriminating:
            return ""
        return f"Not told apart by these data: {told(self.fits[0], self.fits[1:])}."

    def _advice(self) -> str:
        if self.kind in ("expected", "unexplained"):
            return ""
        return self.fits[0].advice(sure=self.kind != "ambiguous")


def told(fit: Fit, others: Sequence[Fit]) -> str:
    """The names of other fits, the rules of one mistake together, the first few of many."""
    rules: dict[str, list[str]] = {fit.mistake: []}
    for other in others:
        rules.setdefault(other.mistake, []).append(other.arithmetic)
    names = []
    for mistake, found in rules.items():
        same = mistake == fit.mistake
        grouped = _grouped(found, fit.arithmetic if same else "")
        if mistake and grouped:
            grouped = [f"{'the same' if same else mistake} in {_series(grouped)}"]
        names += grouped
    more = f"; and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return "; ".join(names[:SHOWN_NAMES]) + more


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
