"""Which ops are replayed, and what every tool does with them: what ``tflreplay ops`` prints."""

from __future__ import annotations

import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from tabulate import tabulate

from tflreplay.ground.engine import Engine
from tflreplay.ground.machine import on
from tflreplay.ground.words import short
from tflreplay.ops import home, site
from tflreplay.replayer.trial import Trial
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
_DEPENDS = """
Tried on random inputs; what depends on the inputs may be replayed with others."""
_TOOLS = """\
What else is done with them. explain: an element can be told step by step. mistakes: how many
kinds of porting mistakes are tried on it. apart: how `discriminate` finds inputs that tell
rules apart: solved for, from all pairs of codes, or at random. probe: an engine can be asked
for its rule. extract: it can be cut out as a port kit. All that is known of an op stands in its
file below tflreplay/ops."""


def render(citizens: Sequence[Citizen], engine: Engine) -> str:
    """Each op with its types, those of all the runtime's engines first; then what tools do."""
    names = [one.name for one in engines(engine)]
    title = f"Replayed of {_title(engine)} ({', '.join(names)}), by the type of the activations:"
    return "\n\n".join(
        [
            textwrap.fill(title, _WIDTH),
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
        initial_indent=f"{_name(citizen.op).ljust(_INDENT - 1)} ",
        subsequent_indent=" " * _INDENT,
    )


def _name(op: str) -> str:
    """A custom op goes by its own name."""
    return op.removeprefix("CUSTOM:")


def _aligned(cells: Sequence[str]) -> str:
    return "".join(map(str.ljust, cells, _COLUMNS.values()))


def _tools(citizen: Citizen) -> tuple[str, ...]:
    return (
        _name(citizen.op),
        "yes" if citizen.explained else "-",
        str(citizen.mistakes or "-"),
        citizen.told_apart or "-",
        "yes" if citizen.probed else "-",
        "yes" if citizen.extracted else "-",
        home(citizen.op),
    )


def render_model(found: ModelOps, engine: Engine) -> str:
    """The model's ops with counts and types, and whether each engine's arithmetic replays them."""
    counts = Counter(
        (short(op.name, _OP_WIDTH), op.version, site(engine, graph, op).dtype, *map(_cell, trials))
        for (graph, op), *trials in zip(found.ops, *found.trials.values(), strict=True)
    )
    table = tabulate(
        [
            (op, version, dtype, count, *cells)
            for (op, version, dtype, *cells), count in sorted(counts.items())
        ],
        ("op", "version", "type", "ops", *found.trials),
        "simple",
        colalign=("left", "right", "left", "right", *("left" for _ in found.trials)),
        disable_numparse=True,
    )
    replayed = ", ".join(
        f"{sum(not trial.reason for trial in trials)} {name}"
        for name, trials in found.trials.items()
    )
    verdict = f"{len(found.ops)} ops; of {_title(engine)} are replayed: {replayed}"
    if any(trial.depends for trials in found.trials.values() for trial in trials):
        verdict += _DEPENDS
    return "\n\n".join([table, *_not_replayed(found), verdict])


def _cell(trial: Trial) -> str:
    if not trial.reason:
        return "yes"
    return "depends" if trial.depends else "no"


def _not_replayed(found: ModelOps) -> Iterator[str]:
    """A sentence for each reason, with its ops."""
    places: dict[Trial, list[str]] = defaultdict(list)
    for trials in found.trials.values():
        for (graph, op), trial in zip(found.ops, trials, strict=True):
            where = f"#{op.index}" + (f" of subgraph {graph.index}" if graph.index else "")
            if trial.reason and where not in places[trial]:
                places[trial].append(where)
    for trial, named in places.items():
        if named:
            shown = ", ".join(named[:_SHOWN]) + (", ..." if len(named) > _SHOWN else "")
            what = "Depends on the inputs" if trial.depends else "Not replayed"
            text = f"{what}: {shown}: {short(trial.reason, _REASON_WIDTH)}"
            yield textwrap.fill(text, _WIDTH, subsequent_indent="  ")


def _title(engine: Engine) -> str:
    return f"{RUNTIMES[engine.runtime].title} {engine.version}{on(engine.machine)}"
