"""Annotations as GitHub Actions reads them from a step's output.

It shows at most ten errors of a step, so the first says what there is to know.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from tflreplay.ground.words import printable
from tflreplay.judgement.run import Run
from tflreplay.reports.expected import blame

SHOWN = 9  # layers, below the verdict


def render(run: Run) -> str:
    """The verdict of a run that failed, and each of the first layers to blame, as an error each."""
    return "\n".join(_errors(run))


def _errors(run: Run) -> Iterator[str]:
    model = run.model.path.name
    yield error(f"tflreplay {model}", run.headline)
    for step in run.failed_inputs:
        yield error(f"tflreplay {model}: input {step.tensor.label}", step.text)
    made_here = (layer for layer in run.failed if layer.main and not layer.main.exact)
    for layer in islice(made_here, SHOWN):
        verdict = run.verdicts.get(layer.op_index)
        text = f"{blame(run, layer)}. {verdict.text if verdict is not None else ''}"
        yield error(f"tflreplay {model}: op {layer.op_index} {layer.op}", text.strip())


def error(title: str, text: str) -> str:
    """A workflow command; what would end its title or its line is escaped."""
    title = _escaped(title).replace(":", "%3A").replace(",", "%2C")
    return f"::error title={title}::{_escaped(text)}"


def _escaped(text: str) -> str:
    return printable(text).replace("%", "%25")
