"""What is tried on an op."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import EFFICIENTNET
from tests.diagnosis.models import Layer, layers
from tests.single_op import Spec, build
from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import NotReplayed
from tflreplay.judgement.diagnosis import candidates
from tflreplay.judgement.diagnosis.candidates import ROUND_ONCE, RULES_TRIED, base_row
from tflreplay.model import load, parse
from tflreplay.ops import LAYERS, row_of

OLD = Engine("reference", "litert", "1.2.0")
ENGINES = [*map(Engine, LAYERS), OLD, Engine("xnnpack", "tensorflow", "2.17.1")]


@pytest.fixture(scope="module")
def every_layer(models: dict[str, tuple[Layer, ...]]) -> list[Layer]:
    return [layer for model in models.values() for layer in model] + [
        *layers(load(EFFICIENTNET), {})
    ]


@pytest.mark.parametrize("engine", ENGINES, ids=repr)
def test_own_arithmetic_first_and_nothing_twice(engine: Engine, every_layer: list[Layer]) -> None:
    for layer in every_layer:
        graph, op = layer.model.main, layer.op
        try:
            own = row_of(engine, graph, op)
        except NotReplayed:
            continue  # TFLM has no uint8 CONV_2D
        tried = candidates(engine, graph, op)
        if not tried:
            assert not own.rule, layer
            continue
        assert tried[0].row == own
        names = [candidate.name for candidate in tried]
        assert len(set(names)) == len(names), (layer, names)
        computed = [
            (c.row.kernel, c.row.rule, c.row.multiplier, c.row.algorithm, c.row.clamp)
            for c in tried
        ]
        assert len(set(computed)) == len(computed), (layer, names)


@pytest.mark.parametrize("told", ["reference", "optimized", "xnnpack"])
def test_every_engine_is_a_candidate(told: str, every_layer: list[Layer]) -> None:
    for layer in every_layer:
        graph, op = layer.model.main, layer.op
        tried = candidates(Engine(told), graph, op)
        keys = {(c.row.kernel, c.row.rule, c.row.algorithm, c.row.clamp) for c in tried}
        for name in ("reference", "optimized", "xnnpack") if tried else ():
            row = row_of(Engine(name), graph, op)
            assert (row.kernel, row.rule, row.algorithm, row.clamp) in keys, (layer, name)


def test_every_rule_is_tried_where_one_is_in_force(every_layer: list[Layer]) -> None:
    for layer in every_layer:
        names = {c.name for c in candidates(Engine(), layer.model.main, layer.op)}
        if row_of(Engine(), layer.model.main, layer.op).rule:
            assert names >= set(RULES_TRIED), layer


def test_other_versions_are_named(models: dict[str, tuple[Layer, ...]]) -> None:
    """FULLY_CONNECTED was integer arithmetic before LiteRT 1.3."""
    layer = next(layer for layer in models["int8"] if layer.op.name == "FULLY_CONNECTED")
    graph, op = layer.model.main, layer.op
    assert candidates(Engine(), graph, op)[0].name == "float-away64"
    assert candidates(OLD, graph, op)[0].name == "double"
    conv = models["int8"][0]
    names = [c.name for c in candidates(Engine(), conv.model.main, conv.op)]
    assert "float-even32, multiplier float32 s1*s2/so (xnnpack kernels)" in names


def test_an_op_that_moves_data_has_no_rival(every_layer: list[Layer]) -> None:
    moved = [layer for layer in every_layer if layer.op.name == "RESHAPE"]
    for layer in moved:
        assert candidates(Engine(), layer.model.main, layer.op) == ()


def test_the_seam_is_the_engine_s_own_rule_or_another_engine_s(
    models: dict[str, tuple[Layer, ...]],
) -> None:
    by_op = {layer.op.name: layer for layer in models["seven_ops"]}
    for name, engine, rule in (
        ("CONV_2D", "optimized", "double-up"),
        ("ADD", "optimized", "double"),  # its own is an algorithm
        ("ADD", "xnnpack", "single"),
        ("MEAN", "xnnpack", "double"),
    ):
        layer = by_op[name]
        row = base_row(Engine(engine), layer.model.main, layer.op)
        assert row is not None
        assert row.rule == rule


def test_an_unknown_op_is_not_replayed(models: dict[str, tuple[Layer, ...]]) -> None:
    layer = models["seven_ops"][0]
    unknown = replace(layer.op, name="NO_SUCH_OP")
    with pytest.raises(NotReplayed, match="no reference kernel for NO_SUCH_OP"):
        candidates(Engine(), layer.model.main, unknown)


def test_rules_that_round_once() -> None:
    assert set(RULES_TRIED) - set(ROUND_ONCE) == {"double", "double-up", "reduced16"}


def test_the_rows_of_the_version_in_force_come_before_those_of_others() -> None:
    """Of two that compute the same here, the one that is named is of the version that runs."""
    spec = Spec((2, 8), "int16", 0.01)
    weights = Spec((4, 8), "int8", 0.02, data=np.ones((4, 8), np.int8))
    content = build(
        "FULLY_CONNECTED",
        [spec, weights, None],
        [Spec((2, 4), "int16", 0.03)],
        {},
        "FullyConnectedOptions",
        version=7,
    )
    model = parse(content, Path("model.tflite"))
    (op,) = model.main.operators
    for version, first in (("2.3.0", False), ("2.4.0", True)):
        found = candidates(Engine("reference", "litert", version), model.main, op)
        named = [c.name for c in found if c.name.startswith("32-bit sums")]
        assert ["litert 2.4.0" in name for name in named] == [first, not first]
