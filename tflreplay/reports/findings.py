"""What the check found: terminal text, Markdown and JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tflreplay import __version__
from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import OutputError
from tflreplay.ground.files import check_files, write_files
from tflreplay.ground.words import printable, series
from tflreplay.judgement.measured import arithmetic
from tflreplay.judgement.suspects import ranges
from tflreplay.model import Model
from tflreplay.reports import sarif
from tflreplay.reports.markdown import code, text
from tflreplay.tools.check import Finding, Severity

# 1: the first.
FORMAT_VERSION = 1
_WIDTH = 96
_INDENT = 10


def render(found: Sequence[Finding], model: Model, engines: Sequence[Engine]) -> str:
    """The findings, those of one kind together, and how many there are."""
    parts = [_paragraph(alike) for alike in _kinds(found)]
    return "\n\n".join([*parts, headline(found, model, engines)])


def _kinds(found: Sequence[Finding]) -> list[list[Finding]]:
    """Findings that are told in one paragraph: they differ by their operator at most."""
    kinds: dict[tuple[object, ...], list[Finding]] = {}
    for one in found:
        key = (one.rule, one.severity, one.engines, one.subgraph, one.op, one.what, one.why)
        kinds.setdefault(key, []).append(one)
    return list(kinds.values())


def _place(alike: Sequence[Finding]) -> str:
    first = alike[0]
    if len(alike) == 1 or first.op_index is None:
        return first.place
    numbers = ranges([one.op_index for one in alike if one.op_index is not None])
    inner = f"subgraph {first.subgraph} " if first.subgraph else ""
    return f"{inner}{len(alike)} ops {first.op} ({numbers})"


def _paragraph(alike: Sequence[Finding]) -> str:
    one = alike[0]
    engines = f" ({', '.join(one.engines)})" if one.engines else ""
    title = f"{one.severity}: {_place(alike)}: {one.what}{engines} [{one.rule}]"
    lines = [_filled(title, then="    ")]
    for name, words in (("why", one.why), ("do", one.todo), ("source", one.source)):
        if words:
            lines.append(_filled(words, f"  {name}".ljust(_INDENT), " " * _INDENT))
    return "\n".join(lines)


def _filled(words: str, first: str = "", then: str = "") -> str:
    return textwrap.fill(
        printable(words),
        _WIDTH,
        initial_indent=first,
        subsequent_indent=then,
        break_on_hyphens=False,
    )


def headline(found: Sequence[Finding], model: Model, engines: Sequence[Engine]) -> str:
    """How many of each severity, and what was checked."""
    counts = [
        f"{count} {severity}{'' if count == 1 else 's'}"
        for severity in reversed(Severity)
        if (count := sum(one.severity is severity for one in found))
    ]
    asked = series([arithmetic(engine) for engine in engines])
    return _filled(f"{model.path.name}: {series(counts) or 'nothing found'}, for the {asked}")


def markdown(found: Sequence[Finding], model: Model, engines: Sequence[Engine]) -> str:
    """The same as a table."""
    lines = [f"**{text(' '.join(headline(found, model, engines).split()))}**", ""]
    if found:
        lines += ["| severity | where | what | why | what to do |", "|---|---|---|---|---|"]
    for alike in _kinds(found):
        one = alike[0]
        what = f"{one.what} ({', '.join(one.engines)})" if one.engines else one.what
        cells = (str(one.severity), _place(alike), what, one.why, one.todo)
        lines.append(f"| {' | '.join(map(text, cells))} |")
    facts = f"model {code(model.path.name)}, sha256 {code(model.sha256)}; tflreplay {__version__}"
    return "\n".join([*lines, "", facts, ""])


def document(found: Sequence[Finding], model: Model, engines: Sequence[Engine]) -> dict[str, Any]:
    """Everything as plain dicts, lists, strings and numbers."""
    return {
        "format_version": FORMAT_VERSION,
        "tflreplay_version": __version__,
        "model": {"path": str(model.path), "sha256": model.sha256},
        "engines": [
            {
                "name": str(engine),
                "runtime": engine.runtime,
                "version": engine.version,
                "machine": str(engine.machine),
            }
            for engine in engines
        ],
        "counts": {
            str(severity): sum(one.severity is severity for one in found)
            for severity in reversed(Severity)
        },
        "findings": [
            {
                "rule": one.rule,
                "severity": str(one.severity),
                "subgraph": one.subgraph,
                "op_index": one.op_index,
                "op": one.op or None,
                "engines": list(one.engines),
                "what": one.what,
                "why": one.why,
                "todo": one.todo,
                "source": one.source or None,
            }
            for one in found
        ],
    }


def _json(found: Sequence[Finding], model: Model, engines: Sequence[Engine]) -> str:
    return json.dumps(document(found, model, engines), indent=1) + "\n"


_TEXTS: dict[str, Callable[[Sequence[Finding], Model, Sequence[Engine]], str]] = {
    ".json": _json,
    ".sarif": sarif.render,
    ".md": markdown,
}


def check(path: Path, overwrite: bool) -> None:
    """Raise the :class:`OutputError` of a file that :func:`write` would refuse."""
    if path.suffix.lower() not in _TEXTS:
        raise OutputError(f"{path}: give a name that ends in {', '.join(_TEXTS)}")
    check_files(path.parent, [path.name], overwrite)


def write(
    path: Path,
    found: Sequence[Finding],
    model: Model,
    engines: Sequence[Engine],
    overwrite: bool,
) -> None:
    """JSON, SARIF or Markdown, by the name of the file.

    Raises:
        OutputError: the file exists and ``overwrite`` is not set, or it cannot be written.
    """
    told = _TEXTS[path.suffix.lower()](found, model, engines)

    def fill(scratch: Path) -> None:
        (scratch / path.name).write_text(told, "utf-8", errors="backslashreplace")

    write_files(path.parent, [path.name], fill, overwrite)
