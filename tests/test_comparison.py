"""Differences are counted right, and a planted error shows where it was planted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from tflreplay.judgement.comparison import Comparison, LayerDiff, compare
from tflreplay.judgement.difference import difference
from tflreplay.judgement.suspects import Suspects
from tflreplay.model import Model, Operator, Tensor
from tflreplay.ops import CARDS, card
from tflreplay.replayer.loop import replay, replay_isolated
from tflreplay.runtimes import Capture
from tflreplay.runtimes.inputs import Inputs


@given(arrays(np.int8, array_shapes(max_dims=4, max_side=5)), st.data())
def test_difference_counts(ours: np.ndarray, data: st.DataObject) -> None:
    theirs = data.draw(arrays(np.int8, ours.shape, elements=st.integers(-3, 3)))
    axis = data.draw(st.integers(0, ours.ndim - 1))
    found = difference(ours, theirs, axis)
    diff = ours.astype(int) - theirs
    assert found.elements == diff.size
    assert found.mismatches == np.count_nonzero(diff)
    assert found.plus_one == np.count_nonzero(diff == 1)
    assert found.minus_one == np.count_nonzero(diff == -1)
    assert found.max_abs == np.abs(diff).max()
    assert found.mean == pytest.approx(diff.mean())
    assert found.histogram == {int(d): int((diff == d).sum()) for d in np.unique(diff)}
    assert found.exact == (ours == theirs).all()
    for channel in range(ours.shape[axis]):
        part = diff.take(channel, axis)
        assert found.channels.elements[channel] == part.size
        assert found.channels.mismatches[channel] == np.count_nonzero(part)
        assert found.channels.plus_one[channel] == np.count_nonzero(part == 1)
        assert found.channels.minus_one[channel] == np.count_nonzero(part == -1)
        assert found.channels.max_abs[channel] == np.abs(part).max()
        assert found.channels.mean[channel] == pytest.approx(part.mean())
        for d in set(part.ravel()) - {0}:
            assert [channel, d, np.count_nonzero(part == d)] in found.channel_histogram.tolist()


def test_floating_point_matches_bit_for_bit() -> None:
    ours = np.array([[1.0, np.nan, 0.0, 2.0]], np.float32)
    assert difference(ours, ours.copy(), 1).exact
    found = difference(ours, np.array([[1.0, np.nan, -0.0, 2.5]], np.float32), 1)
    assert (found.mismatches, found.max_abs) == (1, 0.5)
    assert (found.close, found.signs) == (1, 1)  # the sign of zero is no mismatch, nor identical
    assert difference(ours, np.array([[1.0, 3.0, 0.0, 2.0]], np.float32), 1).max_abs == np.inf


def test_a_scalar_has_one_channel() -> None:
    found = difference(np.array(3, np.int8), np.array(5, np.int8), 0)
    assert (found.mismatches, found.max_abs, len(found.channels)) == (1, 2, 1)


def test_exact_model_is_exact(
    seven_ops: Model, seven_inputs: Inputs, seven_captured: Capture
) -> None:
    chained = replay(seven_ops, seven_inputs.arrays)
    isolated = replay_isolated(seven_ops, seven_captured.tensors)
    comparison = compare(seven_ops, seven_captured.tensors, chained, isolated)
    assert comparison.exact
    assert len(comparison.layers) == len(seven_ops.main.operators)
    assert comparison.first_divergence is None


def with_weights(model: Model, op: Operator, weights: np.ndarray) -> Model:
    """The model with other weights in one operator."""
    graph = model.main
    index = op.inputs[1]
    changed: Tensor = replace(graph.tensors[index], raw=memoryview(weights.tobytes()))
    tensors = (*graph.tensors[:index], changed, *graph.tensors[index + 1 :])
    return replace(model, subgraphs=(replace(graph, tensors=tensors), *model.subgraphs[1:]))


@pytest.mark.parametrize("op_name", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"])
def test_a_flipped_weight_shows_in_its_layer_and_channel(
    seven_ops: Model, seven_inputs: Inputs, seven_captured: Capture, op_name: str
) -> None:
    op = [op for op in seven_ops.main.operators if op.name == op_name][-1]
    weights = np.array(seven_ops.main.tensors[op.inputs[1]].data)
    channel = 2
    # Depthwise weights hold their channels last, the others first. The largest weight of the
    # channel is flipped; of a FULLY_CONNECTED the one that meets the largest input.
    own = weights[..., channel] if op_name == "DEPTHWISE_CONV_2D" else weights[channel]
    x = seven_ops.main.tensors[op.inputs[0]]
    size = np.abs(own.astype(int))
    if op_name == "FULLY_CONNECTED":
        size *= np.abs(seven_captured.tensors[x.index].ravel().astype(int) - x.zero_point)
    own[np.unravel_index(size.argmax(), own.shape)] *= -1
    broken = with_weights(seven_ops, op, weights)
    chained = replay(broken, seven_inputs.arrays)
    isolated = replay_isolated(broken, seven_captured.tensors)
    comparison = compare(broken, seven_captured.tensors, chained, isolated)

    differ = {
        mode: [layer.op_index for layer in comparison.layers if not getattr(layer, mode).exact]
        for mode in ("isolated", "chained")
    }
    assert differ["isolated"] == [op.index]
    assert differ["chained"][0] == op.index
    layer = comparison.layers[op.index]
    assert comparison.first_divergence is layer
    assert layer.isolated is not None
    assert np.flatnonzero(layer.isolated.channels.mismatches).tolist() == [channel]
    output = op.outputs[0]
    expected = isolated.tensors[output].astype(int) - seven_captured.tensors[output]
    assert layer.isolated.mismatches == np.count_nonzero(expected) > 0
    assert layer.isolated.plus_one == np.count_nonzero(expected == 1)
    assert layer.isolated.minus_one == np.count_nonzero(expected == -1)


def test_another_rounding_rule_shows_as_off_by_one(
    seven_ops: Model,
    seven_inputs: Inputs,
    seven_captured: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """CONV_2D replayed with single rounding, as a port to CMSIS-NN might have it."""
    single = tuple(replace(row, rule="single") for row in card("CONV_2D").rows("reference"))
    changed = replace(card("CONV_2D"), tables={"reference": single})
    monkeypatch.setattr("tflreplay.ops.CARDS", {**CARDS, "CONV_2D": changed})
    isolated = replay_isolated(seven_ops, seven_captured.tensors)
    comparison = compare(seven_ops, seven_captured.tensors, isolated=isolated)
    wrong = comparison.mismatched
    assert wrong
    assert {layer.op for layer in wrong} == {"CONV_2D"}
    for layer in wrong:
        assert layer.isolated is not None
        assert layer.isolated.max_abs == 1
        assert layer.isolated.mismatches == layer.isolated.plus_one + layer.isolated.minus_one
        assert layer.isolated.rate < 0.05
        assert layer.rule == "single"


def test_what_was_not_compared_is_never_zero(seven_ops: Model, seven_captured: Capture) -> None:
    isolated = replay_isolated(seven_ops, seven_captured.tensors)
    index = seven_ops.main.operators[3].outputs[0]
    tensors = {i: array for i, array in seven_captured.tensors.items() if i != index}
    layer = compare(
        seven_ops, tensors, isolated=isolated, missing={index: "the runtime gave none"}
    ).layers[3]
    assert (layer.isolated, layer.chained, layer.status) == (None, None, "not replayed")
    assert layer.reason == "the runtime gave none"


def test_differences_too_far_apart_for_a_table() -> None:
    ours = np.array([[0, 2**30], [5, -(2**31)]], np.int32)
    theirs = np.array([[0, 0], [4, 2**31 - 1]], np.int32)
    found = difference(ours, theirs, 1)
    assert found.histogram == {0: 1, 1: 1, 2**30: 1, 1 - 2**32: 1}
    assert found.channel_histogram.tolist() == [[0, 1, 1], [1, 1 - 2**32, 1], [1, 2**30, 1]]
    assert found.channels.max_abs.tolist() == [1, 2**32 - 1]


def test_a_tolerance_is_counted_and_told() -> None:
    theirs = np.array([[1.0, -4.0], [0.25, 2.0]], np.float32)
    ours = theirs + np.array([[3e-6, 0.0], [0.0, 9e-5]], np.float32)
    exactly = difference(ours, theirs, 1)
    assert (exactly.mismatches, exactly.close) == (2, 0)
    # 1e-5 of the largest magnitude, 4, is 4e-5.
    loosely = difference(ours, theirs, 1, tolerance=1e-5)
    assert (loosely.mismatches, loosely.close) == (1, 1)
    assert loosely.channels.mismatches.tolist() == [0, 1]
    near = difference(ours[:1], theirs[:1], 1, tolerance=1e-5)
    assert near.exact
    assert near.close == 1
    infinite = difference(np.float32([np.inf, 1]), np.float32([1, 1]), 0, tolerance=1e-5)
    assert infinite.mismatches == 1
    assert infinite.close == 0


@given(
    arrays(
        np.int16, array_shapes(min_dims=2, max_dims=3, max_side=6), elements=st.integers(-999, 999)
    ),
    st.data(),
)
def test_differences_add(ours: np.ndarray, data: st.DataObject) -> None:
    """The sum of two parts is what both together give; from 16 on in bins."""
    theirs = ours + data.draw(arrays(np.int8, ours.shape, elements=st.integers(-20, 20)))
    if data.draw(st.booleans()):  # exact on one side
        theirs[: len(ours) // 2] = ours[: len(ours) // 2]
    cut = data.draw(st.integers(0, len(ours)))
    axis = ours.ndim - 1
    parts = [difference(ours[s], theirs[s], axis) for s in (np.s_[:cut], np.s_[cut:])]
    found, whole = parts[0] + parts[1], difference(ours, theirs, axis)
    for name in ("elements", "mismatches", "plus_one", "minus_one", "max_abs", "total", "mean"):
        assert getattr(found, name) == getattr(whole, name), name
    for name in ("elements", "mismatches", "plus_one", "minus_one", "max_abs", "total", "mean"):
        assert (getattr(found.channels, name) == getattr(whole.channels, name)).all(), name
    bins = {n: n if abs(n) < 16 else int(np.sign(n)) * 16 for n in range(-20, 21)}
    expected: dict[int, int] = {}
    for value, count in whole.histogram.items():
        expected[bins[value]] = expected.get(bins[value], 0) + count
    assert found.histogram == expected
    keys = found.channel_histogram[:, :2].tolist()
    assert keys == sorted(keys)
    assert len(set(map(tuple, keys))) == len(keys)
    assert (np.abs(found.channel_histogram[:, 1]) <= 16).all()
    counted = np.zeros(ours.shape[-1], np.int64)
    np.add.at(counted, found.channel_histogram[:, 0], found.channel_histogram[:, 2])
    assert (counted == whole.channels.mismatches).all()


def test_bins_are_powers_of_two_either_way() -> None:
    ours = np.array([[-128], [-65], [-64], [-17], [-16], [-15], [15], [31], [32], [127]], np.int8)
    found = difference(ours, np.zeros_like(ours), 1)
    expected = {-128: 2, -64: 4, -16: 4, -15: 2, 15: 2, 16: 2, 32: 2, 64: 2}
    assert (found + found).histogram == expected
    assert found.histogram == dict.fromkeys(ours[:, 0].tolist(), 1)


def test_channels_add_where_outputs_have_not_as_many() -> None:
    few, many = np.ones((2, 3), np.int8), np.ones((1, 4), np.int8)
    found = difference(few, few - 1, 1) + difference(many, many, 1)
    assert found.channels.elements.tolist() == [3, 3, 3, 1]
    assert found.channels.mismatches.tolist() == [2, 2, 2, 0]
    assert found.channels.mean.tolist() == [2 / 3, 2 / 3, 2 / 3, 0]
    assert (found.elements, found.mismatches) == (10, 6)


def layer(made: int | None, chained: int | None, **facts: Any) -> LayerDiff:
    """One output of four elements, of which so many differ; None: not compared."""
    zeros = np.zeros((1, 4), np.int8)
    found = [
        None if many is None else difference((np.arange(4) < many).astype(np.int8)[None], zeros, 1)
        for many in (made, chained)
    ]
    tensor = Tensor(3, "t", (1, 4), (1, 4), "int8", 0)
    suspects = facts.pop("suspects", Suspects((2,)))
    near, far = (found[0], None) if len(suspects.ops) == 1 else (None, found[0])
    return LayerDiff(
        2, "ADD", tensor, (1, 4), 1, "", near, found[1], stretch=far, suspects=suspects, **facts
    )


def test_layers_add() -> None:
    total = layer(0, 0) + layer(1, 2) + layer(0, 0)
    assert (total.status, total.kind, total.inputs, total.elements) == ("mismatch", "own", 3, 12)
    assert total.isolated is not None
    assert total.chained is not None
    assert (total.isolated.mismatches, total.chained.mismatches) == (1, 2)
    assert (layer(0, 0) + layer(0, 0)).status == "exact"
    assert (layer(0, 0) + layer(0, 3)).kind == "inherited"


def test_a_layer_that_one_input_lacks_is_not_exact() -> None:
    lacking = layer(None, None, reason="no kernel")
    for total in (layer(0, 0) + lacking + layer(0, 0), lacking + layer(0, 0) + layer(0, 0)):
        assert (total.status, total.lacking, total.inputs) == ("not replayed", 1, 3)
        assert total.reason == "no kernel"
    assert (layer(0, 0) + layer(None, None, absent="not dumped")).status == "not dumped"
    assert (layer(1, 1) + lacking).status == "mismatch"


def test_what_was_made_is_claimed_no_closer_than_in_the_vaguest_input() -> None:
    vague = Suspects((1, 2))
    total = layer(0, 0) + layer(2, 2, suspects=vague)
    assert total.isolated is None
    assert total.stretch is not None
    assert (total.stretch.elements, total.stretch.mismatches) == (8, 2)
    assert (total.kind, total.suspects.ops) == ("at or before", (1, 2))


def test_comparisons_add_layer_by_layer() -> None:
    one, other = layer(0, 0), replace(layer(1, 1), op_index=4)
    total = Comparison((one, other)) + Comparison((other,))
    assert [(found.op_index, found.inputs) for found in total.layers] == [(2, 1), (4, 2)]
