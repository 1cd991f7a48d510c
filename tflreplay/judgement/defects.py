"""Where the engine itself is wrong: EXACT says that two sides agree, not that they are right.

A layer is said to meet a known defect only where its condition holds and, where that can be
counted, where elements of it come out unlike what the op is defined to give.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import NotReplayed
from tflreplay.judgement.comparison import LayerDiff
from tflreplay.judgement.difference import Array
from tflreplay.judgement.suspects import ranges
from tflreplay.model import Model, Operator, as_run
from tflreplay.ops import defects_of, row_of
from tflreplay.ops.base.row import Defect
from tflreplay.ops.seam import call_of, wrong_elements


@dataclass(frozen=True)
class Met:
    """A known defect of the engine in one op.

    ``wrong`` of ``elements`` are not what the op is defined to give; both 0 where nothing could be
    counted.
    """

    op_index: int
    op: str
    defect: Defect
    wrong: int
    elements: int

    @property
    def text(self) -> str:
        """What is wrong, how much of it shows, and where it is known from."""
        counted = (
            f"; {self.wrong:,} of {self.elements:,} elements are not what the op is defined to give"
            if self.elements
            else ""
        )
        return self.defect.told(counted)


_OUTCOMES = {"mismatch": "differs"}


def met(model: Model, tensors: Mapping[int, Array], engine: Engine) -> dict[int, tuple[Met, ...]]:
    """The known defects of ``engine`` that the ops of the main subgraph meet, by op index.

    Args:
        tensors: what the ops were fed, by tensor index; of an op whose inputs are not all there,
            only what needs none is known.
    """
    found = {op.index: tuple(_of(model, op, tensors, engine)) for op in model.main.operators}
    return {index: defects for index, defects in found.items() if defects}


def _of(model: Model, op: Operator, tensors: Mapping[int, Array], engine: Engine) -> Iterator[Met]:
    graph = as_run(model.main, {i: tensors[i] for i in op.inputs if i in tensors})
    for defect in defects_of(engine, graph, op):
        counted: tuple[int, int] | None = (0, 0)
        if defect.right is not None or defect.shows is not None:
            try:
                row = row_of(engine, graph, op)
                counted = wrong_elements(*call_of(graph, op, tensors, engine, row), defect)
            except NotReplayed:  # whether it shows is not known, so that nothing is said
                continue
        if counted is not None:
            yield Met(op.index, op.name, defect, *counted)


def told(found: Mapping[int, Sequence[Met]], layers: Sequence[LayerDiff]) -> tuple[str, ...]:
    """A sentence for each kind: an op, a defect, and what the layers came out as."""
    outcome = {
        layer.op_index: _OUTCOMES.get(layer.status, layer.status) for layer in reversed(layers)
    }
    kinds: dict[tuple[str, str, str], list[Met]] = defaultdict(list)
    for one in (one for defects in found.values() for one in defects):
        kinds[one.op, one.defect.words, outcome.get(one.op_index, "not compared")].append(one)
    sentences = []
    for (op, _, how), those in kinds.items():
        total = Met(
            -1, op, those[0].defect, sum(m.wrong for m in those), sum(m.elements for m in those)
        )
        count = f"{len(those)} layer{'' if len(those) == 1 else 's'}"
        where = ranges([one.op_index for one in those])
        sentences.append(f"{op}, {count} (op {where}): {how}, and {total.text}.")
    return tuple(sentences)
