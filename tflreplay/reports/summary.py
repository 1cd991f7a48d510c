"""``summary.md``: the verdict in Markdown, short enough to paste into an issue."""

from __future__ import annotations

import re

from tflreplay.comparison import Difference, LayerDiff
from tflreplay.reports import amplification, expected
from tflreplay.reports.run import Run
from tflreplay.words import printable, shape_text, short

SHOWN = 5  # differing layers
_NAME_WIDTH = 40
_COLUMNS = ("#", "op", "tensor", "shape", "isolated", "chained", "+1/−1", "max", "explained by")  # noqa: RUF001
_SPECIAL = re.compile(r"([\\`*<>\[\]|&~])")  # an underscore inside a word is none


def render(run: Run) -> str:
    """The verdict, what was run, the first layers that differ, and what explains them."""
    facts = [
        ("command", _code(run.command)),
        ("model", f"{_code(run.model.path.name)}, sha256 {_code(run.model.sha256)}"),
        ("compared with", _text(run.against)),
        ("replayed by", f"tflreplay {_text(run.tflreplay_version)}, {_text(str(run.engine))} "
         f"arithmetic of {_text(run.engine.runtime)} {_text(run.engine.version)}"),
        *(("input", _text(note)) for note in run.inputs),
        *(("note", _text(note)) for note in run.notes),
    ]  # fmt: skip
    if run.capture.failure:
        facts.append(("failure", _text(run.capture.failure)))
    parts = [f"**{_text(run.headline)}**", "\n".join(f"- {key}: {value}" for key, value in facts)]
    if run.expectations is not None:
        parts.append(f"**{_text(expected.headline(run))}**")
    differing = run.comparison.mismatched
    if differing:
        parts.append(_table(run, differing[:SHOWN]))
    if len(differing) > SHOWN:
        parts.append(f"... and {len(differing) - SHOWN} more layers that differ.")
    parts += map(_text, run.explanations)
    travel = amplification.render(run)
    if travel:
        parts.append(_text(travel))
    return "\n\n".join(parts) + "\n"


def _table(run: Run, layers: tuple[LayerDiff, ...]) -> str:
    align = ("---:", "---", "---", "---", "---:", "---:", "---:", "---:", "---")
    lines = [_COLUMNS, align, *(_row(run, layer) for layer in layers)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row(run: Run, layer: LayerDiff) -> tuple[str, ...]:
    main = layer.main
    name = f" {_code(short(layer.tensor.name, _NAME_WIDTH))}" if layer.tensor.name else ""
    makes = main is not None and not main.exact
    verdict = run.verdicts.get(layer.op_index) if makes else None
    return (
        str(layer.op_index),
        _text(layer.op),
        f"{layer.tensor.index}{name}",
        shape_text(layer.shape),
        _count(layer.isolated),
        _count(layer.chained),
        f"{main.plus_one}/{main.minus_one}" if main is not None else "-",
        f"{main.max_abs:g}" if main is not None else "-",
        _text(verdict.answer) if verdict is not None else "-",
    )


def _count(diff: Difference | None) -> str:
    return f"{diff.mismatches:,} of {diff.elements:,}" if diff is not None else "-"


def _text(text: str) -> str:
    """Plain words in Markdown, whatever a model or a path is called."""
    return _SPECIAL.sub(r"\\\1", printable(text))


def _code(text: str) -> str:
    """A code span that also stands in a table: fenced by more backticks than it holds."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    space = " " if text.startswith("`") or text.endswith("`") else ""
    inner = printable(text).replace("|", "\\|")
    return f"{fence}{space}{inner}{space}{fence}"
