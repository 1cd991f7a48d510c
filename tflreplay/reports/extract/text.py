"""What the files of a port kit say in the same words."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from tflreplay.ground.words import printable
from tflreplay.ops import card
from tflreplay.reports import markdown
from tflreplay.runtimes import RUNTIMES
from tflreplay.tools.extract import PortKit


@cache
def environment() -> Environment:
    """Templates of plain text: what comes from a model goes through a filter."""
    made = Environment(
        loader=PackageLoader("tflreplay.reports"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["comment"] = _comment
    made.filters["code"] = markdown.code
    made.filters["text"] = markdown.text
    return made


def against(kit: PortKit) -> str:
    """Who computed the layer: ``LiteRT 2.3.0 (reference kernels)``."""
    title = RUNTIMES[kit.engine.runtime].title
    return f"{title} {kit.engine.version} ({kit.engine.name} kernels)"


def formula(layer: Mapping[str, Any]) -> str:
    """How an accumulator becomes a code."""
    found = layer["requantization"]
    if found is None:
        return ""
    low, high = found["clamp"]
    rule = layer["rule"]["name"]
    return f"output = clamp({rule}(acc, multiplier) + {found['zero_point']}, {low}, {high})"


def rescaled(layer: Mapping[str, Any]) -> list[str]:
    """What each of the layer's rescales is of."""
    return [*card(layer["op"]).rescales][: len(layer["rescales"])]


def _comment(text: str) -> str:
    """In a C comment, which the text must not end, nor seem to begin."""
    return printable(text).replace("*/", "* /").replace("/*", "/ *")
