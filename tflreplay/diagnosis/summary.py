"""One verdict for all layers of an op: what no single layer tells apart, several together may."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tflreplay.diagnosis.verdict import Fit, Verdict, joined


@dataclass(frozen=True)
class OpVerdict:
    """What explains every layer of one op that was diagnosed.

    ``layers`` counts those, ``differing`` the ones that the arithmetic in force does not explain;
    ``in_force`` is what the first of them was expected to compute. ``fits`` explain all layers, a
    mistake all that differ. ``partial`` counts, where there are no fits, the differing layers that
    each candidate explains. ``contradicted`` counts elements.
    """

    op: str
    in_force: str
    layers: int
    differing: int
    elements: int
    fits: tuple[Fit, ...]
    partial: Mapping[str, int] = field(repr=False)
    contradicted: Mapping[str, int] = field(repr=False)

    @property
    def text(self) -> str:
        """The verdict in sentences."""
        where = f"{self.op}, {self.differing} of {self.layers} layers differ: "
        if not self.fits:
            return where + self._unexplained()
        first, *others = self.fits
        sentences = [where + ("could be " if others else "explained by ") + first.name]
        sentences[0] += f": all {self.elements:,} elements"
        rivals = {name: count for name, count in self.contradicted.items() if count}
        if rivals:
            nearest = min(rivals, key=rivals.__getitem__)
            sentences[0] += f"; the nearest other, {nearest}, gets {rivals[nearest]:,} wrong"
        if others:
            sentences.append(f"Not told apart by these data: {joined(others)}")
        if first.probably:
            sentences.append(first.advice(self.in_force))
        return ". ".join(sentences) + "."

    def _unexplained(self) -> str:
        if not self.partial:
            return "no candidate explains a layer; see the layers' own verdicts."
        best = sorted(self.partial.items(), key=lambda item: -item[1])[:3]
        told = ", ".join(f"{name} {count}" for name, count in best)
        return f"no one candidate explains all; differing layers explained by each: {told}."


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
    explained = Counter(fit.name for verdict in differing for fit in verdict.fits)
    contradicted: Counter[str] = Counter()
    for verdict in group:
        contradicted.update(verdict.contradicted)
    fits = (fit for verdict in differing[:1] for fit in verdict.fits)
    common = tuple(
        fit for fit in fits if explained[fit.name] == len(differing) and not contradicted[fit.name]
    )
    return OpVerdict(
        op,
        differing[0].in_force,
        len(group),
        len(differing),
        sum(verdict.elements for verdict in group),
        common,
        {} if common else explained,
        contradicted,
    )
