"""The loop: chained, isolated, and past an op that cannot be replayed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tflite

from tests.conftest import EFFICIENTNET, IMAGE
from tflreplay.ground.engine import Engine
from tflreplay.ground.rounding import RULES
from tflreplay.judgement.comparison import compare
from tflreplay.model import Model, load
from tflreplay.ops import CARDS, LAYERS, Card, card
from tflreplay.replayer.loop import replay, replay_isolated
from tflreplay.runtimes import Capture, capture
from tflreplay.runtimes.inputs import Inputs, read_inputs
from tflreplay.tools.replay import run


def rename_op(model: Model, index: int, name: str) -> Model:
    graph = model.main
    operators = list(graph.operators)
    operators[index] = replace(operators[index], name=name)
    return replace(model, subgraphs=(replace(graph, operators=tuple(operators)),))


@pytest.mark.parametrize("name", ["reference", "optimized", "xnnpack"])
def test_efficientnet_is_exact_chained_and_isolated(name: str) -> None:
    """The main job: all 242 layers, 0 mismatches."""
    model = load(EFFICIENTNET)
    engine = Engine(name)
    inputs = read_inputs(model, [str(IMAGE)])
    captured = capture(model, inputs.arrays, engine=name)
    chained = replay(model, inputs.arrays, engine)
    # Without the chained replay, so that every op is computed again.
    isolated = replay_isolated(model, captured.tensors, engine)
    comparison = compare(model, captured.tensors, chained, isolated)
    assert len(comparison.layers) == 242
    assert comparison.exact
    assert all(layer.isolated is not None for layer in comparison.layers)
    assert all(layer.chained is not None for layer in comparison.layers)


def test_two_threads_are_replayed_too() -> None:
    """The optimized MEAN cuts its channels by thread, and rounds the ends of each cut apart."""
    model = load(EFFICIENTNET)
    inputs = read_inputs(model, [str(IMAGE)])
    result = run(model, inputs, engine="optimized", threads=2)
    assert result.verdict == "exact"
    assert (result.engine.threads, result.capture.threads) == (2, 2)


def test_isolated_reuses_only_identical_inputs(
    seven_ops: Model, seven_inputs: Inputs, seven_captured: Capture
) -> None:
    chained = replay(seven_ops, seven_inputs.arrays)
    other = {i: np.bitwise_xor(array, 1) for i, array in seven_captured.tensors.items()}
    with_help = replay_isolated(seven_ops, other, chained=chained)
    alone = replay_isolated(seven_ops, other)
    assert with_help.tensors.keys() == alone.tensors.keys()
    for index, array in alone.tensors.items():
        np.testing.assert_array_equal(with_help.tensors[index], array)


def test_unknown_op_is_passed_over_from_the_captured_tensor(
    seven_ops: Model, seven_inputs: Inputs, seven_captured: Capture
) -> None:
    model = rename_op(seven_ops, 4, "CUSTOM:mine")
    chained = replay(model, seven_inputs.arrays, captured=lambda: seven_captured.tensors)
    isolated = replay_isolated(model, seven_captured.tensors, chained=chained)
    assert chained.not_replayed.keys() == {4}
    assert "no reference kernel for CUSTOM:mine" in chained.not_replayed[4]
    comparison = compare(model, seven_captured.tensors, chained, isolated)
    assert [layer.op_index for layer in comparison.not_replayed] == [4]
    assert not comparison.mismatched
    assert not comparison.exact


def test_without_a_capture_everything_after_an_unknown_op_says_so(
    seven_ops: Model, seven_inputs: Inputs
) -> None:
    model = rename_op(seven_ops, 0, "CUSTOM:mine")
    result = replay(model, seven_inputs.arrays)
    assert "is not known" in result.not_replayed[1]


@pytest.mark.parametrize(("part", "op"), [("kernel", "MEAN"), ("when", "SUB")])
def test_a_part_of_a_row_that_fails_takes_only_its_layers_along(
    seven_ops: Model,
    seven_inputs: Inputs,
    seven_captured: Capture,
    monkeypatch: pytest.MonkeyPatch,
    part: str,
    op: str,
) -> None:
    def broken(*_: object) -> None:
        raise IndexError("out of luck")

    rows = tuple(replace(row, **{part: broken}) for row in card(op).rows("reference"))
    monkeypatch.setattr("tflreplay.ops.CARDS", {**CARDS, op: Card(op, {"reference": rows})})
    result = replay(seven_ops, seven_inputs.arrays, captured=lambda: seven_captured.tensors)
    assert {seven_ops.main.operators[i].name for i in result.not_replayed} == {op}
    assert all("IndexError: out of luck" in reason for reason in result.not_replayed.values())


def test_every_row_of_the_tables_says_what_it_is() -> None:
    tables = {table for layers in LAYERS.values() for table in layers}
    for op, known in CARDS.items():
        assert op in vars(tflite.BuiltinOperator) or op.startswith("CUSTOM:")
        assert {*known.tables} <= tables
        for row in known.rows():
            assert row.rule in RULES or (row.rule == "" and row.algorithm)
            assert row.source
