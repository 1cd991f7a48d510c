"""What lies between tensors that were seen: which arithmetic, or which one change, gives the last.

All ops of a stretch are replayed from the tensors before it: in every engine's arithmetic, and in
the arithmetic in force with one op changed, by another rule or by a porting mistake.
"""

from __future__ import annotations

import hashlib
from collections import ChainMap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Array
from tflreplay.ground.words import printable, series
from tflreplay.judgement.comparison import LayerDiff
from tflreplay.judgement.diagnosis.variants import Variant, variants
from tflreplay.judgement.suspects import ranges
from tflreplay.model import Model, Operator
from tflreplay.ops.seam import FirstHalves, Tensors
from tflreplay.replayer.loop import replay_ops

BUDGET = 250_000_000  # elements read and written in all stretches of a run: about a minute
OP = 10_000  # as many elements as it takes to call an op at all
SHOWN = 4  # answers named
_WORDS = {
    "reference": "the reference kernels' arithmetic",
    "optimized": "the optimized kernels' arithmetic",
    "xnnpack": "XNNPACK's arithmetic",
    "tflm": "TFLM's arithmetic",
    "cmsis-nn": "CMSIS-NN's arithmetic",
    "cmsis-nn-single": "CMSIS-NN's arithmetic built with single rounding",
    "esp-nn": "ESP-NN's arithmetic",
    "double": "double rounding in every op",
    "single": "single rounding in every op",
}


@dataclass(frozen=True)
class StretchVerdict:
    """What gives exactly the numbers at the end of a stretch.

    ``engines`` are those whose arithmetic does from the last tensors seen on, and ``changes`` the
    single changes of one op that do, of ``tried_engines`` and of how many ``tried_changes``.
    ``untried`` are the ops, by index, not all changes of which were tried: it would take too long.
    """

    layer: LayerDiff = field(repr=False)
    elements: int
    engines: tuple[str, ...]
    changes: tuple[Variant, ...]
    tried_engines: tuple[str, ...]
    tried_changes: int
    untried: tuple[int, ...]

    @property
    def answer(self) -> str:
        """In a few words, as a table has room for."""
        found = self._found
        if not found:
            return "unexplained"
        more = len(found) - 1
        return f"{found[0]} (or {more} more)" if more else found[0]

    @property
    def _found(self) -> list[str]:
        """All that gives the numbers, in words; a mistake in several arithmetics is told once."""
        found: dict[str, list[str]] = {}
        for change in self.changes:
            mistake = f" with {change.mistake}" if change.mistake else ""
            where = f"op {change.op_index} {printable(change.op)}{mistake}"
            found.setdefault(where, []).append(change.arithmetic)
        changes = (f"{where} in {_listed(names)}" for where, names in found.items())
        return [*(_WORDS[name] for name in self.engines), *changes]

    @property
    def text(self) -> str:
        """The verdict in sentences."""
        numbers = (
            "this 1 number is" if self.elements == 1 else f"these {self.elements:,} numbers are"
        )
        where = f"At or before op {self.layer.op_index} {printable(self.layer.op)}"
        found = self._found[:SHOWN]
        if len(self._found) > SHOWN:
            found.append(f"{len(self._found) - SHOWN} others")
        if not found:
            claim = f"{where}: nothing that was tried gives {numbers.rsplit(' ', 1)[0]}"
        else:
            claim = (
                f"{where}: {numbers} what {found[0]} gives from {self.layer.suspects.start} on; "
            )
            claim += (
                f"so do{'es' if len(found) == 2 else ''} {series(found[1:])}"
                if found[1:]
                else "nothing else tried does"
            )
        tried = (
            f"Tried on op {ranges(self.layer.suspects.ops)}: "
            f"{len(self.tried_engines)} engines' arithmetic, {self.tried_changes:,} single changes"
        )
        if self.untried:
            tried += f"; not all of op {ranges(self.untried)}, which would take too long"
        return f"{claim}. {tried}."


def explain_stretches(
    model: Model,
    layers: Sequence[LayerDiff],
    seen: Tensors,
    engine: Engine,
    rivals: Sequence[Engine],
    progress: Callable[[int], None] = lambda op_index: None,
    halves: FirstHalves | None = None,
    budget: int = BUDGET,
) -> dict[tuple[int, int], StretchVerdict]:
    """The verdicts on layers that differ since the last tensors seen, by op and tensor index.

    Args:
        seen: the tensors that were seen, the model's inputs among them.
        engine: the arithmetic in force.
        rivals: whose arithmetic is tried on whole stretches.
        progress: called with the index of each op that is about to be changed.
        halves: knows accumulators that were made before.
        budget: how many elements may be read and written, in all stretches alike.
    """
    return {
        (layer.op_index, layer.tensor.index): _Search(
            model, layer, seen, engine, halves or FirstHalves(), budget // len(layers)
        ).verdict(rivals, progress)
        for layer in layers
    }


