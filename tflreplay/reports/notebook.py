"""Records as a notebook shows them: a sentence, and a small table where there is more to say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from tabulate import tabulate

from tflreplay.comparison import Comparison, Difference, LayerDiff
from tflreplay.diagnosis import Verdict
from tflreplay.replayer import Replay
from tflreplay.reports.rows import shape_text
from tflreplay.reports.run import Run, printable
from tflreplay.runtimes import Capture

SHOWN = 20  # rows of a table
_COLUMNS = ("#", "op", "tensor", "shape", "isolated", "chained", "+1/−1", "max", "status")  # noqa: RUF001


def run(record: Run) -> str:
    """The verdict, what explains it, and the layers."""
    return "".join(
        [
            _paragraph(record.headline, bold=True),
            *map(_paragraph, (*record.inputs, *record.notes)),
            *map(_paragraph, record.explanations),
            _layers(record.comparison),
        ]
    )


def comparison(record: Comparison) -> str:
    """The layers: all of a few, else those that are not exact."""
    return _paragraph(repr(record)) + _layers(record)


def verdict(record: Verdict) -> str:
    """The answer, and how many elements each candidate gets wrong."""
    wrong = dict.fromkeys((fit.name for fit in record.fits), 0)
    wrong |= {fit.name: record.elements - fit.explained for fit in record.nearest}
    wrong = {**record.contradicted, **wrong}
    rows = sorted(wrong.items(), key=lambda item: item[1])
    return (
        _paragraph(f"op {record.op_index} {record.op}: {record.answer}", bold=True)
        + _paragraph(record.text)
        + _table(("candidate", f"wrong of {record.elements:,}"), rows)
    )


def capture(record: Capture) -> str:
    """What was captured, and why the rest was not."""
    notes = filter(None, (record.note, *record.problems))
    said = _paragraph(repr(record)) + "".join(map(_paragraph, notes))
    return said + _reasons("tensor", record.missing)


def replay(record: Replay) -> str:
    """What was replayed, and why the rest was not."""
    return _paragraph(repr(record)) + _reasons("op", record.not_replayed)


def _layers(compared: Comparison) -> str:
    layers: Sequence[LayerDiff] = compared.layers
    if len(layers) > SHOWN:
        layers = [layer for layer in layers if layer.status != "exact"]
    return _table(_COLUMNS, [_layer(layer) for layer in layers])


def _layer(layer: LayerDiff) -> tuple[Any, ...]:
    main = layer.main
    return (
        layer.op_index,
        layer.op,
        layer.tensor.index,
        shape_text(layer.shape),
        _count(layer.isolated),
        _count(layer.chained),
        f"{main.plus_one}/{main.minus_one}" if main is not None else "-",
        f"{main.max_abs:g}" if main is not None else "-",
        layer.status,
    )


def _count(diff: Difference | None) -> str:
    return f"{diff.mismatches:,}" if diff is not None else "-"


def _reasons(what: str, reasons: Mapping[int, str]) -> str:
    return _table((what, "why it is missing"), list(reasons.items()))


def _table(columns: Sequence[str], rows: Sequence[Iterable[Any]]) -> str:
    """The first rows; nothing where there are none."""
    if not rows:
        return ""
    shown = [[printable(str(value)) for value in row] for row in rows[:SHOWN]]
    table = str(tabulate(shown, columns, "html", disable_numparse=True))  # it escapes
    more = len(rows) - len(shown)
    return table + (_paragraph(f"... and {more} more") if more else "")


def _paragraph(text: str, bold: bool = False) -> str:
    inner = escape(printable(text))
    return f"<p><b>{inner}</b></p>" if bold else f"<p>{inner}</p>"
