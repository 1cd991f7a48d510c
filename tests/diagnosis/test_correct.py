"""A correct implementation is not accused: every engine, told to be any of the engines."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.diagnosis.models import Layer, layers
from tests.diagnosis.port import Port
from tests.single_op import run_engine
from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import CaptureError, NotReplayed
from tflreplay.ground.rounding import Array
from tflreplay.judgement.diagnosis import candidates, diagnose
from tflreplay.model import Model, load
from tflreplay.ops import row_of
from tflreplay.ops.seam import Tensors, run_op
from tflreplay.runtimes import capture
from tflreplay.runtimes.inputs import Inputs, random_inputs

ENGINES = ("reference", "optimized", "xnnpack")
PAIRS = [(true, told) for true in ENGINES for told in ENGINES]
ZOO = os.environ.get("TFLREPLAY_ZOO")
ZOO_MODELS = sorted(Path(ZOO).glob("*.tflite")) if ZOO else []


def judge(chosen: Sequence[Layer], captured: Tensors, true: Engine, told: Engine) -> int:
    """How many layers were judged, rightly: those that our replay of the engine gives exactly.

    No mistake is found in them, and what the engine computes is among what explains them.
    """
    judged = 0
    for layer in chosen:
        graph, op, tensors = layer.model.main, layer.op, layer.tensors
        try:
            row = row_of(true, graph, op)
            replayed = run_op(graph, op, tensors, true, row)[op.outputs[0]]
            tried = candidates(told, graph, op)
        except (NotReplayed, IndexError):
            continue
        produced = captured.get(op.outputs[0])
        if produced is None or not np.array_equal(replayed, produced):
            continue
        verdict = diagnose(graph, op, tensors, produced, told)
        if verdict is None:
            continue
        text = f"{layer}, {true} told to be {told}: {verdict.text}"
        assert verdict.kind not in ("mistake", "unexplained"), text
        (name,) = (c.name for c in tried if c.row is row or same_arithmetic(c.row, row))
        assert name in [fit.arithmetic for fit in verdict.fits if not fit.mistake], text
        judged += 1
    return judged


def same_arithmetic(one: object, other: object) -> bool:
    keys = ("kernel", "rule", "multiplier", "algorithm", "clamp")
    return all(getattr(one, key) == getattr(other, key) for key in keys)


@pytest.fixture(scope="module", params=ENGINES)
def true(request: pytest.FixtureRequest) -> Engine:
    return Engine(request.param)


@pytest.fixture(scope="module")
def captured(true: Engine, seven_ops: Model, seven_inputs: Inputs) -> dict[int, Array]:
    return dict(capture(seven_ops, seven_inputs.arrays, engine=true.name).tensors)


@pytest.mark.parametrize("told", ENGINES)
def test_a_small_network(
    true: Engine, told: str, captured: dict[int, Array], seven_ops: Model, seven_inputs: Inputs
) -> None:
    chosen = layers(seven_ops, dict(seven_inputs.arrays) | captured)
    assert judge(chosen, captured, true, Engine(told)) == len(chosen)


@pytest.mark.parametrize("name", ["int8", "uint8", "tied"])
def test_critical_layers(true: Engine, name: str, models: dict[str, tuple[Layer, ...]]) -> None:
    chosen = models[name]
    graph, content = chosen[0].model.main, chosen[0].model.content
    inputs = [chosen[0].tensors[index] for index in graph.inputs]
    outputs = run_engine(content, inputs, true)
    produced = dict(zip(graph.outputs, outputs, strict=True))
    for told in ENGINES:
        assert judge(chosen, produced, true, Engine(told)) == len(chosen)


@pytest.mark.skipif(not ZOO, reason="TFLREPLAY_ZOO names no directory of models")
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("path", ZOO_MODELS, ids=lambda path: path.stem)
def test_the_zoo(path: Path, engine: str) -> None:
    model = load(path)
    inputs = random_inputs(model)
    try:
        taken = capture(model, inputs.arrays, engine=engine)
    except CaptureError as error:
        pytest.skip(str(error))
    chosen = layers(model, dict(inputs.arrays) | taken.tensors)
    for told in ENGINES:
        judge(chosen, taken.tensors, Engine(engine), Engine(told))


def test_the_multiplier_of_another_engine_is_no_mistake(
    models: dict[str, tuple[Layer, ...]],
) -> None:
    """XNNPACK computes the multiplier in float32, the reference kernels in float64."""
    layer = next(layer for layer in models["tied"] if layer.op.name == "CONV_2D")
    verdict = layer.verdict(layer.computed(Port("double")), Engine("xnnpack"))
    fits = [(fit.arithmetic, fit.mistake) for fit in verdict.fits]
    assert fits[0] == ("double, multiplier float64 s1*s2/so (reference kernels)", "")
    assert ("double", "real multiplier computed in float64") not in fits
