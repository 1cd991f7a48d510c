"""What a report tells of a dataset's inputs: ``inputs.csv``, a few lines, and charts' numbers.

**Inputs**, a row for each:

- ``number, input``: its place in the dataset, from 0 on, and where it was read from
- ``status``: ``exact``, ``mismatch``, or ``incomplete``: nothing differs, but not all was compared
- ``elements``: those compared
- ``layers_differing, first_op_index, first_op``: the layers in which something differs, and the
  first of them
- ``mismatches, mismatch_rate, max_abs_diff``: where a difference is made; where nobody knows that,
  in the chained replay
- ``chained_mismatches``: in the chained replay
- ``class_ours, class_theirs, label``: the likeliest class on both sides, and the right one
- ``command``: what replays this input alone
- ``failure``: how the runtime failed on it
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tflreplay.judgement.comparison import LayerDiff
from tflreplay.judgement.dataset import Dataset, InputResult
from tflreplay.judgement.difference import Array
from tflreplay.judgement.run import Run

COLUMNS = (
    "number",
    "input",
    "status",
    "elements",
    "layers_differing",
    "first_op_index",
    "first_op",
    "mismatches",
    "mismatch_rate",
    "max_abs_diff",
    "chained_mismatches",
    "class_ours",
    "class_theirs",
    "label",
    "command",
    "failure",
)
SHOWN = 3  # worst inputs in a terminal
MAP_COLUMNS = 400  # of a map, at most: more inputs than that share one
_BINS = 4  # of the rates, in each power of ten
_SMALLEST = -7  # power of ten of the lowest rate's bin


def rows(run: Run) -> Iterator[tuple[Any, ...]]:
    """Rows of :data:`COLUMNS`; none where the run is not over a dataset."""
    for one in run.dataset.inputs if run.dataset is not None else ():
        first = run.comparison.layers[one.first] if one.first is not None else None
        scores = one.classes
        chained = "chained" in run.modes
        yield (
            one.number,
            one.name,
            one.status,
            one.elements,
            np.union1d(one.made[:, 0], one.chained[:, 0]).size,
            first.op_index if first is not None else None,
            first.op if first is not None else None,
            one.mismatches,
            one.rate,
            one.max_abs,
            int(one.chained[:, 1].sum()) if chained else None,
            scores.ours[0] if scores is not None else None,
            scores.theirs[0] if scores is not None else None,
            scores.label if scores is not None else None,
            one.command,
            one.failure,
        )


def lines(run: Run) -> list[str]:
    """What is said of the inputs, the worst of them with what to type; empty for no dataset."""
    if run.dataset is None:
        return []
    worst = [
        f"{'Then' if place else 'Worst input'} {one.name}: {how(one)}."
        + (f" {one.command}" if one.command else "")
        for place, one in enumerate(run.dataset.worst[:SHOWN])
    ]
    return [" ".join(run.dataset.text), *worst]


def how(one: InputResult) -> str:
    """How one input differs, in words."""
    return f"{one.mismatches:,} of {one.elements:,} elements differ, by up to {one.max_abs:g}"


def document(run: Run) -> dict[str, Any] | None:
    """For ``report.json`` and the page; None where the run is not over a dataset."""
    dataset = run.dataset
    if dataset is None:
        return None
    return {
        "source": dataset.source,
        "text": list(dataset.text),
        "inputs": len(dataset.inputs),
        "differing": len(dataset.differing),
        "changed": len(dataset.changed) if dataset.classified else None,
        "top": {
            side: {f"{first}": _share(dataset, side, first) for first in (1, 5)}
            for side in ("ours", "theirs")
        },
        "evidence": list(dataset.evidence),
        "together": list(dataset.together),
        "worst": [_line(one) for one in dataset.worst],
        "inputs_differing": dataset.layers(len(run.comparison.layers)).tolist(),
        "rates": _rates(dataset.inputs),
        "map": _map(run.comparison.layers, dataset.inputs),
    }


def _line(one: InputResult) -> dict[str, Any]:
    return {
        "number": one.number,
        "input": one.name,
        "mismatches": one.mismatches,
        "elements": one.elements,
        "max_abs_diff": one.max_abs if math.isfinite(one.max_abs) else None,
        "command": one.command,
    }


def _share(dataset: Dataset, side: str, first: int) -> float | None:
    found = dataset.right(side, first)
    return None if found is None else found[0] / found[1]


def _rates(inputs: Sequence[InputResult]) -> list[dict[str, Any]]:
    """How many inputs have which share of elements that differ, in bins of equal ratios."""
    edges = [0.0, *(10 ** (n / _BINS) for n in range(_SMALLEST * _BINS, 1))]
    found = np.array([one.rate for one in inputs])
    counts = [int((found == 0).sum())]
    counts += np.histogram(found[found > 0], [*edges[:-1], 1.0])[0].tolist()
    tops = [0.0, *edges[1:]]
    bottoms = [0.0, *edges[:-1]]
    return [
        {"from": bottom, "to": top, "inputs": count}
        for bottom, top, count in zip(bottoms, tops, counts, strict=True)
    ]


def _map(layers: Sequence[LayerDiff], inputs: Sequence[InputResult]) -> dict[str, Any]:
    """The share of elements that differ by layer and input, in percent; many inputs share columns.

    Only of layers that differ in some input. ``made`` is what is made there, or at or before it.
    """
    step = -(-len(inputs) // MAP_COLUMNS)
    columns = -(-len(inputs) // step)
    found = {name: np.zeros((len(layers), columns)) for name in ("made", "chained")}
    for place, one in enumerate(inputs):
        for name, table in found.items():
            counts: Array = getattr(one, name)
            table[counts[:, 0], place // step] += counts[:, 1]
    within = np.bincount(np.arange(len(inputs)) // step, minlength=columns)
    shown = [i for i in range(len(layers)) if any(table[i].any() for table in found.values())]
    return {
        "inputs_in_a_column": step,
        "layers": shown,
        **{
            name: [
                [
                    float(f"{share:.3g}")
                    for share in 100 * table[i] / (layers[i].elements / len(inputs)) / within
                ]
                for i in shown
            ]
            for name, table in found.items()
        },
    }
