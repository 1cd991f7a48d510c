"""Which ops may have made a layer's difference: all behind the last tensors that were seen."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from tflreplay.ground.words import series
from tflreplay.model import HANDLES, Model, Operator

SHOWN = 3  # ops named from which a stretch starts


class Known(NamedTuple):
    """A tensor that was seen, and the op that gave it; None for an input of the model."""

    tensor: int
    op_index: int | None


@dataclass(frozen=True)
class Suspects:
    """Of one op's outputs: the ops of which one or more made what is different in them.

    ``ops`` are in execution order, the op itself the last. There are others only where it read what
    nobody saw. ``since`` are the tensors from which they computed, all of them seen.
    """

    ops: tuple[int, ...] = ()
    since: tuple[Known, ...] = ()

    def __or__(self, other: Suspects) -> Suspects:
        """Those of two runs of the op."""
        if self == other:
            return self
        return Suspects(
            tuple(sorted({*self.ops, *other.ops})), tuple(sorted({*self.since, *other.since}))
        )

    @property
    def start(self) -> str:
        """Where the suspects start from, in words: ``the input and op 3``; empty for nothing."""
        ops = sorted({known.op_index for known in self.since if known.op_index is not None})
        inputs = sum(known.op_index is None for known in self.since)
        starts = [f"the input{'s' if inputs > 1 else ''}"] if inputs else []
        starts += [f"op {op}" for op in ops[:SHOWN]]
        if len(ops) > SHOWN:
            starts.append(f"{len(ops) - SHOWN} more")
        return series(starts)

    @property
    def unseen(self) -> str:
        """What was not seen, in words: ``nothing between the input and it was seen``."""
        if not self.start:
            return "nothing before it was seen"
        return f"nothing between {self.start} and it was seen"


class Seen:
    """The tensors of a model's main subgraph that were seen, by index."""

    def __init__(self, model: Model, tensors: Container[int]) -> None:
        self.graph, self.tensors = model.main, tensors
        self.producer = {index: op for op in self.graph.operators for index in op.outputs}

    def suspects(self, op: Operator) -> Suspects:
        """Of the outputs of ``op``."""
        ops, since = {op.index}, set[Known]()
        waiting = [op]
        while waiting:
            for index in self._read(waiting.pop()):
                before = self.producer.get(index)
                if index in self.graph.inputs or index in self.tensors:
                    since.add(Known(index, before.index if before is not None else None))
                elif before is not None and before.index not in ops:
                    ops.add(before.index)
                    waiting.append(before)
        return Suspects(tuple(sorted(ops)), tuple(sorted(since)))

    def _read(self, op: Operator) -> Iterator[int]:
        """The tensors that decide the op's outputs, but for constants; through variables too."""
        yield from self._data(op)
        if self._by_handle(op):
            for other in self.graph.operators[: op.index]:
                if not other.outputs and self._by_handle(other):  # it stores what the op may load
                    yield from self._data(other)

    def _data(self, op: Operator) -> Iterator[int]:
        for index in op.inputs:
            tensor = self.graph.tensors[index] if index >= 0 else None
            if tensor is not None and tensor.dtype not in HANDLES and not tensor.is_constant:
                yield index

    def _by_handle(self, op: Operator) -> bool:
        return any(i >= 0 and self.graph.tensors[i].dtype in HANDLES for i in op.inputs)


def ranges(ops: Sequence[int]) -> str:
    """Op indexes as short as can be: ``0, 3-9``."""
    runs = [
        [op for _, op in run] for _, run in groupby(enumerate(ops), lambda pair: pair[1] - pair[0])
    ]
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
