"""Which engine and version rounds how, measured: the tables of how-tflite-rounds.md.

    python -m docs.measure_rounding litert tflm tensorflow==2.17.1 litert==2.0.3

runs one model of independent int8 ops, with scales and inputs that make rounding ties common, in
every engine of each runtime; replays every op on the captured inputs; and counts the outputs that
each rounding rule would get wrong. A rule is proven for an op where it gets none wrong and every
other rule some.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from tabulate import tabulate

import tflreplay
from tests.single_op import Op, Spec, build_side_by_side, random_codes
from tflreplay.arithmetic import arithmetic
from tflreplay.engine import Engine
from tflreplay.errors import NotReplayed, TflreplayError
from tflreplay.model import Model, Operator, parse
from tflreplay.replayer import run_op
from tflreplay.rounding import RULES
from tflreplay.runtimes import RUNTIMES

RULES_TRIED = ("double", "double-up", "single", "float-away64", "float-even32")
# Odd multiples of a power of two: products of codes and scales then meet ties all the time.
X, W, Y = np.float32(3 / 64), np.float32(5 / 1024), np.float32(15 / 64)
CHANNELS = 37  # no multiple of a vector's width, so that the tails of vector loops show
SEED = 1


def ops() -> list[Op]:
    """The ops to measure, one or two models of each kind."""
    rng = np.random.default_rng(SEED)

    def act(*shape: int, scale: np.float32 = X, zero_point: int = 0) -> Spec:
        return Spec(shape, "int8", scale, zero_point)

    def weights(*shape: int) -> Spec:
        return Spec(shape, "int8", W, 0, random_codes(rng, shape, "int8"))

    def bias(size: int) -> Spec:
        return Spec((size,), "int32", X * W, 0, rng.integers(-9000, 9000, size).astype(np.int32))

    def mean(axes: tuple[int, ...], *shape: int) -> Op:
        indices = Spec((len(axes),), "int32", data=np.array(axes, np.int32))
        inputs = [act(200, 8, 8, CHANNELS), indices]
        output = act(*shape, scale=np.float32(X * 3 / 4))
        return Op("MEAN", inputs, [output], {"keepDims": True}, "ReducerOptions", 2)

    grid = (1, 40, 40, CHANNELS)
    stride = {"strideH": 1, "strideW": 1}
    depth = {**stride, "depthMultiplier": 1}
    pair = [act(*grid), act(*grid, scale=np.float32(5 / 64), zero_point=-3)]
    return [
        Op(
            "CONV_2D",
            [act(*grid), weights(CHANNELS, 1, 1, CHANNELS), bias(CHANNELS)],
            [act(*grid, scale=Y, zero_point=7)],
            stride,
            "Conv2DOptions",
            3,
        ),
        Op(
            "DEPTHWISE_CONV_2D",
            [act(*grid), weights(1, 3, 3, CHANNELS), bias(CHANNELS)],
            [act(*grid, scale=Y, zero_point=7)],
            depth,
            "DepthwiseConv2DOptions",
            3,
        ),
        Op(
            "FULLY_CONNECTED",
            [act(1600, CHANNELS), weights(CHANNELS, CHANNELS), bias(CHANNELS)],
            [act(1600, CHANNELS, scale=Y, zero_point=7)],
            {},
            "FullyConnectedOptions",
            4,
        ),
        Op("ADD", pair, [act(*grid, scale=np.float32(6 / 64))], {}, "AddOptions", 2),
        Op("SUB", pair, [act(*grid, scale=np.float32(6 / 64))], {}, "SubOptions", 2),
        Op("MUL", pair, [act(*grid, scale=np.float32(24 / 64))], {}, "MulOptions", 2),
        mean((1, 2), 200, 1, 1, CHANNELS),
        mean((3,), 200, 8, 8, 1),
        Op(
            "QUANTIZE",
            [act(*grid)],
            [act(*grid, scale=np.float32(X * 8 / 3))],
            {},
            "QuantizeOptions",
            2,
        ),
    ]


def row(model: Model, op: Operator, captured: tflreplay.Capture) -> list[object]:
    """Name, rule, outputs, wrong ones by the rule in force, wrong ones by every rule."""
    engine = Engine(captured.engine, captured.runtime, captured.version, captured.threads)
    theirs = captured.tensors[op.outputs[0]]
    name = op.name if op.name != "MEAN" else f"MEAN of axes {_axes(model, op)}"
    try:
        ours = arithmetic(engine, model.main, op)
    except NotReplayed as reason:
        return [name, f"not modelled: {reason}"]

    def wrong(rule: str) -> int:
        tried = replace(ours, rule=rule)
        outputs = run_op(model.main, op, captured.tensors, engine, tried)
        return int(np.count_nonzero(outputs[op.outputs[0]] != theirs))

    others = [wrong(rule) if ours.rule else "" for rule in RULES_TRIED]
    return [name, ours.rule or ours.algorithm, theirs.size, wrong(ours.rule), *others]


def _axes(model: Model, op: Operator) -> str:
    return ",".join(map(str, np.ravel(model.main.tensors[op.inputs[1]].data)))


def main(runtimes: list[str]) -> None:
    model = parse(build_side_by_side(ops()), Path("measure_rounding.tflite"))
    assert all(rule in RULES for rule in RULES_TRIED)
    inputs = tflreplay.random_inputs(model, SEED)
    columns = ["op", "computes", "outputs", "wrong", *(f"by {rule}" for rule in RULES_TRIED)]
    for runtime in runtimes:
        for engine in RUNTIMES[runtime.partition("==")[0]].engines:
            try:
                captured = tflreplay.capture(model, inputs.arrays, runtime, engine)
            except TflreplayError as error:
                print(f"\n### {runtime}, {engine}: {error}")
                continue
            print(f"\n### {captured.runtime} {captured.version}, {engine} kernels\n")
            lines = [row(model, op, captured) for op in model.main.operators]
            print(tabulate(lines, columns, tablefmt="github"), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or ["litert"])
