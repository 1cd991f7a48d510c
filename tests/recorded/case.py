"""What is recorded: a model of one op with inputs, and what several engines make of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tflreplay.ground.engine import Engine
from tflreplay.ground.machine import MEASURED_ON, asked
from tflreplay.judgement.difference import difference
from tflreplay.model import Model, parse
from tflreplay.ops import Row, card
from tflreplay.ops.base.plain import elementwise
from tflreplay.ops.base.types import FLOAT
from tflreplay.ops.base.words import ZEROS
from tflreplay.replayer.loop import replay_isolated

Arrays = list[np.ndarray]
Made = tuple[bytes, Arrays]
Make = Callable[[np.random.Generator], Made]
Rows = Mapping[str, Row | None]

# Of the cases on x86-64 alone, and of those that another machine takes part in.
FILES = tuple(Path(__file__).with_name(name) for name in ("captures.npz", "aarch64.npz"))

# Releases that stand on either side of a boundary in the tables, the older one first.
RELEASES = {
    "litert": (
        *("1.0.1", "1.1.1", "1.1.2", "1.2.0", "1.3.0", "1.4.0", "2.0.2", "2.0.3", "2.1.0"),
        *("2.1.2", "2.1.3", "2.1.4", "2.1.5", "2.1.6", "2.2.0", "2.3.0"),
        *("2.4.0.dev20261008", "2.4.0.dev20261013", "2.4.0.dev20261014"),
        *("2.4.0.dev20261016", "2.4.0.dev20261018", "2.4.0.dev20261019"),
    ),
    "tensorflow": ("2.17.1", "2.18.0", "2.18.1", "2.19.0", "2.19.1", "2.20.0", "2.21.0"),
    "tflm": ("0.dev20261012203412", "0.dev20261013214400", "0.dev20261023182759"),
}


@dataclass(frozen=True)
class Case:
    """``make`` gives a model of one op and its inputs.

    ``rows`` holds, by engine, the row that the case is recorded for; None where what the engine
    computes is not modelled. ``instead`` are rows that the case must tell from those. Engines in
    ``refused`` do not take the model.
    """

    name: str
    make: Make
    rows: Rows
    instead: tuple[Row, ...] = ()
    refused: tuple[str, ...] = ()

    def others(self, engine: str) -> list[Row]:
        """Rows by which the engine's outputs must not be explained."""
        mine = self.rows[engine]
        sides = [row for row in self.rows.values() if row and not _alike(row, mine)]
        return [row for row in (*sides, *self.instead) if not _same(row, mine)]


def _alike(row: Row, mine: Row | None) -> bool:
    """True of rows one of which leaves the sign of zeros open."""
    return mine is not None and ZEROS in (row.tolerance, mine.tolerance)


def _same(row: Row, mine: Row | None) -> bool:
    """True of rows that compute the same, and so cannot be told apart."""
    return mine is not None and all(
        getattr(row, name) == getattr(mine, name) for name in ("kernel", "rule", "multiplier")
    )


def case(name: str, make: Make, *rows: Rows, **more: Any) -> Case:
    merged: dict[str, Row | None] = {}
    for each in rows:
        merged |= each
    return Case(name, make, merged, **more)


def by_rule(row: Row, rule: str = "single") -> tuple[Row, ...]:
    """The row with another rule."""
    return (replace(row, rule=rule),)


def unlike(kernel: Callable[..., Any]) -> tuple[Row, ...]:
    """What an op might compute instead, where the tables have nothing else."""
    return (Row(FLOAT, elementwise(kernel)),)


def engine_of(text: str) -> Engine:
    """``xnnpack litert==1.1.2`` or ``xnnpack@aarch64:cortex-a72 litert==2.3.0``, as an engine."""
    name, _, runtime = text.partition(" ")
    name, _, machine = name.partition("@")
    runtime, _, version = runtime.partition("==")
    return Engine(name, runtime, version, machine=asked(machine) if machine else MEASURED_ON)


def row(op: str, table: str, takes: str = "", **fields: Any) -> Row:
    """The first row of the op in this table that has these fields, for activations of a type.

    Of those that x86-64 has.
    """
    return next(
        each
        for each in card(op).rows(table)
        if (not takes or each.takes(takes))
        and each.runs_on(MEASURED_ON)
        and all(getattr(each, name) == value for name, value in fields.items())
    )


def either_side(
    name: str, at: Mapping[str, str], before: Row | None, since: Row | None
) -> dict[str, Row | None]:
    """The engine ``name`` of the last release before a boundary, and of the first one from it on.

    A version that is not released yet, or that stands for all of a runtime's, is no boundary.
    """
    rows: dict[str, Row | None] = {}
    for runtime in (name for name in at if name in RELEASES):
        version = replace(engine_of(name), runtime=runtime).version_in(at)
        releases = RELEASES[runtime]
        if version in releases[1:]:
            older = releases[releases.index(version) - 1]
            rows |= {f"{name} {runtime}=={older}": before, f"{name} {runtime}=={version}": since}
    return rows


def parsed(content: bytes) -> Model:
    return parse(content, Path("recorded.tflite"))


def replayed(
    content: bytes, inputs: Sequence[np.ndarray], engine: Engine, by: Row | None = None
) -> Arrays:
    """The outputs by our replay, or by the given row; none where it is not replayed."""
    model = parsed(content)
    (op,) = model.main.operators
    feeds = dict(zip(model.main.inputs, inputs, strict=True))
    result = replay_isolated(model, feeds, engine, kernels={op.name: by} if by else {})
    return [result.tensors[index] for index in op.outputs if index in result.tensors]


def agree(ours: Arrays, theirs: Arrays, tolerance: float = 0.0) -> bool:
    """True of outputs that are the same bit for bit, or within the tolerance of a row."""
    return len(ours) == len(theirs) and all(
        (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
        or (tolerance > 0 and difference(a, b, max(a.ndim - 1, 0), tolerance).exact)
        for a, b in zip(ours, theirs, strict=True)
    )


def read() -> dict[str, tuple[Made, dict[str, Arrays]]]:
    """Of every recorded case the model with its inputs, and the outputs by engine."""
    arrays: dict[str, np.ndarray] = {}
    for path in FILES:
        with np.load(path) as file:
            arrays |= file
    found: dict[str, tuple[Made, dict[str, Arrays]]] = {}
    for key, array in arrays.items():
        name, part, *_ = key.split("|")
        made, outputs = found.setdefault(name, ((b"", []), {}))
        if part == "model":
            found[name] = (array.tobytes(), made[1]), outputs
        elif part == "input":
            made[1].append(array)
        else:
            outputs.setdefault(part, []).append(array)
    return found


def keys(name: str, made: Made, outputs: Mapping[str, Arrays]) -> Iterator[tuple[str, np.ndarray]]:
    """What :func:`read` reads of one case, in order."""
    content, inputs = made
    yield f"{name}|model", np.frombuffer(content, np.uint8)
    for position, array in enumerate(inputs):
        yield f"{name}|input|{position}", array
    for engine, arrays in outputs.items():
        for position, array in enumerate(arrays):
            yield f"{name}|{engine}|{position}", array
