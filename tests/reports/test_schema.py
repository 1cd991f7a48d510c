"""docs/report.schema.json says what is in a report.json, and all of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.reports.synthetic import Capture, Layer, few_layers, make_run
from tflreplay.judgement.expectations import Expectations
from tflreplay.judgement.run import Asked
from tflreplay.model import Model
from tflreplay.reports import json_report
from tflreplay.runtimes.inputs import Inputs
from tflreplay.tools.replay import run

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs" / "report.schema.json").read_text(encoding="utf-8")
)
TYPES = {
    "object": {dict},
    "array": {list},
    "string": {str},
    "integer": {int},
    "number": {int, float},
    "boolean": {bool},
    "null": {type(None)},
}
KEYWORDS = {
    "$ref", "$schema", "$defs", "title", "description", "type", "properties", "required", "items",
    "enum", "const", "anyOf", "additionalProperties",
}  # fmt: skip


def problems(value: Any, schema: dict[str, Any], where: str = "") -> Iterator[str]:
    """What is not as the schema says, or is there and not described."""
    assert set(schema) <= KEYWORDS
    if "$ref" in schema:
        yield from problems(value, SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], where)
    if "anyOf" in schema:
        tried = [list(problems(value, option, where)) for option in schema["anyOf"]]
        if all(tried):
            yield min(tried, key=len)[0]
    if "type" in schema:
        names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if not any(type(value) in TYPES[name] for name in names):
            yield f"{where}: {value!r} is not {names}"
            return
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        yield f"{where}: {value!r} is not allowed"
    if isinstance(value, dict) and "type" in schema:
        described = schema.get("properties", {})
        yield from (f"{where}: no {key}" for key in schema.get("required", ()) if key not in value)
        for key, inner in value.items():
            if key in described:
                yield from problems(inner, described[key], f"{where}.{key}")
            elif "additionalProperties" in schema:
                yield from problems(inner, schema["additionalProperties"], f"{where}.{key}")
            else:
                yield f"{where}: {key} is not described"
    if isinstance(value, list):
        for number, inner in enumerate(value):
            yield from problems(inner, schema["items"], f"{where}[{number}]")


def report_of(found: Any) -> Any:
    return json.loads(json_report.dumps(found))


def test_made_up_reports() -> None:
    real = np.ones((1, 4), np.float32)
    wild = Layer("EXP", "", real, np.array([[1, np.nan, np.inf, 1]], np.float32))
    for found in (
        make_run(few_layers()),
        replace(make_run(few_layers()), asked=Asked(expectations=Expectations("exact"))),
        make_run([wild], Capture(missing={3: "not preserved"}, problems=("x does not fit",))),
        make_run([], Capture(failure="died at op 3")),
    ):
        assert list(problems(report_of(found), SCHEMA)) == []


@pytest.mark.parametrize("replay_as", [None, "single"])
def test_a_real_report(seven_ops: Model, seven_inputs: Inputs, replay_as: str | None) -> None:
    found = run(seven_ops, seven_inputs, replay_as=replay_as)
    assert bool(found.verdicts) == (replay_as == "single")
    assert list(problems(report_of(found), SCHEMA)) == []


def test_what_is_wrong_is_found() -> None:
    report = report_of(make_run(few_layers()))
    report["format_version"] = 1
    report["surprise"] = 1
    del report["command"]
    report["layers"][1]["isolated"]["mismatches"] = "3"
    report["layers"][0]["output"]["quantization"] = {"scale": 1.0}
    found = [problem.partition(": ") for problem in problems(report, SCHEMA)]
    assert found[0][2] == "no command"
    assert [where for where, _, _ in found[1:4]] == [
        ".format_version",
        ".layers[0].output.quantization",
        ".layers[1].isolated.mismatches",
    ]
    assert found[4][2] == "surprise is not described"
    assert len(found) == 5