class _Search:
    """On one stretch."""

    def __init__(
        self,
        model: Model,
        layer: LayerDiff,
        seen: Tensors,
        engine: Engine,
        halves: FirstHalves,
        budget: int,
    ) -> None:
        self.model, self.layer, self.engine, self.halves = model, layer, engine, halves
        self.left = budget
        self.ops = [model.main.operators[index] for index in layer.suspects.ops]
        self.theirs = seen[layer.tensor.index]
        made = {index for op in self.ops for index in op.outputs}
        self.seen = {index: array for index, array in seen.items() if index not in made}
        self.known = {**self.seen, **replay_ops(model, self.ops, self.seen, engine, halves)}

    def verdict(self, rivals: Sequence[Engine], progress: Callable[[int], None]) -> StretchVerdict:
        whole = {rival.name: found for rival in rivals if (found := self._replayed(rival))}
        changes: list[Variant] = []
        tried, untried = 0, []
        for op in reversed(self.ops):
            progress(op.index)
            given = []
            for variant, gives in self._tried(op):
                tried += 1
                if gives:
                    given.append(variant)
            changes += _needed(given)
            if self.left < 0:
                untried.append(op.index)
        return StretchVerdict(
            self.layer,
            self.theirs.size,
            tuple(name for name, found in whole.items() if self._is_theirs(found)),
            tuple(sorted(dict.fromkeys(changes), key=lambda change: bool(change.mistake))),
            tuple(whole),
            tried,
            tuple(sorted(untried)),
        )

    def _replayed(self, engine: Engine) -> Tensors | None:
        """The stretch in another engine's arithmetic; None where that lacks one of the ops."""
        try:
            return replay_ops(self.model, self.ops, self.seen, engine, self.halves)
        except NotReplayed:
            return None

    def _tried(self, op: Operator) -> Iterator[tuple[Variant, bool]]:
        """Each change of an op, and whether it gives their numbers; until the budget is spent."""
        right = self.known[op.outputs[0]]
        known = {_digest(right): False}  # whether an output does; many changes share one
        if self.left < 0:
            return
        for variant in variants(self.model, op, self.known, self.engine, self.halves):
            self._spend(op)
            output = variant.output
            gives = False
            if output.size == right.size:
                output = output.astype(right.dtype, copy=False).reshape(right.shape)
                key = _digest(output)
                if key not in known:
                    known[key] = self._gives(op, output)
                gives = known[key]
            yield variant, gives
            if self.left < 0:
                return

    def _gives(self, changed: Operator, output: Array) -> bool:
        """True where the stretch with this output of an op ends in their numbers."""
        made = {changed.outputs[0]: output}
        known = ChainMap(made, self.known)
        for op in self.ops:
            if op.index <= changed.index or not made.keys() & set(op.inputs):
                continue
            self._spend(op)
            try:
                outputs = replay_ops(self.model, [op], known, self.engine)
            except NotReplayed:
                return False
            made |= {i: a for i, a in outputs.items() if not np.array_equal(a, self.known[i])}
        return self._is_theirs(made)

    def _is_theirs(self, tensors: Tensors) -> bool:
        found = tensors.get(self.layer.tensor.index)
        return found is not None and np.array_equal(found, self.theirs)

    def _spend(self, op: Operator) -> None:
        touched = (self.known.get(index) for index in (*op.inputs, *op.outputs))
        self.left -= OP + sum(array.size for array in touched if array is not None)


def _needed(changes: Sequence[Variant]) -> Iterator[Variant]:
    """Without mistakes in an arithmetic that gives the same without them."""
    plain = {change.arithmetic for change in changes if not change.mistake}
    yield from (
        change for change in changes if not change.mistake or change.arithmetic not in plain
    )


def _listed(names: Sequence[str]) -> str:
    if len(names) < 3:
        return " or ".join(names)
    return f"{names[0]} (or {len(names) - 1} other arithmetics)"


def _digest(array: Array) -> bytes:
    return hashlib.sha256(array.tobytes()).digest()
