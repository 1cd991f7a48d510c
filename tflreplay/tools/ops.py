"""``tflreplay ops``: which ops are replayed, in which engines, and what every tool does with them.

It comes from the cards alone; what is replayed of a model, from a trial of each of its ops.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tflreplay.ground.engine import Engine
from tflreplay.judgement.diagnosis.mistakes import tried_on
from tflreplay.model import Model, Operator, Subgraph
from tflreplay.ops import CARDS, LAYERS, Card
from tflreplay.ops.base.row import NotModelled, Row
from tflreplay.replayer.trial import Trial, try_ops
from tflreplay.runtimes import RUNTIMES
from tflreplay.tools.probe.cases import cases

# The order in which types are listed; others follow by name.
_ORDER = ("int8", "uint8", "int16", "int32", "int64", "bool", "float16", "float32")


@dataclass(frozen=True)
class Citizen:
    """What is done with one op.

    ``takers`` holds for each type of activations the engines that replay it; one with an asterisk
    does so under conditions. ``mistakes`` counts the kinds of porting mistakes that are tried on
    it. ``told_apart`` says how inputs are found that tell its candidates apart; it is empty where
    there is one way only to compute the op.
    """

    op: str
    takers: Mapping[str, tuple[str, ...]]
    explained: bool
    mistakes: int
    told_apart: str
    probed: bool
    extracted: bool


def engines(engine: Engine) -> list[Engine]:
    """All engines of its runtime and version."""
    return [replace(engine, name=name) for name in RUNTIMES[engine.runtime].replayed]


def citizens(engine: Engine) -> tuple[Citizen, ...]:
    """Every op that an engine of this runtime and version replays, by name."""
    probed = {op.name for op in cases().model.main.operators}
    return tuple(
        Citizen(
            op,
            takers,
            card.explained,
            len(tried_on(card)),
            _told_apart(card),
            op in probed,
            card.extracted,
        )
        for op, card in sorted(CARDS.items())
        if (takers := _takers(card, engines(engine)))
    )


def _takers(card: Card, engines: Sequence[Engine]) -> dict[str, tuple[str, ...]]:
    by_engine = {engine.name: _entries(card, engine) for engine in engines}
    rows = [entry for entries in by_engine.values() for entry in entries if isinstance(entry, Row)]
    names = {name for row in rows for name in row.types}
    listed = [name for name in _ORDER if name in names]
    return {
        dtype: tuple(
            engine + ("*" if _conditional(taken) else "")
            for engine, entries in by_engine.items()
            if (taken := [entry for entry in entries if entry.takes(dtype)])
            and any(isinstance(entry, Row) for entry in taken)
        )
        for dtype in listed + sorted(names - set(listed))
    }


def _entries(card: Card, engine: Engine) -> list[Row | NotModelled]:
    every = (entry for table in LAYERS[engine.name] for entry in card.entries(table))
    return [entry for entry in every if entry.is_of(engine)]


def _conditional(entries: Sequence[Row | NotModelled]) -> bool:
    """True where some operators are not replayed."""
    return all(entry.when for entry in entries) or any(
        isinstance(entry, NotModelled) for entry in entries
    )


def _told_apart(card: Card) -> str:
    rows = list(card.rows())
    if not any(row.rule for row in rows):
        return ""
    if card.fields is not None:
        return "solved"
    return "pairs" if any(row.pairwise for row in rows) else "random"


@dataclass(frozen=True)
class ModelOps:
    """A model's operators, and whether each engine's arithmetic replays them."""

    ops: Sequence[tuple[Subgraph, Operator]]
    trials: Mapping[str, Sequence[Trial]]


def of_model(model: Model, engine: Engine) -> ModelOps:
    """The operators of all subgraphs, by every engine of the runtime."""
    ops = [(graph, op) for graph in model.subgraphs for op in graph.operators]
    found = {one.name: try_ops(model, one) for one in engines(engine)}
    return ModelOps(
        ops,
        {name: [one[graph.index, op.index] for graph, op in ops] for name, one in found.items()},
    )
