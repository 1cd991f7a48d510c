"""Write docs/known-defects.md anew, from the cards.

python docs/build_defects.py
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import starmap
from pathlib import Path

from tflreplay.ops import CARDS
from tflreplay.ops.base.row import NotModelled, Row
from tflreplay.runtimes.packages import RUNTIMES

PAGE = Path(__file__).parent / "known-defects.md"
_TEXT = """\
# Known defects of the engines

EXACT says that two sides agree, not that they are right. Here is what is known to be wrong in the
engines themselves. Where a layer meets one of these, every report says so: "exact, and the engine
itself is wrong here: ...". That is said only where the condition holds and, wherever the output can
be compared with what the op is defined to give, where elements of it come out otherwise; the number
is told.

This page is written from the op cards (`docs/build_defects.py`). An engine that leaves an op to
another's kernels has their defects, too: XNNPACK those of the optimized and the reference kernels,
the optimized kernels those of the reference, TFLM those of the reference kernels that it shares,
CMSIS-NN and ESP-NN those of TFLM. Where CMSIS-NN gives nothing that is defined, the layer is not
replayed, and says why.
*Until* names the first versions without a defect, *since* the first with it; *all* are those that
were measured.

| what the engine does | ops | types | engine | where | versions | known from |
|---|---|---|---|---|---|---|
{rows}
"""


@dataclass
class Line:
    """One defect in one engine: of which ops, types and versions."""

    ops: dict[str, None] = field(default_factory=dict)
    types: dict[str, None] = field(default_factory=dict)
    versions: dict[str, None] = field(default_factory=dict)

    def add(self, op: str, entry: Row | NotModelled) -> None:
        self.ops[op] = None
        moves = isinstance(entry, Row) and entry.moves
        self.types |= dict.fromkeys(("all that are quantized",) if moves else entry.types)
        self.versions[_versions(entry)] = None


def page() -> str:
    lines: dict[tuple[str, str, str, str], Line] = defaultdict(Line)
    for op, card in CARDS.items():
        for engine, entries in card.tables.items():
            for entry in entries:
                for defect in entry.defects:
                    where = str(defect.when or ("some inputs" if defect.shows else "all"))
                    where += f"; on {entry.on}" if entry.on else ""
                    link = f"[{_short(defect.report)}]({defect.report})" if defect.report else "-"
                    lines[defect.words, engine, where, link].add(op, entry)
    return _TEXT.format(
        rows="\n".join(
            f"| {words} | {', '.join(line.ops)} | {', '.join(line.types)} | {engine} | {where} | "
            f"{'all' if 'all' in line.versions else '; '.join(line.versions)} | {link} |"
            for (words, engine, where, link), line in sorted(lines.items(), key=lambda it: it[0])
        )
    )


def _versions(entry: Row | NotModelled) -> str:
    """Those of the entry; an entry that a newer one of the same words precedes is of all."""
    told = [
        f"{word} {', '.join(starmap(_version, named.items()))}"
        for word, named in (("since", entry.since), ("until", entry.until))
        if named and set(named.values()) != {"0"}
    ]
    return "; ".join(told) or "all"


def _version(name: str, number: str) -> str:
    runtime, _, machine = name.partition("@")
    return f"{RUNTIMES[runtime].title} {number}" + (f" (for {machine})" if machine else "")


def _short(report: str) -> str:
    """``LiteRT#4079``."""
    *_, name, _, number = report.split("/")
    return f"{name}#{number}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
