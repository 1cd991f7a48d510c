"""Write the tables of docs/verdicts.md from the mistakes that are tried.

python docs/build_verdicts.py
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tflreplay.judgement.diagnosis.families import FAMILIES, copies
from tflreplay.judgement.diagnosis.mistakes import MISTAKES, ways_of
from tflreplay.ops import CARDS

_MANY = 20  # of one kind: then the first is told
PAGE = Path(__file__).parent / "verdicts.md"
MARK = "<!-- made by docs/build_verdicts.py -->\n"


def page(old: str) -> str:
    """The page with its tables made anew."""
    head, _, _ = old.partition(MARK)
    return (
        f"{head}{MARK}\n{listed()}\n## Families\n\n{families()}\n## Formulas by op\n\n{formulas()}"
    )


def listed() -> str:
    rows: list[tuple[str, ...]] = []
    for mistake in MISTAKES:
        if mistake.same_as:
            rows.append((mistake.name, mistake.you, mistake.fix))
        rows += [(way.title or mistake.name, way.you, way.fix) for way in ways_of(mistake)]
    return _table(("mistake", "you ...", "fix"), rows)


def families() -> str:
    rows: list[tuple[str, ...]] = [
        (name, (module.__doc__ or "").strip()) for name, module in FAMILIES.items()
    ]
    rows.append(("stale or copied", (copies.__doc__ or "").strip()))
    return _table(("family", "what is tried, over all its parameters"), rows)


def formulas() -> str:
    rows: list[tuple[str, ...]] = []
    for op, card in CARDS.items():
        # One that is written in several ways is told once.
        told = dict.fromkeys((known.title, known.you, known.fix) for known in card.ported)
        alike = Counter(fix for *_, fix in told)
        for title, you, fix in told:
            many = alike[fix] > _MANY
            if not (many and rows and rows[-1][-1] == fix):
                more = f" (or {alike[fix] - 1} others)" if many else ""
                rows.append((f"`{op}`", title + more, you, fix))
    return _table(("op", "mistake", "you ...", "fix"), rows)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
