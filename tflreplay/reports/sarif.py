"""The check's findings as SARIF 2.1.0, which code hosts show beside a change."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tflreplay import __version__
from tflreplay.ground.engine import Engine
from tflreplay.model import Model
from tflreplay.tools.check import RULES, Finding, Severity

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.HINT: "note"}


def render(found: Sequence[Finding], model: Model, engines: Sequence[Engine]) -> str:
    """The file's text: one run, with every rule, and a result for each finding."""
    driver = {
        "name": "tflreplay check",
        "version": __version__,
        "rules": [
            {
                "id": rule.name,
                "shortDescription": {"text": rule.why or rule.name},
                "help": {"text": rule.todo or "see the finding"},
                "defaultConfiguration": {"level": _LEVELS[rule.severity]},
            }
            for rule in RULES
        ],
    }
    names = [rule.name for rule in RULES]
    run = {
        "tool": {"driver": driver},
        "results": [_result(one, names, model) for one in found],
        "columnKind": "unicodeCodePoints",
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


def _result(one: Finding, names: Sequence[str], model: Model) -> dict[str, Any]:
    engines = f" ({', '.join(one.engines)})" if one.engines else ""
    words = filter(None, (f"{one.place}: {one.what}{engines}.", one.why, one.todo))
    return {
        "ruleId": one.rule,
        "ruleIndex": names.index(one.rule),
        "level": _LEVELS[one.severity],
        "message": {"text": " ".join(words)},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": model.path.as_posix()}},
                "logicalLocations": [{"name": one.place}],
            }
        ],
    }
