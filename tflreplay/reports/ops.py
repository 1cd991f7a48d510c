"""Which ops are replayed: what ``tflreplay ops`` prints, for all engines of a runtime.

It comes from the tables alone. A kernel may still refuse a request that its engine answers wrongly;
the replay then says so.
"""

from __future__ import annotations

import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from tabulate import tabulate

from tflreplay.arithmetic import Arithmetic, activation_dtype, arithmetic, rows
from tflreplay.ground.engine import Engine
from tflreplay.ground.words import short
from tflreplay.model import Model, Operator, Subgraph
from tflreplay.replayer.loop import failure
from tflreplay.runtimes import RUNTIMES

_WIDTH = 96
_INDENT = 25  # RESIZE_NEAREST_NEIGHBOR and two spaces
_OP_WIDTH = 40  # custom ops have longer names
_SHOWN = 8  # ops named with a reason
_REASON_WIDTH = 400
_LEGEND = """\
Where no engine is named, all of them. * under the conditions that `tflreplay rules` shows."""
# The order in which types are listed; others follow by name.
_ORDER = ("int8", "uint8", "int16", "int32", "int64", "bool", "float16", "float32")


def render(engine: Engine) -> str:
    """Each op with its types, those of all the runtime's engines first, then by engine."""
    engines = _engines(engine)
    ops = sorted({row.op for one in engines for row in rows(one) if row.in_version(one)})
    title = f"Replayed of {_title(engine)} ({', '.join(one.name for one in engines)}),"
    return "\n\n".join(
        [
            f"{title} by the type of the activations:",
            "\n".join(_paragraph(op, engines) for op in ops),
            _LEGEND,
        ]
    )


def _paragraph(op: str, engines: Sequence[Engine]) -> str:
    types: dict[str, list[str]] = defaultdict(list)
    for name in _types(op, engines):
        types[_takers(op, name, engines)].append(name)
    groups = (
        f"{takers}{': ' if takers else ''}{', '.join(names)}"
        for takers, names in sorted(types.items())
    )
    return textwrap.fill(
        "; ".join(groups),
        _WIDTH,
        initial_indent=op.ljust(_INDENT),
        subsequent_indent=" " * _INDENT,
    )


def _types(op: str, engines: Sequence[Engine]) -> list[str]:
    names = {name for engine in engines for row in _rows(op, engine) for name in row.types}
    listed = [name for name in _ORDER if name in names]
    return listed + sorted(names - set(listed))


def _rows(op: str, engine: Engine) -> list[Arithmetic]:
    return [row for row in rows(engine) if row.op == op and row.in_version(engine)]


def _takers(op: str, dtype: str, engines: Sequence[Engine]) -> str:
    """The engines that replay the op on the type; empty for all of them."""
    takers = []
    for engine in engines:
        taken = [row for row in _rows(op, engine) if row.takes(dtype)]
        if taken:
            takers.append(engine.name + ("*" if all(row.when for row in taken) else ""))
    return "" if takers == [engine.name for engine in engines] else ", ".join(takers)


def render_model(model: Model, engine: Engine) -> str:
    """The model's ops with counts and types, and whether each engine's tables have them."""
    engines = _engines(engine)
    ops = [(graph, op) for graph in model.subgraphs for op in graph.operators]
    reasons = {one.name: [_reason(one, graph, op) for graph, op in ops] for one in engines}
    counts = Counter(
        (short(op.name, _OP_WIDTH), op.version, activation_dtype(graph, op), *map(bool, found))
        for (graph, op), *found in zip(ops, *reasons.values(), strict=True)
    )
    table = tabulate(
        [
            (op, version, dtype, count, *("no" if missing else "yes" for missing in found))
            for (op, version, dtype, *found), count in sorted(counts.items())
        ],
        ("op", "version", "type", "ops", *reasons),
        "simple",
        colalign=("left", "right", "left", "right", *("left" for _ in reasons)),
        disable_numparse=True,
    )
    replayed = ", ".join(f"{found.count('')} {name}" for name, found in reasons.items())
    verdict = f"{len(ops)} ops; of {_title(engine)} are replayed: {replayed}"
    return "\n\n".join([table, *_not_replayed(ops, reasons), verdict])


def _reason(engine: Engine, graph: Subgraph, op: Operator) -> str:
    """Why the engine's op is not replayed; empty where it is."""
    try:
        arithmetic(engine, graph, op)
    except Exception as error:  # one broken op must not take the others' rows away
        return short(failure(op, error), _REASON_WIDTH)
    return ""


def _not_replayed(
    ops: Sequence[tuple[Subgraph, Operator]], reasons: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    """A sentence for each reason, with its ops."""
    places: dict[str, list[str]] = defaultdict(list)
    for found in reasons.values():
        for (graph, op), reason in zip(ops, found, strict=True):
            if reason:
                where = f" of subgraph {graph.index}" if graph.index else ""
                places[reason].append(f"#{op.index}{where}")
    for reason, named in places.items():
        shown = ", ".join(named[:_SHOWN]) + (", ..." if len(named) > _SHOWN else "")
        yield textwrap.fill(f"Not replayed: {shown}: {reason}", _WIDTH, subsequent_indent="  ")


def _engines(engine: Engine) -> list[Engine]:
    return [replace(engine, name=name) for name in RUNTIMES[engine.runtime].engines]


def _title(engine: Engine) -> str:
    return f"{RUNTIMES[engine.runtime].title} {engine.version}"
