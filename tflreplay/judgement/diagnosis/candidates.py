"""The arithmetic that may have produced an op's output: every rule, every engine's algorithm."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import NotReplayed
from tflreplay.model import Operator, Subgraph
from tflreplay.ops import OWN_TABLES, Row, card, row_of, site

# Tried on every op that requantizes by a rule, in this order.
RULES_TRIED = (
    "double",
    "double-up",
    "single",
    "single-away",
    "reduced16",
    "float-away64",
    "float-even64",
    "float-up64",
    "float-away32",
    "float-even32",
    "float-up32",
)
# Of these, the ones that round the whole product once; they differ at ties and in precision.
ROUND_ONCE = tuple(n for n in RULES_TRIED if n not in ("double", "double-up", "reduced16"))


@dataclass(frozen=True)
class Candidate:
    """One arithmetic that is tried: a table row, perhaps with another rule in it.

    ``of`` is the engine that was run, where this is its row for the op.
    """

    name: str
    row: Row
    of: Engine | None = None


def candidates(
    engine: Engine, graph: Subgraph, op: Operator, ran: Engine | None = None
) -> tuple[Candidate, ...]:
    """What may have computed ``op``: the engine's own row first, then other engines', then rules.

    Where another engine is known to have been ``ran``, its row is the second. Empty for an op whose
    row only moves data and has no rival.

    Raises:
        NotReplayed: the engine's tables have no row for this op and type.
    """
    own = row_of(engine, graph, op)
    base = base_row(engine, graph, op)
    found = {row_key(own): Candidate(own.rule or own.algorithm, own)}
    if ran is not None:
        with suppress(NotReplayed):
            row = row_of(ran, graph, op)
            name = _name(ran, f"{ran.name} kernels on {ran.machine}", row, base)
            found.setdefault(row_key(row), Candidate(name, row, ran))
    for name, row in _rows(engine, graph, op):
        found.setdefault(row_key(row), Candidate(_name(engine, f"{name} kernels", row, base), row))
    if base is not None:
        for rule in RULES_TRIED:
            row = replace(base, rule=rule)
            found.setdefault(row_key(row), Candidate(rule, row))
    return tuple(found.values()) if len(found) > 1 else ()


def base_row(engine: Engine, graph: Subgraph, op: Operator) -> Row | None:
    """The row whose accumulators rules and mistakes are tried on; None if no row has a rule.

    The engine's own, or where it does not requantize by a rule, another engine's.

    Raises:
        NotReplayed: the engine's tables have no row for this op and type.
    """
    own = row_of(engine, graph, op)
    rows = (own, *(row for _, row in _rows(engine, graph, op)))
    return next((row for row in rows if row.rule), None)


def _rows(engine: Engine, graph: Subgraph, op: Operator) -> Iterator[tuple[str, Row]]:
    """Rows of any version of any engine on this machine that would take this op, with its name.

    Of one engine, those of the version in force come first.
    """
    for name in OWN_TABLES:
        place = site(replace(engine, name=name), graph, op)
        rows = sorted(card(op.name).rows(name), key=lambda row: not row.is_of(place.engine))
        for row in rows:
            taken = row.takes(place.dtype) and row.runs_on(engine.machine)
            if taken and (row.when is None or row.when(place)):
                yield name, row


def row_key(row: Row) -> tuple[object, ...]:
    """A key: two rows that share it compute the same."""
    return row.kernel, row.rule, row.multiplier, row.algorithm, row.clamp


def _name(engine: Engine, kernels: str, row: Row, base: Row | None) -> str:
    how = ", ".join(filter(None, (row.algorithm, row.rule)))
    if base is not None:
        if row_key(replace(base, rule=row.rule)) == row_key(row):
            return row.rule
        if row.rule and row.kernel == base.kernel and row.multiplier != base.multiplier:
            how += f", multiplier {row.multiplier}"
    return f"{how} ({', '.join([kernels, *_versions(engine, row)])})"


def _versions(engine: Engine, row: Row) -> Iterator[str]:
    """The versions of the engine's runtime that a row is for, where it is not for all."""
    since, until = engine.version_in(row.since), engine.version_in(row.until)
    if row.since and not since:
        yield f"of {' and '.join(name for name in row.since if '@' not in name)}"
    elif since and not since.startswith("0"):
        yield f"{engine.runtime} {since} on"
    if until:
        yield f"{engine.runtime} before {until}"
