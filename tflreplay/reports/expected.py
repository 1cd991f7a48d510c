"""Whether a run is what was expected of it: in words, and for ``report.json``."""

from __future__ import annotations

import textwrap
from typing import Any

from tflreplay.ground.words import printable
from tflreplay.judgement.comparison import LayerDiff
from tflreplay.judgement.run import Run, differing

WIDTH = 80
SHOWN = 10  # layers told one by one


def render(run: Run) -> str:
    """The headline, and a line for each layer to blame."""
    lines = [headline(run)]
    lines += [
        f"input {printable(step.tensor.label)}: {blame(run, step.layer)}"
        for step in run.failed_inputs
    ]
    lines += [
        f"op {layer.op_index} {layer.op}: {blame(run, layer)}" for layer in run.failed[:SHOWN]
    ]
    if len(run.failed) > SHOWN:
        lines.append(f"... and {len(run.failed) - SHOWN} more: see junit.xml")
    if run.changed_too_often:
        lines.append(_changed(run))
    return "\n".join(textwrap.fill(line, WIDTH, subsequent_indent="  ") for line in lines)


def headline(run: Run) -> str:
    """Whether all is as expected, on one line; empty where nothing was asked."""
    if run.asked.expectations is None:
        return ""
    by = f"by {run.asked.expectations.source}"
    if run.failed or run.failed_inputs or run.changed_too_often:
        places = [_layers(len(run.failed))] if run.failed else []
        places += ["the step before the graph"] if run.failed_inputs else []
        places += ["the classes"] if run.changed_too_often else []
        text = f"NOT AS EXPECTED {by} in {' and '.join(places)}"
    elif run.unjudged:
        text = f"NOT COMPARED in {_layers(len(run.unjudged))} of which something is expected {by}"
    else:
        differ = [layer for layer in run.comparison.layers if layer.main and not layer.main.exact]
        text = f"AS EXPECTED {by}, which tolerates {_layers(len(differ))}"
    return printable(text)


def blame(run: Run, layer: LayerDiff) -> str:
    """How a layer differs, and what was expected: ``..., by up to 3; expected max_abs<=1``."""
    inherits = layer.main is not None and layer.main.exact
    diff = layer.chained if inherits else layer.main
    if diff is None:
        return layer.reason
    text = f"{differing(diff)}, by up to {diff.max_abs:g}{', all inherited' if inherits else ''}"
    if run.asked.expectations is not None:
        text += f"; expected {run.asked.expectations.of(layer).text}"
    return printable(text)


def _changed(run: Run) -> str:
    assert run.dataset is not None
    assert run.asked.expectations is not None
    changed, inputs = len(run.dataset.changed), len(run.dataset.inputs)
    expected = run.asked.expectations.changed
    return f"the class changes in {changed:,} of {inputs:,} inputs; expected changed<={expected}"


def document(run: Run) -> dict[str, Any] | None:
    """For ``report.json``; None where nothing was asked."""
    if run.asked.expectations is None:
        return None
    return {
        "source": run.asked.expectations.source,
        "met": not (run.failed or run.failed_inputs or run.changed_too_often or run.unjudged),
        "failed": [_key(run, layer) for layer in run.failed],
        "not_compared": [_key(run, layer) for layer in run.unjudged],
    }


def _key(run: Run, layer: LayerDiff) -> dict[str, Any]:
    assert run.asked.expectations is not None
    expected = run.asked.expectations.of(layer).text
    return {"op_index": layer.op_index, "tensor": layer.tensor.index, "expected": expected}


def _layers(count: int) -> str:
    return f"{count} layer{'' if count == 1 else 's'}"
