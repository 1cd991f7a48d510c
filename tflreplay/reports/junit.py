"""``junit.xml``: a test case for each layer, for what shows test results.

Exact is passed, and so is within tolerance or as expected, with a note; a mismatch is a failure;
not replayed, read or dumped is skipped. A runtime that failed is an error of its own.
"""

from __future__ import annotations

from xml.etree import ElementTree as Xml

from tflreplay import __version__
from tflreplay.ground.words import printable
from tflreplay.judgement.comparison import LayerDiff
from tflreplay.judgement.run import Run, story
from tflreplay.reports.expected import blame


def render(run: Run) -> str:
    """The file's text. Test cases keep their names as long as the model is the same."""
    name = printable(run.model.path.stem)
    seconds = f"{sum(run.seconds.values()):.3f}"
    suites = Xml.Element("testsuites")
    suite = Xml.SubElement(suites, "testsuite", name=name, time=seconds)
    properties = Xml.SubElement(suite, "properties")
    for key, value in _properties(run).items():
        Xml.SubElement(properties, "property", name=key, value=printable(value))
    if run.capture.failure:
        case = Xml.SubElement(suite, "testcase", classname=name, name="the runtime")
        Xml.SubElement(case, "error", message=printable(run.capture.failure))
    for step in run.input_steps:
        title = f"input {printable(step.tensor.label)}, before the graph"
        case = Xml.SubElement(suite, "testcase", classname=name, name=title)
        if step in run.failed_inputs:
            failure = Xml.SubElement(
                case, "failure", type="mismatch", message=blame(run, step.layer)
            )
            failure.text = printable(step.text)
        elif step.status != "exact":
            Xml.SubElement(case, "system-out").text = printable(step.text)
    for layer in run.comparison.layers:
        title = f"op {layer.op_index} {printable(layer.op)}, tensor {layer.tensor.index}"
        _result(run, layer, Xml.SubElement(suite, "testcase", classname=name, name=title))
    counts = {"tests": "testcase", "failures": "failure", "errors": "error", "skipped": "skipped"}
    for attribute, tag in counts.items():
        suite.set(attribute, str(sum(1 for _ in suite.iter(tag))))
    Xml.indent(suites)
    text = Xml.tostring(suites, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'


def _properties(run: Run) -> dict[str, str]:
    return {
        "command": run.asked.command,
        "verdict": run.headline,
        "model_sha256": run.model.sha256,
        "tflreplay_version": __version__,
    }


def _result(run: Run, layer: LayerDiff, case: Xml.Element) -> None:
    verdict = run.verdicts.get(layer.op_index)
    text = story(layer)
    if layer.main is not None and not layer.main.exact and verdict is not None:
        text += f" {verdict.text}"
    if layer.main is None:
        Xml.SubElement(case, "skipped", message=printable(layer.reason))
    elif run.fails(layer):
        kind = "inherited" if layer.main.exact else "mismatch"
        failure = Xml.SubElement(case, "failure", type=kind, message=blame(run, layer))
        failure.text = printable(text)
    elif layer.status != "exact":
        Xml.SubElement(case, "system-out").text = printable(text)
