"""``summary.md``: the verdict in Markdown, short enough to paste into an issue."""

from __future__ import annotations

from tflreplay import __version__
from tflreplay.ground.words import shape_text, short
from tflreplay.judgement.comparison import LayerDiff
from tflreplay.judgement.difference import Difference
from tflreplay.judgement.measured import arithmetic
from tflreplay.judgement.run import Run
from tflreplay.judgement.suspects import ranges
from tflreplay.reports import amplification, dataset, expected
from tflreplay.reports.markdown import code, text

SHOWN = 5  # differing layers
_NAME_WIDTH = 40
_COLUMNS = ("#", "op", "tensor", "shape", "isolated", "chained", "+1/−1", "max", "explained by")  # noqa: RUF001


def render(run: Run) -> str:
    """The verdict, what was run, the first layers that differ, and what explains them."""
    facts = [
        ("command", code(run.asked.command)),
        ("model", f"{code(run.model.path.name)}, sha256 {code(run.model.sha256)}"),
        ("compared with", text(run.against)),
        ("captured on", text(str(run.capture.machine)) or "a machine that is not known"),
        ("replayed by", f"tflreplay {text(__version__)}, "
         f"{text(arithmetic(run.engine, 'arithmetic'))} on {text(str(run.engine.machine))}"),
        *(("input", text(note)) for note in run.asked.inputs),
        *(("note", text(note)) for note in run.notes),
    ]  # fmt: skip
    if run.capture.failure:
        facts.append(("failure", text(run.capture.failure)))
    parts = [f"**{text(run.headline)}**", "\n".join(f"- {key}: {value}" for key, value in facts)]
    if run.asked.expectations is not None:
        parts.append(f"**{text(expected.headline(run))}**")
    differing = run.comparison.mismatched
    if differing:
        parts.append(_table(run, differing[:SHOWN]))
    if len(differing) > SHOWN:
        parts.append(f"... and {len(differing) - SHOWN} more layers that differ.")
    parts += [text(step.text) for step in run.input_steps]
    parts += map(text, dataset.lines(run))
    parts += map(text, (*run.proven, *run.explanations, *run.stretch_explanations, *run.defects))
    travel = amplification.render(run)
    if travel:
        parts.append(text(travel))
    return "\n\n".join(parts) + "\n"


def _table(run: Run, layers: tuple[LayerDiff, ...]) -> str:
    align = ("---:", "---", "---", "---", "---:", "---:", "---:", "---:", "---")
    lines = [_COLUMNS, align, *(_row(run, layer) for layer in layers)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row(run: Run, layer: LayerDiff) -> tuple[str, ...]:
    main = layer.main
    name = f" {code(short(layer.tensor.name, _NAME_WIDTH))}" if layer.tensor.name else ""
    return (
        str(layer.op_index),
        text(layer.op),
        f"{layer.tensor.index}{name}",
        shape_text(layer.shape),
        _count(layer.isolated),
        _count(layer.chained),
        f"{main.plus_one}/{main.minus_one}" if main is not None else "-",
        f"{main.max_abs:g}" if main is not None else "-",
        text(_answer(run, layer)) or "-",
    )


def _answer(run: Run, layer: LayerDiff) -> str:
    """What explains a difference that was not inherited, in a few words."""
    if layer.kind == "at or before":
        found = run.findings.stretches.get((layer.op_index, layer.tensor.index))
        return f"made in op {ranges(layer.suspects.ops)}" + (f": {found.answer}" if found else "")
    verdict = run.verdicts.get(layer.op_index) if layer.kind != "inherited" else None
    return verdict.answer if verdict is not None else ""


def _count(diff: Difference | None) -> str:
    return f"{diff.mismatches:,} of {diff.elements:,}" if diff is not None else "-"
