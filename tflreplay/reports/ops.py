"""Which ops are replayed, and what every tool does with them: what ``tflreplay ops`` prints."""

from __future__ import annotations

import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from tabulate import tabulate

from tflreplay.ground.engine import Engine
from tflreplay.ground.words import short
from tflreplay.model import Operator, Subgraph
from tflreplay.ops import home, site
from tflreplay.runtimes import RUNTIMES
from tflreplay.tools.ops import Citizen, ModelOps, engines

_WIDTH = 96
_INDENT = 25  # RESIZE_NEAREST_NEIGHBOR and two spaces
_OP_WIDTH = 40  # custom ops have longer names
_SHOWN = 8  # ops named with a reason
_REASON_WIDTH = 400
# What is said of an op, each in so many characters.
_COLUMNS = {
    "op": 30,
    "explain": 9,
    "mistakes": 10,
    "apart": 8,
    "probe": 7,
    "extract": 9,
    "file": 0,
}
_LEGEND = """\
Where no engine is named, all of them. * under the conditions that `tflreplay rules` shows."""
_TOOLS = """\
What else is done with them. explain: an element can be told step by step. mistakes: how many
kinds of porting mistakes are tried on it. apart: how `discriminate` finds inputs that tell
rules apart: solved for, from all pairs of codes, or at random. probe: an engine can be asked
for its rule. extract: it can be cut out as a port kit. All that is known of an op stands in its
file below tflreplay/ops."""


def render(citizens: Sequence[Citizen], engine: Engine) -> str:
    """Each op with its types, those of all the runtime's engines first; then what tools do."""
    names = [one.name for one in engines(engine)]
    return "\n\n".join(
        [
            f"Replayed of {_title(engine)} ({', '.join(names)}), by the type of the activations:",
            "\n".join(_paragraph(citizen, names) for citizen in citizens),
            _LEGEND,
            _TOOLS,
            "\n".join(map(_aligned, [tuple(_COLUMNS), *map(_tools, citizens)])),
        ]
    )


def _paragraph(citizen: Citizen, engines: Sequence[str]) -> str:
    types: dict[str, list[str]] = defaultdict(list)
    for dtype, takers in citizen.takers.items():
        types["" if list(takers) == list(engines) else ", ".join(takers)].append(dtype)
    groups = (
        f"{takers}{': ' if takers else ''}{', '.join(names)}"
        for takers, names in sorted(types.items())
    )
    return textwrap.fill(
        "; ".join(groups),
        _WIDTH,
        initial_indent=citizen.op.ljust(_INDENT),
        subsequent_indent=" " * _INDENT,
    )


def _aligned(cells: Sequence[str]) -> str:
    return "".join(map(str.ljust, cells, _COLUMNS.values()))


def _tools(citizen: Citizen) -> tuple[str, ...]:
    return (
        citizen.op,
        "yes" if citizen.explained else "-",
        str(citizen.mistakes or "-"),
        citizen.told_apart or "-",
        "yes" if citizen.probed else "-",
        "yes" if citizen.extracted else "-",
        home(citizen.op),
    )


def render_model(found: ModelOps, engine: Engine) -> str:
    """The model's ops with counts and types, and whether each engine's tables have them."""
    reasons = {
        name: [short(reason, _REASON_WIDTH) for reason in texts]
        for name, texts in found.reasons.items()
    }
    counts = Counter(
        (short(op.name, _OP_WIDTH), op.version, site(engine, graph, op).dtype, *map(bool, missing))
        for (graph, op), *missing in zip(found.ops, *reasons.values(), strict=True)
    )
    table = tabulate(
        [
            (op, version, dtype, count, *("no" if one else "yes" for one in missing))
            for (op, version, dtype, *missing), count in sorted(counts.items())
        ],
        ("op", "version", "type", "ops", *reasons),
        "simple",
        colalign=("left", "right", "left", "right", *("left" for _ in reasons)),
        disable_numparse=True,
    )
    replayed = ", ".join(f"{texts.count('')} {name}" for name, texts in reasons.items())
    verdict = f"{len(found.ops)} ops; of {_title(engine)} are replayed: {replayed}"
    return "\n\n".join([table, *_not_replayed(found.ops, reasons), verdict])


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


def _title(engine: Engine) -> str:
    return f"{RUNTIMES[engine.runtime].title} {engine.version}"
