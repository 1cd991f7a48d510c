"""Synthetic devices: each computes every kind of op by an arithmetic chosen at random."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np

from tflreplay.ground.engine import Engine
from tflreplay.ground.profile import Measured, Profile
from tflreplay.ground.rounding import Array
from tflreplay.model import Model
from tflreplay.ops import row_of
from tflreplay.ops.seam import Tensors, run_op
from tflreplay.replayer.loop import replay
from tflreplay.tools.probe.cases import Cases
from tflreplay.tools.probe.identify import BASE, kinds, trials_of


def device(cases: Cases, seed: int) -> Engine:
    """One of the arithmetics that are known for each kind and type, all of them as likely."""
    chosen = random.Random(seed)
    measured = []
    for kind in kinds(cases):
        trials = trials_of(cases, kind)
        one = chosen.choice(trials.known).arithmetic
        measured.append(Measured(trials.op, trials.dtype, one.kernels, one.rule))
    return replace(BASE, profile=Profile("device", tuple(measured)))


def outputs(cases: Cases, engine: Engine) -> dict[int, Array]:
    """What an engine gives of every operator, by tensor index."""
    graph, made = cases.model.main, dict[int, Array]()
    for op in graph.operators:
        made |= run_op(graph, op, cases.inputs, engine, row_of(engine, graph, op))
    return made


def mismatches(model: Model, inputs: Tensors, one: Engine, other: Engine) -> int:
    """Elements in which the chained replays of two engines differ, or that one does not replay."""
    a, b = (replay(model, inputs, engine) for engine in (one, other))
    assert not a.not_replayed
    assert not b.not_replayed
    return sum(
        int(np.count_nonzero(a.tensors[index] != b.tensors[index]))
        for op in model.main.operators
        for index in op.outputs
    )
