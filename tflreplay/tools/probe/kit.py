"""The kit: the probed operators in pieces that a small device runs, and what came back of them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tflreplay.ground.errors import InputError
from tflreplay.ground.rounding import Array
from tflreplay.model import Model, Operator, parse
from tflreplay.model.writer import write
from tflreplay.runtimes.saved import load_source
from tflreplay.tools.probe.cases import Cases

_BYTES = 40 * 1024  # of a piece's activations; an op that has more stands alone


@dataclass(frozen=True)
class Piece:
    """A model of some operators of one kind, all of them independent.

    ``inputs`` are its codes by tensor index, and ``places`` says which tensor of the whole model
    each output is.
    """

    name: str
    model: Model
    inputs: Mapping[int, Array] = field(repr=False)
    places: Mapping[int, int] = field(repr=False)


@dataclass(frozen=True)
class Returned:
    """Outputs by tensor index of the whole model; why others are missing, and what was said."""

    tensors: dict[int, Array] = field(repr=False)
    missing: dict[int, str] = field(repr=False)
    notes: tuple[str, ...] = ()


def pieces(cases: Cases) -> tuple[Piece, ...]:
    """All operators, in pieces of one kind each."""
    graph = cases.model.main
    kinds: dict[str, list[Operator]] = {}
    for op, kind in zip(graph.operators, cases.names, strict=True):
        kinds.setdefault(kind, []).append(op)
    return tuple(
        piece(cases, f"{re.sub(r'[^a-z0-9]+', '_', kind.lower())}_{number}", part)
        for kind, ops in kinds.items()
        for number, part in enumerate(_parts(cases, ops), 1)
    )


def _parts(cases: Cases, ops: Iterable[Operator]) -> Iterator[list[Operator]]:
    part: list[Operator] = []
    used = 0
    for op in ops:
        size = _bytes(cases, op)
        if part and used + size > _BYTES:
            yield part
            part, used = [], 0
        part.append(op)
        used += size
    yield part


def _bytes(cases: Cases, op: Operator) -> int:
    inputs = sum(cases.inputs[index].nbytes for index in op.inputs if index in cases.inputs)
    (output,) = op.outputs
    tensor = cases.model.main.tensors[output]
    return inputs + math.prod(tensor.shape) * tensor.numpy_dtype.itemsize


def piece(cases: Cases, name: str, ops: Sequence[Operator]) -> Piece:
    """A model of some of the operators. Its activations are called ``op0_input_0``, ``op0_output``
    and so on.
    """
    graph = cases.model.main
    called: dict[int, str] = {}
    for number, op in enumerate(ops):
        called |= {index: f"op{number}_input_{place}" for place, index in enumerate(op.inputs)}
        called |= dict.fromkeys(op.outputs, f"op{number}_output")
    used = list(called)
    new = {old: index for index, old in enumerate(used)}
    tensors = tuple(
        replace(
            graph.tensors[old],
            index=index,
            name=called[old],
            buffer=index + 1 if graph.tensors[old].raw is not None else 0,
        )
        for index, old in enumerate(used)
    )
    operators = tuple(
        replace(
            op,
            index=number,
            inputs=tuple(new[index] for index in op.inputs),
            outputs=tuple(new[index] for index in op.outputs),
        )
        for number, op in enumerate(ops)
    )
    inputs = {new[old]: cases.inputs[old] for old in used if old in cases.inputs}
    places = {new[index]: index for op in ops for index in op.outputs}
    cut = replace(
        graph, tensors=tensors, inputs=tuple(inputs), outputs=tuple(places), operators=operators
    )
    model = parse(write([cut], "a piece of the kit of tflreplay"), Path(f"{name}.tflite"))
    return Piece(name, model, inputs, places)


def read_results(directory: Path, kit: Sequence[Piece]) -> Returned:
    """What came back: of each piece a file or a folder of its name, in any form of a dump.

    Raises:
        InputError: there is nothing of the kit, or a file cannot be read.
    """
    if not directory.is_dir():
        raise InputError(f"{directory}: no such directory; give what the device returned")
    entries = {entry.stem if entry.is_file() else entry.name: entry for entry in _in(directory)}
    returned = Returned({}, {})
    notes: list[str] = []
    for one in kit:
        found = entries.get(one.name)
        if found is None:
            absent = f"{one.name} is not in {directory}"
            returned.missing.update(dict.fromkeys(one.places.values(), absent))
            continue
        source = load_source(found, one.model, one.inputs)
        notes += [f"{one.name}: {problem}" for problem in source.problems]
        for index, place in one.places.items():
            if index in source.tensors:
                returned.tensors[place] = source.tensors[index]
            else:
                returned.missing[place] = source.missing.get(index, f"not in {found}")
    if not returned.tensors:
        names = ", ".join(one.name for one in kit[:3])
        raise InputError(
            f"{directory}: nothing of the kit is in there; call what a piece gave by its name "
            f"({names}, ...), as a folder or with the ending of its form"
        )
    return replace(returned, notes=tuple(notes))


def _in(directory: Path) -> list[Path]:
    try:
        return sorted(entry for entry in directory.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise InputError(f"{directory}: cannot read it: {error.strerror}") from None
