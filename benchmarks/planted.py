"""Mistakes planted in a port written apart from the diagnosis: how many the verdicts name.

    python benchmarks/planted.py [--pairs N] [--seed N]

Every slip of ``tests/diagnosis/port.py`` is made alone in the layers in which it shows, then pairs
of them chosen at random. What the verdict must hold is the mistake that each slip is known by.
Elements that cannot tell are not counted: a slip that changes nothing is not planted.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from tabulate import tabulate

from tests.diagnosis.models import Layer, int8_layers, tied_layers, uint8_layers
from tests.diagnosis.port import SLIPS, Array, Port
from tests.diagnosis.test_planted import computes_as_older_engine, rules
from tflreplay.judgement.diagnosis import Verdict

KINDS = ("named", "ambiguous", "in part", "another", "unexplained")


def made(layer: Layer, rule: str, slips: Sequence[str]) -> Array | None:
    """What the port gives; None where the slips do not all show, or another shape comes out."""
    try:
        produced = layer.computed(Port(rule, *slips))
        fewer = [
            layer.computed(Port(rule, *(slip for slip in slips if slip != left))) for left in slips
        ]
    except (ValueError, IndexError):
        return None
    right = layer.computed(Port("double"))
    if produced.shape != right.shape or np.array_equal(produced, right):
        return None
    return None if any(np.array_equal(produced, codes) for codes in fewer) else produced


def judged(verdict: Verdict, slips: Sequence[str]) -> str:
    """One of KINDS."""
    wanted = {SLIPS[slip] for slip in slips}
    if not verdict.fits:
        return "unexplained"
    found = [
        {said.name for said in fit.mistakes} | ({fit.same_as.name} if fit.same_as else set())
        for fit in verdict.fits
    ]
    if wanted in found:
        return "named" if all(names == wanted for names in found) else "ambiguous"
    return "in part" if any(wanted & names for names in found) else "another"


def planted(
    layers: Sequence[Layer], chosen: Sequence[tuple[str, ...]]
) -> Iterator[tuple[str, str, str, float]]:
    """By family of slips and by op: how each was judged, and the seconds that it took."""
    for slips in chosen:
        for layer in layers:
            if any(computes_as_older_engine(layer, slip) for slip in slips):
                continue
            allowed = set.intersection(*(set(rules(slip, layer.op.name)) for slip in slips))
            for rule in sorted(allowed)[:1]:
                produced = made(layer, rule, slips)
                if produced is not None:
                    start = time.perf_counter()
                    kind = judged(layer.verdict(produced), slips)
                    family = " + ".join(sorted({slip.partition(":")[0] for slip in slips}))
                    yield family, layer.op.name, kind, time.perf_counter() - start


def table(found: Sequence[tuple[str, str, str, float]], column: int) -> str:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in found:
        counts[str(row[column])][row[2]] += 1
        counts["all"][row[2]] += 1
    rows = [[name, *(count[kind] for kind in KINDS)] for name, count in counts.items()]
    return tabulate(rows, headers=("", *KINDS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=60, help="pairs of slips that are planted")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    layers = [*int8_layers(), *uint8_layers(), *tied_layers()]
    singles = list(planted(layers, [(slip,) for slip in SLIPS]))
    print("one mistake, by family", table(singles, 0), sep="\n", end="\n\n")
    print("one mistake, by op", table(singles, 1), sep="\n", end="\n\n")
    names = list(SLIPS)
    drawn = [rng.choice(len(names), 2, replace=False) for _ in range(arguments.pairs)]
    pairs = [(names[a], names[b]) for a, b in drawn if SLIPS[names[a]] != SLIPS[names[b]]]
    some = [layers[i] for i in sorted(rng.choice(len(layers), 12, replace=False).tolist())]
    double = list(planted(some, pairs))
    print("two mistakes, by op", table(double, 1), sep="\n", end="\n\n")
    print(f"the longest verdict took {max(row[3] for row in (*singles, *double)):.1f} s")


if __name__ == "__main__":
    main()
