"""Find inputs of one layer on which the arithmetic that may compute it differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, combinations, zip_longest

import numpy as np

from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import CaptureError, InputError, NotReplayed
from tflreplay.ground.rounding import Accumulation, Array
from tflreplay.judgement.diagnosis import Candidate, candidates
from tflreplay.judgement.diagnosis.candidates import base_row
from tflreplay.model import Model, Operator, Subgraph
from tflreplay.model.extraction import copies, operator
from tflreplay.ops import card
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.lookup import pair_codes
from tflreplay.ops.seam import call_of, compute, first_half, run_op
from tflreplay.replayer.loop import REFERENCE
from tflreplay.runtimes import capture
from tflreplay.tools.discriminate.accumulators import Accumulators, telling
from tflreplay.tools.discriminate.inputs import Target, aimed, random_codes

_VECTORS, _MOST_VECTORS = 4, 32
_MOST_TARGETS = 64  # for one pair of candidates in one vector


@dataclass(frozen=True)
class Separation:
    """What tells the candidates of one layer apart.

    ``inputs`` holds for each tensor index of the op's activations an array of shape
    ``(vectors, *shape)``, and ``outputs`` for each candidate the codes it makes of them,
    ``(vectors, *output shape)``. ``accumulators`` is None where the op has none. The first of
    ``names`` is the arithmetic in force.
    """

    op: Operator
    engine: Engine
    names: tuple[str, ...]
    inputs: Mapping[int, Array] = field(repr=False)
    outputs: Mapping[str, Array] = field(repr=False)
    accumulators: Accumulators | None = field(repr=False)

    def differing(self, one: str, other: str) -> int:
        """Outputs on which two candidates differ."""
        return int(np.count_nonzero(self.outputs[one] != self.outputs[other]))

    @property
    def discriminating(self) -> int:
        """Outputs on which not all candidates agree."""
        everyone = np.stack([self.outputs[name] for name in self.names])
        return int((everyone != everyone[0]).any(axis=0).sum())

    @property
    def alike(self) -> tuple[tuple[str, str], ...]:
        """Pairs of candidates that no vector tells apart."""
        return tuple(pair for pair in combinations(self.names, 2) if not self.differing(*pair))


def discriminate(
    model: Model, op_index: int, engine: Engine = REFERENCE, seed: int = 0
) -> Separation:
    """Inputs, and where the op has them accumulators, on which the candidates differ.

    Elementwise ops: all pairs of codes are tried. Ops with weights: inputs are solved for that
    bring accumulators next to rounding boundaries. Others: the best of some random inputs.

    Raises:
        InputError: there is no such op, or it has one arithmetic only.
        NotReplayed: the engine has no exact arithmetic for the op, or a weight is not constant.
    """
    graph = model.main
    op = operator(model, op_index)
    tried = candidates(engine, graph, op)
    if not tried:
        raise InputError(
            f"{model.path}: layer {op_index} {op.name} is computed in one way only; "
            "there is nothing to tell apart"
        )
    rng = np.random.default_rng(seed)
    search = _Search(graph, op, engine, tried, rng)
    found = search.vectors()
    return Separation(
        op,
        engine,
        tuple(search.names),
        {index: np.stack([inputs[index] for inputs, _ in found]) for index in found[0][0]},
        {name: np.stack([outputs[name] for _, outputs in found]) for name in search.names},
        search.accumulators,
    )


def answers(model: Model, found: Separation) -> Array | None:
    """What the engine itself gives for the inputs found: ``(vectors, *output shape)``.

    None of one that runs on devices only.

    Raises:
        CaptureError: the engine cannot run the layer by itself.
    """
    engine = found.engine
    if str(engine) != engine.name:
        raise CaptureError(f"{engine} is a profile, of which nothing can be run here")
    if engine.library:
        return None
    count = len(next(iter(found.inputs.values())))
    cut = copies(model, found.op.index, count)
    flat = [codes[vector] for vector in range(count) for codes in found.inputs.values()]
    captured = capture(
        cut,
        dict(zip(cut.main.inputs, flat, strict=True)),
        f"{engine.runtime}=={engine.version}",
        engine.name,
        engine.threads,
        machine=engine.machine,
    )
    if captured.failure:
        raise CaptureError(captured.failure)
    return np.stack([captured.tensors[op.outputs[0]] for op in cut.main.operators])


Pair = tuple[str, str]
Vector = tuple[dict[int, Array], dict[str, Array]]


class _Search:
    """Inputs for one op, and what every candidate makes of them."""

    def __init__(
        self,
        graph: Subgraph,
        op: Operator,
        engine: Engine,
        tried: tuple[Candidate, ...],
        rng: np.random.Generator,
    ):
        self.graph, self.op, self.engine, self.rng = graph, op, engine, rng
        self.card = card(op.name)
        self.activations = [
            index for index in op.inputs if index >= 0 and not graph.tensors[index].is_constant
        ]
        self.tried = tried
        start = self.random()
        self.names = list(self.run(start))
        self.sums = self._sums(start)
        self.accumulators = self._accumulators() if self.sums else None
        self.tables = self._tables()

    def random(self) -> dict[int, Array]:
        return {i: random_codes(self.graph.tensors[i], self.rng) for i in self.activations}

    def run(self, inputs: Mapping[int, Array]) -> dict[str, Array]:
        """The output of every candidate that can compute the op."""
        outputs = {}
        for candidate in self.tried:
            try:
                made = run_op(self.graph, self.op, inputs, self.engine, candidate.row)
            except NotReplayed:
                if candidate is self.tried[0]:
                    raise
                continue
            outputs[candidate.name] = made[self.op.outputs[0]]
        return outputs

    def vectors(self) -> list[Vector]:
        """A few inputs, and then more while they tell apart what was not."""
        alike = self._separable()
        found: list[Vector] = []
        for number in range(_MOST_VECTORS):
            if number >= _VECTORS and not alike:
                break
            vector = self._vector(self._telling(alike or self._separable()))
            apart = [pair for pair in alike if _differ(vector[1], pair)]
            if number < _VECTORS or apart:
                found.append(vector)
            alike = [pair for pair in alike if pair not in apart]
        return found

    def _separable(self) -> list[Pair]:
        """Pairs of candidates that some accumulator, or some pair of codes, tells apart."""
        known = self.accumulators.codes if self.accumulators is not None else self.tables
        return [pair for pair in combinations(known, 2) if _differ(known, pair)]

    def _telling(self, pairs: list[Pair]) -> dict[int, Array]:
        """Inputs on which these pairs of candidates differ, as far as one knows how."""
        if self.accumulators is not None and pairs:
            return self._aimed(self.accumulators, pairs)
        if self.tables and pairs:
            return self._paired(pairs)
        return self.random()

    def _vector(self, inputs: dict[int, Array]) -> Vector:
        return inputs, self.run(inputs)

    # ---- ops that sum ------------------------------------------------------------------------

    def _sums(self, inputs: Mapping[int, Array]) -> dict[str, tuple[Accumulation, str]]:
        """What the candidates that sum alike accumulate, and their rules."""
        found = {}
        base = base_row(self.engine, self.graph, self.op)
        if self.card.fields is not None and base is not None:
            for candidate in self.tried:
                if candidate.row.kernel == base.kernel and candidate.row.rule:
                    call, arrays = self._call(inputs, candidate)
                    sums = first_half(call, arrays)
                    assert isinstance(sums, Accumulation)
                    found[candidate.name] = sums, candidate.row.rule
        return found

    def _call(
        self, inputs: Mapping[int, Array], candidate: Candidate
    ) -> tuple[Call, list[Array | None]]:
        return call_of(self.graph, self.op, inputs, self.engine, candidate.row)

    def _weights(self) -> tuple[Call, Array, Array]:
        """The call, the weights less their zero point and the bias, int64."""
        call, (_, *rest) = self._call(self.random(), self.tried[0])
        assert self.card.fields is not None
        weights = self.card.fields.weights(call, rest[0])
        if len(rest) > 1 and rest[1] is not None:
            return call, weights, rest[1].astype(np.int64)
        return call, weights, np.zeros(weights.shape[self.card.roles.weight_axis], np.int64)

    def _accumulators(self) -> Accumulators:
        call, weights, bias = self._weights()
        by_channel = np.moveaxis(weights, self.card.roles.weight_axis, 0)
        columns = by_channel.reshape(len(by_channel), -1)
        low, high = (bound - call.input(0).zero_point for bound in call.input(0).code_range)
        ends = np.stack([columns * low, columns * high])
        reach = np.column_stack([ends.min(0).sum(1) + bias, ends.max(0).sum(1) + bias])
        return telling(self.sums, reach)

    def _aimed(self, known: Accumulators, pairs: list[Pair]) -> dict[int, Array]:
        call, weights, bias = self._weights()
        targets = _targets(known, pairs, self.rng)
        return {self.activations[0]: aimed(call, weights, bias, targets, self.rng)}

    # ---- elementwise ops --------------------------------------------------------------------

    def _tables(self) -> dict[str, Array]:
        """What each candidate makes of every pair of codes, by their bytes: ``(256, 256)``.

        0 for pairs that a constant operand does not let happen.
        """
        tables = {}
        for candidate in self.tried:
            if candidate.row.pairwise and candidate.name in self.names:
                call, _ = self._call(self.random(), candidate)
                dtypes = [call.input(place).numpy_dtype for place in (0, 1)]
                if all(dtype.itemsize == 1 for dtype in dtypes):
                    (table,) = compute(call, pair_codes(*dtypes))
                    tables[candidate.name] = np.where(self._possible(call), table, 0)
        return tables

    def _possible(self, call: Call) -> Array:
        left, right = (
            np.ones(256, bool)
            if call.input(place).data is None
            else np.isin(np.arange(256), np.asarray(call.input(place).data).view(np.uint8))
            for place in (0, 1)
        )
        return np.logical_and.outer(left, right)

    def _paired(self, pairs: list[Pair]) -> dict[int, Array]:
        """Inputs that hold telling pairs of codes, as far as a constant operand leaves a choice."""
        table = np.logical_or.reduce([self.tables[a] != self.tables[b] for a, b in pairs])
        tensors = [self.graph.tensors[index] for index in self.op.inputs]
        shape = self.graph.tensors[self.op.outputs[0]].shape
        if all(tensor.shape == shape and not tensor.is_constant for tensor in tensors):
            telling_pairs = np.argwhere(table)
            chosen = telling_pairs[self.rng.integers(len(telling_pairs), size=int(np.prod(shape)))]
            return {
                index: chosen[:, side].astype(np.uint8).view(tensor.numpy_dtype).reshape(shape)
                for side, (index, tensor) in enumerate(zip(self.op.inputs, tensors, strict=True))
            }
        inputs = self.random()
        for side, (index, tensor) in enumerate(zip(self.op.inputs, tensors, strict=True)):
            other = tensors[1 - side]
            if tensor.shape == shape and other.data is not None:
                bytes_ = np.broadcast_to(other.data.view(np.uint8), shape).ravel()
                choice = table if side == 0 else table.T
                picked = [self._pick(choice[:, byte]) for byte in bytes_.tolist()]
                codes = np.array(picked, np.uint8).view(tensor.numpy_dtype)
                inputs[index] = codes.reshape(shape)
        return inputs

    def _pick(self, telling_bytes: Array) -> int:
        (found,) = np.nonzero(telling_bytes)
        return int(self.rng.choice(found)) if found.size else int(self.rng.integers(256))


def _differ(codes: Mapping[str, Array], pair: Pair) -> bool:
    return not np.array_equal(codes[pair[0]], codes[pair[1]])


def _targets(found: Accumulators, pairs: list[Pair], rng: np.random.Generator) -> list[Target]:
    """Channels and accumulators, taking turns among the pairs of candidates they tell apart."""

    def separating(pair: Pair) -> Iterator[Target]:
        (where,) = np.nonzero(found.codes[pair[0]] != found.codes[pair[1]])
        for place in rng.permutation(where)[:_MOST_TARGETS].tolist():
            yield int(found.channels[place]), int(found.values[place])

    turns = chain.from_iterable(zip_longest(*map(separating, pairs)))
    return [target for target in turns if target is not None]
