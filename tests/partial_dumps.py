"""Devices that err in one layer, and dumps that hold a part of their tensors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tests.diagnosis.port import SLIPS, Array, Port
from tests.single_op import Op, Spec, build_side_by_side
from tflreplay.ground.engine import Engine
from tflreplay.judgement.amplification import amplification
from tflreplay.judgement.comparison import LayerDiff
from tflreplay.judgement.diagnosis.mistakes import MISTAKES
from tflreplay.judgement.run import Run
from tflreplay.model import Model, Operator, parse
from tflreplay.model.writer import write
from tflreplay.ops import row_of
from tflreplay.ops.seam import call_of
from tflreplay.replayer.loop import replay, replay_ops
from tflreplay.reports import table
from tflreplay.runtimes.inputs import Inputs, random_inputs
from tflreplay.runtimes.saved import load_source
from tflreplay.tools.replay import run

REFERENCE = Engine()
RULES = ("single", "single-away", "float-away64", "float-even32", "float-up32")
Source = tuple[int, int] | None  # an op and which of its outputs; None for the model's input


@dataclass(frozen=True)
class Device:
    """What a device computed that erred in the op ``wrong``: all of its tensors by index."""

    model: Model
    inputs: Inputs
    wrong: Operator
    slip: str
    rule: str
    tensors: dict[int, Array]

    @property
    def mistake(self) -> str:
        """The name that a verdict must have for it; empty for another rule alone."""
        return SLIPS[self.slip] if self.slip else ""

    def dump(self, kept: Sequence[int], path: Path) -> Path:
        np.savez(path, **{str(index): self.tensors[index] for index in kept})
        return path


class Devices:
    """Random devices that run one model; each differs somewhere from what is right."""

    def __init__(self, model: Model, seed: int) -> None:
        self.model = model
        self.inputs = random_inputs(model, seed=seed)
        self.right = replay(model, self.inputs.arrays).tensors
        self.random = np.random.default_rng(seed)

    def one(self) -> Device:
        operators = [op for op in self.model.main.operators if op.name in Port("double").kernels]
        while True:
            op = operators[self.random.integers(len(operators))]
            slip = str(self.random.choice(["", "", *SLIPS]))
            rule = (
                "double" if slip and self.random.random() < 0.8 else str(self.random.choice(RULES))
            )
            made = self._output(op, slip, rule)
            if made is None or np.array_equal(made, self.right[op.outputs[0]]):
                continue
            plain = self._output(op, "", rule)
            if plain is not None and np.array_equal(made, plain):
                slip = ""  # only the rule shows
            return Device(self.model, self.inputs, op, slip, rule, self._all(op, made))

    def _output(self, op: Operator, slip: str, rule: str) -> Array | None:
        """None where the slip cannot be made there."""
        row = row_of(REFERENCE, self.model.main, op)
        call, arrays = call_of(self.model.main, op, self.right, REFERENCE, row)
        try:
            made = Port(rule, slip).kernels[op.name](call, *arrays)
        except (ValueError, IndexError, AssertionError):  # other shapes
            return None
        right = self.right[op.outputs[0]]
        return made.astype(right.dtype) if made.shape == right.shape else None

    def _all(self, op: Operator, made: Array) -> dict[int, Array]:
        known = {**self.right, op.outputs[0]: made}
        rest = self.model.main.operators[op.index + 1 :]
        return {**known, **replay_ops(self.model, rest, known, REFERENCE)}

    def dumps(self) -> Iterator[tuple[Device, list[int]]]:
        """Devices, and the tensors that a dump of each holds: at least one that is wrong."""
        outputs = [op.outputs for op in self.model.main.operators]
        every = [index for indices in outputs for index in indices]
        while True:
            device = self.one()
            share = self.random.uniform(0.05, 0.7)
            kept = [index for index in every if self.random.random() < share]
            if any(not np.array_equal(device.tensors[i], self.right[i]) for i in kept):
                yield device, kept


def between(model: Model, seen: Sequence[int], op: Operator) -> tuple[set[int], bool]:
    """The ops from which a way leads to ``op`` on which no tensor was seen, and ``op`` itself.

    Searched forward from every op in turn. And whether all that ``op`` reads was seen.
    """
    graph = model.main
    computed = {index for other in graph.operators for index in other.outputs}

    def reaches(start: Operator) -> bool:
        unseen = set(start.outputs) - set(seen)
        readers = [other for other in graph.operators if unseen & set(other.inputs)]
        return any(reader.index == op.index or reaches(reader) for reader in readers)

    found = {other.index for other in graph.operators[: op.index] if reaches(other)}
    return found | {op.index}, not (set(op.inputs) & computed) - set(seen)


@dataclass
class Judged:
    """What the tool says of one dump, held against what is true."""

    device: Device
    kept: Sequence[int]
    result: Run

    @property
    def makers(self) -> list[LayerDiff]:
        """The layers of which it says that a difference was made in them, or before."""
        return [
            layer
            for layer in self.result.comparison.layers
            if layer.kind in ("own", "at or before")
        ]

    @property
    def named(self) -> bool | None:
        """Whether what explains the first of them holds the truth; None where nothing does."""
        first = self.makers[0]
        op = self.device.wrong.index
        stretch = self.result.findings.stretches.get((first.op_index, first.tensor.index))
        if stretch is not None:
            found = [(fit.op_index, fit.arithmetic, fit.mistake) for fit in stretch.changes]
            return self._is_there(found) if found or stretch.engines else None
        verdict = self.result.verdicts.get(op)
        if verdict is None or not verdict.fits:
            return None
        return self._is_there(
            (op, f.arithmetic, f.mistake or (f.same_as.name if f.same_as else ""))
            for f in verdict.fits
        )

    @property
    def ops_named(self) -> set[int]:
        """The ops that one change of which explains the first of them; all for an engine."""
        first = self.makers[0]
        stretch = self.result.findings.stretches.get((first.op_index, first.tensor.index))
        if stretch is None:
            return {first.op_index}
        every = first.suspects.ops if stretch.engines else ()
        return {*every, *(change.op_index for change in stretch.changes)}

    def _is_there(self, found: Iterable[tuple[int, str, str]]) -> bool:
        device = self.device
        same_as = {mistake.same_as for mistake in MISTAKES if mistake.name == device.mistake}
        return any(
            op == device.wrong.index
            and (mistake == device.mistake if mistake else not device.slip or arithmetic in same_as)
            for op, arithmetic, mistake in found
        )

    def check(self) -> None:
        """Every sentence about where is true, and holds no op that cannot have been it."""
        model, seen = self.device.model, self.kept
        assert self.makers
        born = {int(op) for op in re.findall(r"born at op (\d+)", table.render(self.result))}
        for layer in self.result.comparison.layers:
            op = model.main.operators[layer.op_index]
            if layer.main is None:
                continue
            suspects, known = between(model, seen, op)
            assert set(layer.suspects.ops) == suspects
            assert (layer.isolated is not None) == known
            if not known:
                assert layer.kind != "own"
                assert layer.op_index not in born
            # One op errs: whoever makes a difference has it among the suspects.
            if layer in self.makers:
                assert self.device.wrong.index in layer.suspects.ops
        for step in amplification(model, self.result.comparison):
            op = model.main.operators[step.layer.op_index]
            assert (step.made is not None) == between(model, seen, op)[1]


def judged(device: Device, kept: Sequence[int], folder: Path) -> Judged:
    """As ``tflreplay MODEL --against DUMP`` has it."""
    path = device.dump(kept, folder / "dump.npz")
    capture = load_source(path, device.model, device.inputs.arrays)
    return Judged(device, kept, run(device.model, device.inputs, against=capture))


def branches() -> Model:
    """Fifteen ops with branches, two outputs, and ops that only move data."""
    rng = np.random.default_rng(0)

    def weights(shape: tuple[int, ...], axis: int) -> Spec:
        scales = rng.uniform(0.001, 0.003, shape[axis]).astype(np.float32)
        return Spec(shape, "int8", scales, 0, rng.integers(-127, 128, shape, dtype=np.int8), axis)

    def bias(count: int) -> Spec:
        return Spec((count,), "int32", data=rng.integers(-2000, 2000, count, dtype=np.int32))

    def conv(x: Spec, to: int, size: int = 3) -> Op:
        y = codes((*x.shape[:3], to))
        filters = weights((to, size, size, x.shape[3]), 0)
        options = {"padding": 0, "strideH": 1, "strideW": 1, "fusedActivationFunction": 0}
        return Op("CONV_2D", [x, filters, bias(to)], [y], options, "Conv2DOptions")

    def codes(shape: tuple[int, ...], scale: float = 0.1, zero_point: int = -3) -> Spec:
        return Spec(shape, "int8", np.float32(scale), zero_point)

    image, half = codes((1, 8, 8, 6), 0.05, 4), codes((1, 8, 8, 3))
    whole, row, flat = codes((1, 8, 8, 6)), codes((1, 6), 0.03), codes((1, 384))
    units = codes((1, 12), 0.07, 5)
    depthwise = Op(
        "DEPTHWISE_CONV_2D",
        [half, weights((1, 3, 3, 3), 3), bias(3)],
        [half],
        {"padding": 0, "strideH": 1, "strideW": 1, "depthMultiplier": 1},
        "DepthwiseConv2DOptions",
    )
    axes = Spec((2,), "int32", data=np.array([1, 2], np.int32))
    channel = Spec((), "int32", data=np.array(3, np.int32))
    size = Spec((2,), "int32", data=np.array([1, 384], np.int32))

    def dense(x: Spec) -> Op:
        kernel = weights((12, x.shape[1]), 0)
        return Op("FULLY_CONNECTED", [x, kernel, bias(12)], [units], {}, "FullyConnectedOptions")

    return wired(
        [
            (conv(image, 6), [None]),  # 0
            (
                Op("SPLIT", [channel, whole], [half, half], {"numSplits": 2}, "SplitOptions"),
                [(0, 0)],
            ),
            (depthwise, [(1, 0)]),  # 2
            (Op("MUL", [half, half], [half], {}, "MulOptions"), [(1, 1), (2, 0)]),
            (Op("ADD", [half, half], [half], {}, "AddOptions"), [(1, 1), (2, 0)]),  # 4
            (
                Op("CONCATENATION", [half, half], [whole], {"axis": 3}, "ConcatenationOptions"),
                [(3, 0), (4, 0)],
            ),
            (conv(whole, 6, 1), [(5, 0)]),  # 6
            (Op("SUB", [whole, whole], [whole], {}, "SubOptions"), [(6, 0), (0, 0)]),
            (
                Op("MEAN", [whole, axes], [row], {"keepDims": False}, "ReducerOptions"),
                [(7, 0)],
            ),  # 8
            (
                Op("RESHAPE", [whole, size], [flat], {"newShape": [1, 384]}, "ReshapeOptions"),
                [(5, 0)],
            ),
            (dense(flat), [(9, 0)]),  # 10
            (dense(row), [(8, 0)]),
            (Op("ADD", [units, units], [units], {}, "AddOptions"), [(10, 0), (11, 0)]),  # 12
            (Op("MUL", [units, units], [units], {}, "MulOptions"), [(12, 0), (11, 0)]),
        ],
        outputs=[(13, 0), (7, 0)],
    )


def wired(ops: Sequence[tuple[Op, Sequence[Source]]], outputs: Sequence[Source]) -> Model:
    """A model of ops, each with what its activations are, in the order of its inputs."""
    graph = parse(build_side_by_side([op for op, _ in ops]), Path("wired.tflite")).main
    operators: list[Operator] = []
    fed: list[int] = []
    for operator, (_, sources) in zip(graph.operators, ops, strict=True):
        left = iter(sources)
        inputs = list(operator.inputs)
        for place, index in enumerate(inputs):
            if graph.tensors[index].is_constant:
                continue
            source = next(left)
            if source is None:
                fed.append(index)
            else:
                inputs[place] = operators[source[0]].outputs[source[1]]
        operators.append(replace(operator, inputs=tuple(inputs)))
    ends = tuple(operators[op].outputs[number] for op, number in outputs)
    joined = replace(graph, inputs=tuple(fed), outputs=ends, operators=tuple(operators))
    return parse(write([joined]), Path("branches.tflite"))
