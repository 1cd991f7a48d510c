"""What explains one op's output, with the evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

SHOWN_CHANNELS = 8
SHOWN_NAMES = 6


@dataclass(frozen=True)
class Fit:
    """A candidate, and how much of the output it gives.

    ``arithmetic`` is a rule, or an engine's algorithm; ``mistake`` the porting mistake made in it,
    empty for none, with what the porter ``probably`` did and the ``fix``. ``explained`` counts
    elements. ``exceptions`` holds the channels in which some are not explained. ``same_as`` is a
    mistake that comes to this very arithmetic.
    """

    arithmetic: str
    explained: int
    mistake: str = ""
    probably: str = ""
    fix: str = ""
    exceptions: tuple[int, ...] = ()
    same_as: str = ""

    @property
    def name(self) -> str:
        return f"{self.arithmetic}, {self.mistake}" if self.mistake else self.arithmetic

    def advice(self, meant: str) -> str:
        """What the porter probably did, and the fix; ``meant`` is what the port was to compute."""
        text = f"you probably {self.probably}. Fix: {self.fix}"
        if self.same_as:
            return f"In a port meant to compute {meant}, this is a {self.same_as}: {text}"
        return text[0].upper() + text[1:]


@dataclass(frozen=True)
class Verdict:
    """Which candidates explain an output of ``elements`` elements.

    ``fits`` are the candidates that explain all of it, the simplest first: arithmetic alone before
    a mistake, the arithmetic in force before another. Where there are none, ``nearest`` are best.
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
        if len(set(self._answers)) > 1:
            return "ambiguous"
        return "mistake" if self.fits[0].mistake else "rule"

    @property
    def _answers(self) -> tuple[str, ...]:
        """What each fit says, in one word: its mistake, or else its arithmetic."""
        return tuple(fit.mistake or fit.arithmetic for fit in self.fits)

    @property
    def answer(self) -> str:
        """The verdict in a few words, as a table has room for."""
        if self.kind == "unexplained":
            return "unexplained"
        names = list(dict.fromkeys(self._answers))
        if self.kind == "expected":
            return names[0]
        others = f" (or {len(names) - 1} more)" if len(names) > 1 else ""
        return names[0] + others

    @property
    def text(self) -> str:
        """The verdict in sentences."""
        return " ".join(filter(None, (self._claim(), self._others(), self._advice())))

    def _claim(self) -> str:
        if not self.fits:
            return self._unexplained()
        first = self.fits[0]
        counted = f"all {self.elements:,} elements"
        if not self.discriminating:
            return (
                f"Explained by {first.name}: {counted}, but none of them discriminating: "
                "every candidate gives the same here."
            )
        evidence = f"{counted}, {self.discriminating:,} of them discriminating"
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
        others = [
            fit.name
            for fit in self.nearest[1:]
            if fit.explained and not set(fit.exceptions) & set(best.exceptions)
        ]
        if others:
            text += f"; those are explained by {others[0]}"
        return text + "."

    def _others(self) -> str:
        if len(self.fits) < 2:
            return ""
        return f"Not told apart by these data: {joined(self.fits[1:])}."

    def _advice(self) -> str:
        first = self.fits[0] if self.fits else None
        if first is None or self.kind == "expected" or not first.probably:
            return ""
        return f"{first.advice(self.in_force)}."


def joined(fits: Sequence[Fit]) -> str:
    """The names of candidates, the first few of many."""
    names = [fit.name for fit in fits]
    more = f"; and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return "; ".join(names[:SHOWN_NAMES]) + more


def _listed(channels: Sequence[int]) -> str:
    shown = ", ".join(map(str, channels[:SHOWN_CHANNELS]))
    return shown + (", ..." if len(channels) > SHOWN_CHANNELS else "")
