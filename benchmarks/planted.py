"""Mistakes planted in a port written apart from the diagnosis: how many the verdicts name.

    python benchmarks/planted.py [--pairs N] [--seed N]

Every slip of ``tests/diagnosis/port.py`` is made alone in the layers in which it shows, then pairs
of them chosen at random; then every slip of ``tests/diagnosis/porter.py``, which were thought up
without a look at what is tried, and the mistakes of ``tests/diagnosis/test_families.py``, which
are those of families with a parameter. What the verdict must hold is the mistake that each slip is
known by. What cannot tell is counted apart: a slip that changes nothing, or an output that has one
or two codes only, is ``hidden``.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from tabulate import tabulate

from tests.diagnosis import porter, test_families
from tests.diagnosis.models import Layer, built, int8_layers, tied_layers, uint8_layers
from tests.diagnosis.port import SLIPS, Array, Port
from tests.diagnosis.test_invented import ported, slips_of
from tests.diagnosis.test_planted import computes_as_older_engine, expected, rules
from tflreplay.judgement.diagnosis import Verdict
from tflreplay.judgement.diagnosis.mistakes import MISTAKES

KINDS = ("named", "ambiguous", "by fewer", "another", "unexplained", "hidden")
_TELLING = 3  # codes in an output that can tell anything
_SAME_AS = {mistake.same_as: mistake.name for mistake in MISTAKES if mistake.same_as}


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


def judged(verdict: Verdict, slips: Sequence[str], produced: Array) -> str:
    """One of KINDS: of two, "by fewer" where fewer mistakes give the very same output."""
    wanted = {SLIPS[slip] for slip in slips}
    found = [{said.name for said in fit.mistakes} for fit in verdict.fits]
    right = [
        names <= wanted <= {*names, _SAME_AS.get(fit.rule)}
        for names, fit in zip(found, verdict.fits, strict=True)
    ]
    if any(right):
        return "named" if all(right) else "ambiguous"
    if np.unique(produced).size < _TELLING:
        return "hidden"
    if not found:
        return "unexplained"
    return "by fewer" if min(map(len, found)) < len(wanted) else "another"


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
                    kind = judged(layer.verdict(produced), slips, produced)
                    family = " + ".join(sorted({slip.partition(":")[0] for slip in slips}))
                    yield family, layer.op.name, kind, time.perf_counter() - start


def invented() -> Iterator[tuple[str, str, str, float]]:
    """As :func:`planted`, of the port of ``porter.py``."""
    for layer in built("invented", porter.ops(4)):
        right = expected(layer)
        for slip, wanted in porter.SLIPS[slips_of(layer)].items():
            produced = ported(layer, slip)
            start = time.perf_counter()
            if np.array_equal(produced, right):
                kind = "hidden"
            else:
                verdict = layer.verdict(produced)
                said = [(fit.named or fit.arithmetic).startswith(wanted) for fit in verdict.fits]
                kind = "named" if all(said) else "ambiguous" if any(said) else "another"
                kind = kind if said else "unexplained"
            yield "invented", layer.op.name, kind, time.perf_counter() - start


def generated() -> Iterator[tuple[str, str, str, float]]:
    """As :func:`planted`, of the mistakes of ``test_families.py``, each with one of a parameter."""
    for layers, ports in test_families.planted():
        for name, port in ports.items():
            for layer in layers:
                produced = layer.computed(port)
                if np.array_equal(produced, expected(layer)):
                    continue
                start = time.perf_counter()
                said = [fit.named.startswith(name) for fit in layer.verdict(produced).fits]
                kind = "named" if said and all(said) else "ambiguous" if any(said) else "another"
                kind = kind if said else "unexplained"
                yield "generated", layer.op.name, kind, time.perf_counter() - start


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
    apart = list(invented())
    print("one mistake of another mind, by op", table(apart, 1), sep="\n", end="\n\n")
    over = list(generated())
    print("one mistake of a family, by op", table(over, 1), sep="\n", end="\n\n")
    longest = max(row[3] for row in (*singles, *double, *apart, *over))
    print(f"the longest verdict took {longest:.1f} s")


if __name__ == "__main__":
    main()
