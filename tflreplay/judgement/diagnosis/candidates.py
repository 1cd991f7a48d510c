"""The arithmetic that may have produced an op's output: every rule, every engine's algorithm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tflreplay.arithmetic import TABLES, activation_dtype, arithmetic
from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import NotReplayed
from tflreplay.kernels.call import Arithmetic
from tflreplay.model import Operator, Subgraph

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
_ENGINES = ("reference", "optimized", "xnnpack", "tflm")


@dataclass(frozen=True)
class Candidate:
    """One arithmetic that is tried: a table row, perhaps with another rule in it."""

    name: str
    row: Arithmetic


def candidates(engine: Engine, graph: Subgraph, op: Operator) -> tuple[Candidate, ...]:
    """What may have computed ``op``: the engine's own row first, then other engines', then rules.

    Empty for an op whose row only moves data and has no rival.

    Raises:
        NotReplayed: the engine's tables have no row for this op and type.
    """
    own = arithmetic(engine, graph, op)
    base = seam(engine, graph, op)
    found = {_key(own): Candidate(own.rule or own.algorithm, own)}
    for name, row in _rows(engine, graph, op):
        found.setdefault(_key(row), Candidate(_name(name, row, base, engine.runtime), row))
    if base is not None:
        for rule in RULES_TRIED:
            row = replace(base, rule=rule)
            found.setdefault(_key(row), Candidate(rule, row))
    return tuple(found.values()) if len(found) > 1 else ()


def seam(engine: Engine, graph: Subgraph, op: Operator) -> Arithmetic | None:
    """The row whose accumulators rules and mistakes are tried on; None if no row has a rule.

    The engine's own, or where it does not requantize by a rule, another engine's.

    Raises:
        NotReplayed: the engine's tables have no row for this op and type.
    """
    own = arithmetic(engine, graph, op)
    rows = (own, *(row for _, row in _rows(engine, graph, op)))
    return next((row for row in rows if row.rule), None)


def _rows(engine: Engine, graph: Subgraph, op: Operator) -> Iterator[tuple[str, Arithmetic]]:
    """Rows of any version of any engine that would take this op, with the engine's name."""
    dtype = activation_dtype(graph, op)
    for name in _ENGINES:
        for row in TABLES[name]:
            if row.op == op.name and row.takes(dtype) and _takes(row, engine, name, graph, op):
                yield name, row


def _takes(row: Arithmetic, engine: Engine, name: str, graph: Subgraph, op: Operator) -> bool:
    try:
        return row.when is None or row.when(replace(engine, name=name), graph, op)
    except NotReplayed:
        return False


def _key(row: Arithmetic) -> tuple[object, ...]:
    """Two rows of one key compute the same."""
    return row.kernel, row.rule, row.multiplier, row.algorithm, row.clamp


def _name(engine: str, row: Arithmetic, base: Arithmetic | None, runtime: str) -> str:
    how = ", ".join(filter(None, (row.algorithm, row.rule)))
    if base is not None:
        if _key(replace(base, rule=row.rule)) == _key(row):
            return row.rule
        if row.rule and row.kernel == base.kernel and row.multiplier != base.multiplier:
            how += f", multiplier {row.multiplier}"
    return f"{how} ({', '.join([f'{engine} kernels', *_versions(row, runtime)])})"


def _versions(row: Arithmetic, runtime: str) -> Iterator[str]:
    """The versions of one runtime that a row is for, where it is not for all."""
    if row.since and runtime not in row.since:
        yield f"of {' and '.join(row.since)}"
    elif not row.since.get(runtime, "0").startswith("0"):
        yield f"{runtime} {row.since[runtime]} on"
    if runtime in row.until:
        yield f"{runtime} before {row.until[runtime]}"
