"""The terminal's table: the verdict, then what a reader must look at, in 80 columns."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from tabulate import tabulate

from tflreplay.ground.words import printable, shape_text, short
from tflreplay.judgement.comparison import LayerDiff
from tflreplay.judgement.diagnosis import summarize
from tflreplay.judgement.difference import Difference
from tflreplay.judgement.run import MODES, Run
from tflreplay.judgement.suspects import ranges
from tflreplay.reports import amplification, dataset

WIDTH = 80
SHOWN_VERDICTS = 3  # of the layers of one op
SHOWN_STRETCHES = 5  # layers whose inputs were not seen
SHOWN = 30  # layers listed one by one; layers.csv has the others
_OP_WIDTH = 17  # DEPTHWISE_CONV_2D
_REASON_WIDTH = 400
_SUSPECTS_WIDTH = 12
_COLUMNS = (
    "#",
    "op",
    "tensor",
    "shape",
    "elements",
    "isolated",
    "stretch",
    "chained",
    "suspects",
    "+1/-1",
    "max",
    "status",
)
_OF_STRETCHES = ("stretch", "suspects")  # columns that most runs have no use for
_PAINTED = ("op", "status")
# Left out, in this order, where the table would be wider than the terminal.
_DISPENSABLE = ("elements", "status", "shape", "max")
_DISPENSABLE_WITH_STRETCHES = ("elements", "status", "shape", "+1/-1", "max")

# A text in the colour of a status or a verdict.
Paint = Callable[[str, str], str]


def render(run: Run, paint: Paint = lambda text, status: text) -> str:
    """The table, what explains the differences and how they travel; last, the verdict.

    A short model is shown whole, but for what was not dumped; a long one as a summary by op, then
    the layers that differ or were not replayed.
    """
    comparison = run.comparison
    listed = [layer for layer in comparison.layers if layer.status != "not dumped"]
    parts = []
    if len(comparison.layers) > SHOWN:
        parts.append(_by_op(comparison.layers))
        listed = [layer for layer in listed if layer.status != "exact"]
    shown = _telling(listed)
    steps = [step.layer for step in run.input_steps]
    if shown or steps:
        parts.append(_fitted([*steps, *shown], paint))
    if len(listed) > SHOWN:
        parts.append(f"... and {len(listed) - SHOWN} more: see layers.csv")
    if comparison.not_dumped:
        absent = ranges([layer.op_index for layer in comparison.not_dumped])
        parts.append(_wrapped(f"Not dumped: op {short(absent, _REASON_WIDTH)}"))
    reasons = defaultdict(list)
    for what, layers in (
        ("Not replayed", comparison.not_replayed),
        ("Not read from the dump", comparison.not_read),
    ):
        for layer in layers:
            reasons[what, short(layer.reason, _REASON_WIDTH)].append(f"#{layer.op_index}")
    parts.extend(
        _wrapped(f"{what}: {', '.join(ops[:8])}{', ...' if len(ops) > 8 else ''}: {reason}")
        for (what, reason), ops in reasons.items()
    )
    parts.extend(_wrapped(step.text) for step in run.input_steps)
    parts.extend(_wrapped(text) for text in dataset.lines(run))
    parts.extend(_wrapped(text) for text in _explanations(run))
    parts.extend(map(_wrapped, run.defects))
    travel = amplification.render(run)
    if travel:
        parts.append(_wrapped(travel))
    word, colon, rest = run.headline.partition(":")
    proven = [_wrapped(text) for text in run.proven]
    return "\n\n".join([*parts, paint(word, run.verdict) + colon + rest, *proven])


def _explanations(run: Run) -> Iterator[str]:
    """A paragraph of all layers, where one explains them, and for each op; below one that has no
    answer, those of its first few layers.
    """
    yield from filter(None, [run.findings.built])
    for found in summarize(run.verdicts.values()):
        yield found.text
        if not found.fits and len(found.alike) < found.differing:
            unlike = (
                verdict
                for verdict in run.verdicts.values()
                if verdict.op == found.op
                and verdict.kind != "expected"
                and verdict.op_index not in found.alike
            )
            yield from (
                f"op {verdict.op_index} {verdict.op}: {verdict.text}"
                for verdict in islice(unlike, SHOWN_VERDICTS)
            )
    yield from run.untried
    stretches = run.stretch_explanations
    yield from stretches[:SHOWN_STRETCHES]
    if len(stretches) > SHOWN_STRETCHES:
        yield f"... and {len(stretches) - SHOWN_STRETCHES} more such layers: see report.html"


def _wrapped(text: str) -> str:
    return textwrap.fill(
        printable(text),
        WIDTH,
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _telling(layers: Sequence[LayerDiff]) -> list[LayerDiff]:
    """At most SHOWN layers, in order; those that only inherit a difference give way."""
    chosen = sorted(layers, key=lambda layer: layer.main is not None and layer.main.exact)
    return sorted(chosen[:SHOWN], key=lambda layer: layer.op_index)


def _by_op(layers: Sequence[LayerDiff]) -> str:
    groups: dict[str, list[LayerDiff]] = defaultdict(list)
    for layer in layers:
        groups[layer.op].append(layer)
    modes = [mode for mode in MODES if mode != "stretch" or any(layer.stretch for layer in layers)]
    rows = [
        (
            short(op, _OP_WIDTH),
            len(group),
            sum(layer.status == "exact" for layer in group),
            f"{sum(layer.main.elements for layer in group if layer.main is not None):,}",
            *(_total([getattr(layer, mode) for layer in group]) for mode in modes),
        )
        for op, group in groups.items()
    ]
    return _tabulate(rows, ("op", "layers", "exact", "elements", *modes))


def _total(diffs: list[Difference | None]) -> str:
    computed = [diff.mismatches for diff in diffs if diff is not None]
    return f"{sum(computed):,}" if computed else "-"


def _layer_row(layer: LayerDiff) -> tuple[Any, ...]:
    main = layer.main
    made = layer.made is not None and not layer.made.exact
    return (
        layer.op_index if layer.op_index >= 0 else "in",
        short(layer.op, _OP_WIDTH),
        layer.tensor.index,
        shape_text(layer.shape),
        f"{main.elements:,}" if main is not None else "-",
        *(
            f"{diff.mismatches:,}" if diff is not None else "-"
            for diff in (layer.isolated, layer.stretch, layer.chained)
        ),
        short(ranges(layer.suspects.ops), _SUSPECTS_WIDTH) if made else "-",
        f"{main.plus_one}/{main.minus_one}" if main is not None else "-",
        f"{main.max_abs:g}" if main is not None else "-",
        layer.status,
    )


def _fitted(layers: Sequence[LayerDiff], paint: Paint) -> str:
    """The layers as a table, without its least needed columns if it is too wide."""
    rows = [_layer_row(layer) for layer in layers]
    stretches = any(layer.stretch for layer in layers)
    without = () if stretches else _OF_STRETCHES
    dispensable = _DISPENSABLE_WITH_STRETCHES if stretches else _DISPENSABLE
    for dropped in range(len(dispensable) + 1):
        left_out = (*without, *dispensable[:dropped])
        keep = [i for i, name in enumerate(_COLUMNS) if name not in left_out]
        names = [_COLUMNS[i] for i in keep]
        text = _tabulate([[row[i] for i in keep] for row in rows], names)
        if max(map(len, text.splitlines())) <= WIDTH:
            break
    painted = [
        [paint(row[i], layer.status) if _COLUMNS[i] in _PAINTED else row[i] for i in keep]
        for layer, row in zip(layers, rows, strict=True)
    ]
    return _tabulate(painted, names)


def _tabulate(rows: Sequence[Sequence[Any]], headers: Sequence[str]) -> str:
    left = {"op", "shape", "suspects", "status"}
    align = ["left" if name in left else "right" for name in headers]
    return str(tabulate(rows, headers, "simple", colalign=align, disable_numparse=True))
