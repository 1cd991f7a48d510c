"""One verdict for all layers of an op: what no single layer tells apart, several together may."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

from tflreplay.judgement.diagnosis.evidence import STRONG
from tflreplay.judgement.diagnosis.verdict import (
    Fit,
    Rival,
    Verdict,
    claimed,
    evidence_words,
    other_ways,
    strength,
    told,
)
from tflreplay.judgement.suspects import ranges

_SHOWN_WAYS = 3  # of one kind of mistake


@dataclass(frozen=True)
class OpVerdict:
    """What explains every layer of one op that was diagnosed.

    ``layers`` counts those, ``differing`` the ones that the arithmetic in force does not explain;
    ``in_force`` is what the first of them was expected to compute, by the kernels of ``engine``.
    ``telling`` counts, for each rejected candidate, the independent, unsaturated elements of all
    layers that it gets wrong. ``fits`` explain all layers: a
    mistake those in which it shows, and its rule alone the others. ``shown`` counts the layers that
    the first fit itself explains, ``elements`` theirs, and ``less`` those that differ and that its
    rule alone explains, or some of its mistakes. Where there are no fits, ``alike`` are
    those of one ``kind`` of mistake that explain most differing layers, by op index: they differ in
    a channel, a place or an arithmetic; and ``partial`` counts the differing layers that each
    candidate explains. ``contradicted`` counts elements, of what was tried in every layer.
    """

    op: str
    in_force: str
    layers: int
    differing: int
    shown: int
    elements: int
    fits: tuple[Fit, ...]
    partial: Mapping[str, int] = field(repr=False)
    contradicted: Mapping[str, int] = field(repr=False)
    engine: str = ""
    telling: Mapping[Rival, int] = field(default_factory=dict, repr=False)
    kind: str = ""
    alike: Mapping[int, Fit] = field(default_factory=dict)
    sure_alike: bool = False
    less: int = 0

    @property
    def strength(self) -> int:
        """As of a verdict, over all layers."""
        return strength(self.fits, self.telling)

    @property
    def sure(self) -> bool:
        """True where one answer fits, and the evidence for it is strong."""
        return len({fit.kin for fit in self.fits}) == 1 and self.strength >= STRONG

    @property
    def text(self) -> str:
        """The verdict in sentences."""
        differ = "differs" if self.differing == 1 else "differ"
        where = f"{self.op}, {self.differing} of {self.layers} layers {differ}: "
        if self.alike:
            return where + self._of_a_kind()
        if not self.fits:
            return where + self._unexplained()
        first, *others = self.fits
        claim = claimed(first, self.sure)
        claim = where + claim[0].lower() + claim[1:] + f": all {self.elements:,} elements"
        if self.shown < self.layers:
            hidden = self.layers - self.shown - self.less
            claim += f" of {_layers(self.shown)}"
            if hidden:
                rest = "other" if hidden == 1 else f"other {hidden}"
                claim += f" (in the {rest} nothing differs)"
        if self.less:
            without = "a part of it" if len(first.mistakes) > 1 else first.arithmetic
            claim += f"; {without} alone explains {_layers(self.less)} more that differ"
            claim += "s" * (self.less == 1)
        rivals = {name: count for name, count in self.contradicted.items() if count}
        if rivals:
            nearest = min(rivals, key=rivals.__getitem__)
            claim += f"; the nearest other, {nearest}, gets {rivals[nearest]:,} wrong"
        untold = f"Not told apart by these data: {told(first, others)}." if others else ""
        said = (
            f"{claim}.",
            f"{evidence_words(self.strength, self.fits)}.",
            untold,
            other_ways(self.fits, self.telling),
            first.advice(self.sure, self.engine, self.in_force),
        )
        return " ".join(filter(None, said))

    def _of_a_kind(self) -> str:
        """What every layer has, and what differs from one to the other."""
        ways: dict[str, list[int]] = defaultdict(list)
        for op_index, fit in self.alike.items():
            ways[fit.you].append(op_index)
        shown = [f"{you} (op {ranges(ops)})" for you, ops in list(ways.items())[:_SHOWN_WAYS]]
        more = f"; and {len(ways) - _SHOWN_WAYS} more" if len(ways) > _SHOWN_WAYS else ""
        fixes = dict.fromkeys(fit.fix for fit in self.alike.values())
        could = "you" if self.sure_alike else "it could be that you"
        fix = "Fix" if self.sure_alike else "If so, the fix"
        differing = "that layer" if self.differing == 1 else "each of them"
        if len(self.alike) < self.differing:
            differing = f"{len(self.alike)} of them"
        return (
            f"one kind of mistake, {self.kind}, explains {differing}: {could} "
            f"{'; '.join(shown)}{more}. {fix}: {next(iter(fixes))}."
        )

    def _unexplained(self) -> str:
        if not self.partial:
            return "no candidate explains a layer; see the layers' own verdicts."
        best = sorted(self.partial.items(), key=lambda item: -item[1])[:3]
        counted = ", ".join(f"{name} {count}" for name, count in best)
        return f"no one candidate explains all; differing layers explained by each: {counted}."


def summarize(verdicts: Iterable[Verdict]) -> tuple[OpVerdict, ...]:
    """A verdict for each op of which some layer differs, in the order of first appearance."""
    groups: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        groups[verdict.op].append(verdict)
    return tuple(
        _summary(op, group)
        for op, group in groups.items()
        if any(verdict.kind != "expected" for verdict in group)
    )


def _summary(op: str, group: list[Verdict]) -> OpVerdict:
    differing = [verdict for verdict in group if verdict.kind != "expected"]
    contradicted: Counter[str] = Counter()
    for verdict in group:
        contradicted.update(verdict.contradicted)
    every = {fit.name: fit for verdict in differing for fit in verdict.fits}
    common = [fit for fit in every.values() if all(_explains(fit, verdict) for verdict in group)]
    common.sort(key=lambda fit: bool(fit.mistake))
    kind, alike = ("", {}) if common else _alike(differing)
    partial = Counter(fit.name for verdict in differing for fit in verdict.fits)
    first = common[0].name if common else ""
    shown = [verdict for verdict in group if first in _names(verdict)]
    return OpVerdict(
        op,
        differing[0].in_force,
        len(group),
        len(differing),
        len(shown),
        sum(verdict.elements for verdict in shown),
        tuple(common),
        {} if common else partial,
        _in_every(contradicted, group),
        differing[0].engine,
        _telling(group),
        kind,
        alike,
        all(
            verdict.strength >= STRONG and all(kind in fit.sorts for fit in verdict.fits)
            for verdict in differing
            if verdict.op_index in alike
        ),
        sum(verdict not in shown for verdict in differing) if common else 0,
    )


def _in_every(contradicted: Mapping[str, int], group: Sequence[Verdict]) -> dict[str, int]:
    """Only what was tried in every layer: others are right in those in which they were not."""
    tried = [{*verdict.contradicted, *_names(verdict)} for verdict in group]
    return {name: n for name, n in contradicted.items() if all(name in names for names in tried)}


def _alike(differing: Sequence[Verdict]) -> tuple[str, dict[int, Fit]]:
    """The kind of mistake that most layers have, the simplest, and its fits, by op index.

    Nothing where that is less than half of them.
    """
    found: dict[str, dict[int, Fit]] = defaultdict(dict)
    places: Counter[str] = Counter()
    for verdict in differing:
        for place, fit in enumerate(verdict.fits):
            for sort in fit.sorts:
                if verdict.op_index not in found[sort]:
                    found[sort][verdict.op_index] = fit
                    places[sort] += place
    if not found:
        return "", {}
    kind = min(found, key=lambda sort: (-len(found[sort]), places[sort]))
    return (kind, found[kind]) if 2 * len(found[kind]) > len(differing) else ("", {})


def _telling(group: Sequence[Verdict]) -> dict[Rival, int]:
    """In a layer in which nobody looked at a mistake, it is told as well as its rule alone is."""
    named = {rival.name + rival.you: rival for verdict in group for rival in verdict.rivals}
    telling = dict.fromkeys(named.values(), 0)
    for verdict in group:
        counts = {rival.name + rival.you: rival.telling for rival in verdict.rivals}
        for name, rival in named.items():
            telling[rival] += counts.get(name, counts.get(rival.arithmetic, 0))
    return telling


def _explains(fit: Fit, verdict: Verdict) -> bool:
    """True where it gives the whole layer, or less does: there the other mistakes are hidden."""
    parts = {
        replace(fit, mistakes=some).name
        for count in range(len(fit.mistakes) + 1)
        for some in combinations(fit.mistakes, count)
    }
    return not parts.isdisjoint(_names(verdict))


def _names(verdict: Verdict) -> set[str]:
    return {fit.name for fit in verdict.fits}


def _layers(count: int) -> str:
    return f"{count} layer{'' if count == 1 else 's'}"
