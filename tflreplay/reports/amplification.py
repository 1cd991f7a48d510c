"""How differences travel, in words and as a flat table."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from tflreplay.ground.words import printable
from tflreplay.judgement.amplification import Step, amplification, worst_path
from tflreplay.judgement.comparison import LayerDiff
from tflreplay.judgement.difference import Difference
from tflreplay.judgement.run import Run
from tflreplay.judgement.suspects import ranges
from tflreplay.reports.rows import Row

SHOWN = 8  # ops named at or before which a difference is made

# A row for each layer that was compared chained. ``from_op_index`` and ``from_tensor`` are the
# producing layer whose output differs most; ``made`` counts the mismatches made in this layer, and
# where nobody saw its inputs, ``made_since`` those made in one or more of the ``suspects``.
COLUMNS = (
    "op_index",
    "op",
    "tensor",
    "kind",
    "made",
    "made_since",
    "suspects",
    "from_op_index",
    "from_tensor",
    "input_max_abs_diff",
    "input_mismatch_rate",
    "max_abs_diff",
    "mismatch_rate",
    "growth",
)


def rows(run: Run) -> list[Row]:
    """Rows of :data:`COLUMNS`; None for what is not known or does not apply."""
    steps = amplification(run.model, run.comparison)
    place = COLUMNS.index("suspects")
    return [
        (*row[:place], ranges(row[place]) if row[place] else None, *row[place + 1 :])
        for row in _rows(steps)
    ]


def _rows(steps: Sequence[Step]) -> list[Row]:
    """Suspects as a list, None where there is no difference of which to suspect them."""
    return [
        (
            step.layer.op_index,
            step.layer.op,
            step.layer.tensor.index,
            step.kind,
            step.made,
            step.made_since,
            list(step.layer.suspects.ops) if step.made_since else None,
            step.before.op_index if step.before is not None else None,
            step.before.tensor.index if step.before is not None else None,
            step.before_max_abs,
            step.before_rate,
            step.max_abs,
            step.rate,
            step.growth,
        )
        for step in steps
    ]


def document(run: Run) -> dict[str, Any]:
    """For ``report.json``: every layer, and the worst path by op index; not finite is null."""
    steps = amplification(run.model, run.comparison)
    return {
        "layers": [dict(zip(COLUMNS, map(_finite, row), strict=True)) for row in _rows(steps)],
        "worst_path": [step.layer.op_index for step in worst_path(run.model, steps)],
    }


def render(run: Run) -> str:
    """The way of the worst difference in a sentence or two; empty where nothing differs chained."""
    steps = amplification(run.model, run.comparison)
    path = worst_path(run.model, steps)
    if not path:
        return ""
    first, last = path[0], path[-1]
    alike = [step for step in path if step.in_codes == first.in_codes]
    peak = max(alike, key=lambda step: step.max_abs)
    parts = [_birth(first)]
    if peak is not first:
        growers = _growers(path[: path.index(peak) + 1])
        parts.append(f"grows to {_size(peak)} by {_op(peak.layer)}{growers}")
    outputs = set(run.model.main.outputs)
    if last.layer.tensor.index in outputs:
        parts.append(f"output of {_op(last.layer)}: {_size(last)} in {_count(last.layer)}")
    elif outputs <= {step.layer.tensor.index for step in steps}:
        parts.append("no output of the model differs")
    return ". ".join(["; ".join(parts), *_sources(run, steps)]) + "."


def _birth(first: Step) -> str:
    layer = first.layer
    if layer.alone:
        return f"{_size(first)} is born at {_op(layer)} ({_count(layer)})"
    return (
        f"{_size(first)} ({_count(layer)}) is born at or before op {layer.op_index}; "
        f"{layer.suspects.unseen}"
    )


def _sources(run: Run, steps: Sequence[Step]) -> Iterator[str]:
    """How many layers make differences, where the isolated replay says so."""
    if any(step.made is None and step.made_since is None for step in steps):
        return
    sources = sum(bool(step.made) for step in steps)
    stretches = [step for step in steps if step.made_since]
    if sources or not stretches:
        makes = (
            "1 layer makes a difference" if sources == 1 else f"{sources} layers make differences"
        )
        absorbing = sum(step.kind == "absorbed" and step.layer.alone for step in steps)
        absorbs = f"; differences end in {absorbing} layer{'s' if absorbing > 1 else ''}"
        among = "of the layers seen, " if run.comparison.not_dumped else ""
        own = f"{makes} of {'its' if sources == 1 else 'their'} own"
        said = f"{among}{own}{absorbs if absorbing else ''}"
        yield said[0].upper() + said[1:]
    if len(stretches) > 1 or (sources and stretches):
        ops = ", ".join(str(step.layer.op_index) for step in stretches[:SHOWN])
        more = f" and {len(stretches) - SHOWN} more" if len(stretches) > SHOWN else ""
        yield f"Differences are made at or before op {ops}{more}, each since the last tensors seen"


def _growers(path: Sequence[Step]) -> str:
    """`` through MUL ×2, ADD``: the ops on the way that make the difference grow, if any."""  # noqa: RUF002
    ops = Counter(
        printable(step.layer.op) for step in path if step.kind == "grows" and step.layer.alone
    )
    times = ((op, f" ×{count}" if count > 1 else "") for op, count in ops.most_common())  # noqa: RUF001
    names = ", ".join(f"{op}{count}" for op, count in times)
    return f" through {names}" if names else ""


def _op(layer: LayerDiff) -> str:
    return f"op {layer.op_index} {printable(layer.op)}"


def _size(step: Step) -> str:
    return f"±{step.max_abs:g}"


def _count(layer: LayerDiff) -> str:
    diff = layer.chained
    assert isinstance(diff, Difference)
    return f"{diff.mismatches:,} of {diff.elements:,}"


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
