"""An engine's arithmetic as a table: what ``tflreplay rules`` prints."""

from __future__ import annotations

from tabulate import tabulate

from tflreplay.arithmetic import LAYERS, rows
from tflreplay.engine import Engine
from tflreplay.kernels.call import Arithmetic

_COLUMNS = ("op", "types", "rule or algorithm", "multiplier", "where", "source")


def render(engine: Engine) -> str:
    """The rows in the order in which they are tried, those of the engine's version only."""
    lines = [
        (
            row.op,
            " ".join(row.types) if len(row.types) < 4 else f"{len(row.types)} types",
            row.rule or row.algorithm,
            row.multiplier,
            _condition(row),
            row.source,
        )
        for row in rows(engine)
        if row.in_version(engine)
    ]
    layers = " over ".join(LAYERS[engine.name])
    title = f"{engine.name} of {engine.runtime} {engine.version} ({layers})"
    return f"{title}\n\n{tabulate(lines, _COLUMNS, disable_numparse=True)}"


def _condition(row: Arithmetic) -> str:
    """The first sentence of the condition's docstring."""
    if row.when is None:
        return ""
    text = " ".join((row.when.__doc__ or row.when.__name__).split())
    return text.split(". ")[0].rstrip(".")
