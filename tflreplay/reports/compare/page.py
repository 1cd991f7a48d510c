"""``agreement.html``: source against source, then who agrees in each layer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from string import ascii_uppercase

from tflreplay.ground.words import shape_text
from tflreplay.judgement.agreement import Agreement, LayerAgreement
from tflreplay.reports import html
from tflreplay.reports.compare.text import dumps
from tflreplay.reports.compare.words import headline, story


@dataclass(frozen=True)
class _Row:
    """A layer as the page shows it; ``cells`` hold a source's group and its distance each."""

    layer: LayerAgreement
    key: str
    shape: str
    cells: tuple[tuple[str, int | None], ...]


def page(result: Agreement) -> str:
    """The page's text."""
    counts = zip(
        result.differing_elements().tolist(),
        result.differing_layers().tolist(),
        result.compared_layers().tolist(),
        strict=True,
    )
    first = result.first_divergence
    layers = result.layers
    return html.template("agreement.html.j2").render(
        **html.page(dumps(result), "agreement.js"),
        result=result,
        headline=headline(result),
        matrix=[
            (name, list(zip(*row, strict=True)))
            for name, row in zip(result.sources, counts, strict=True)
        ],
        rows=[
            _Row(layer, html.key(layer), shape_text(layer.tensor.shape), _cells(result, layer))
            for layer in layers
        ],
        kinds=Counter(layer.status for layer in layers),
        ops=sorted(Counter(layer.op for layer in layers).items()),
        first=first,
        first_key=html.key(first) if first is not None else "",
        first_text=story(result, first) if first is not None else "",
    )


def _cells(result: Agreement, layer: LayerAgreement) -> tuple[tuple[str, int | None], ...]:
    """For each source the letter of its group, and in how many elements it differs from A."""
    cells: list[tuple[str, int | None]] = [("", None)] * len(result.sources)
    for number, group in enumerate(layer.groups):
        differ = int(layer.mismatches[layer.groups[0][0], group[0]])
        for member in group:
            cells[member] = (ascii_uppercase[number % 26], differ)
    return tuple(cells)
