"""Overlays for Model Explorer: what differs, and why, coloured in the model's graph.

A file is what it calls node data, in the form keyed by graph, and holds one overlay
(``model_explorer.node_data_builder`` documents it). Nodes are found by an output tensor's name. One
that is empty, or that other tensors have too, gives way to the op index: a node's id where the
model was read by the adapter for flatbuffers, the default one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import cycle
from typing import Any

from tflreplay.ground.words import printable
from tflreplay.judgement.comparison import LayerDiff
from tflreplay.judgement.run import Run
from tflreplay.model import Model

# Okabe and Ito's colours, some of them lightened; the label on one is black or white.
_STATUS = {
    "exact": "#a6dccb",
    "within tolerance": "#d3ede5",
    "inherited": "#fbe4b3",
    "at or before": "#f2b661",
    "not replayed": "#ddd3da",
    "not read": "#ddd3da",
    "not dumped": "#eeeeee",
}
# One for each answer in turn: a group of nodes counts those of a colour together.
_ANSWERS = ("#d55e00", "#0072b2", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442")
# Up to how many elements, and their colour.
_COUNTS = ((0, "#a6dccb"), (10, "#fbe4b3"), (1000, "#f2b661"), (2**53, "#d55e00"))


def mismatches(run: Run) -> str:
    """How many elements of each layer differ; a layer that was not compared has no value."""
    counts: Counter[str] = Counter()
    for key, layer in _nodes(run):
        if layer.main is not None:
            counts[key] += layer.main.mismatches
    mode = run.modes[0] if run.modes else "isolated"
    return _dumps(
        run.model,
        {
            "name": f"tflreplay: elements that differ, {mode}",
            "results": {key: {"value": count} for key, count in counts.items()},
            "thresholds": [{"value": top, "bgColor": colour} for top, colour in _COUNTS],
        },
    )


def verdicts(run: Run) -> str:
    """What explains each layer, or else its status."""
    said: dict[str, str] = {}
    for key, layer in _nodes(run):
        # Of several outputs of an op that has no name of its own, the first that is not exact.
        if said.get(key, "exact") == "exact":
            said[key] = printable(_verdict(run, layer))
    answers = dict.fromkeys(value for value in said.values() if value not in _STATUS)
    colours = dict(zip(answers, cycle(_ANSWERS), strict=False)) | _STATUS
    return _dumps(
        run.model,
        {
            "name": "tflreplay: verdict",
            "results": {
                key: {"value": value, "bgColor": colours[value]} for key, value in said.items()
            },
            "showExpandedSummaryOnGroupNode": True,
            "showLabelCountColumnsInChildrenStatsTable": True,
        },
    )


def _verdict(run: Run, layer: LayerDiff) -> str:
    found = run.verdicts.get(layer.op_index)
    if layer.kind not in ("own", "mismatch"):
        return layer.kind
    return found.answer if found is not None else layer.status


def _nodes(run: Run) -> Iterator[tuple[str, LayerDiff]]:
    """Each layer with what finds its node."""
    names = Counter(tensor.name for tensor in run.model.main.tensors)
    for layer in run.comparison.layers:
        name = layer.tensor.name
        yield name if name and names[name] == 1 else str(layer.op_index), layer


def _dumps(model: Model, overlay: Mapping[str, Any]) -> str:
    return json.dumps({graph_id(model): overlay}, separators=(",", ":"), allow_nan=False)


def graph_id(model: Model) -> str:
    """What Model Explorer calls the main subgraph: its name, its signature, or ``main``."""
    signature = next((found.key for found in model.signatures if found.subgraph == 0), "")
    return model.main.name or signature or "main"
