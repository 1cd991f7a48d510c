"""Where differences are born and how they travel."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.reports.synthetic import Layer, make_run
from tests.single_op import Op, Spec, build_side_by_side
from tflreplay.judgement.amplification import Step, amplification, worst_path
from tflreplay.judgement.run import Run
from tflreplay.model import Model, parse
from tflreplay.model.writer import write
from tflreplay.reports import amplification as report
from tflreplay.runtimes import Capture
from tflreplay.runtimes.inputs import Inputs
from tflreplay.tools.replay import run


def codes(*differences: int) -> np.ndarray:
    """A layer of 10 elements of which the first ones differ from 0."""
    return np.array([[*differences, *[0] * (10 - len(differences))]], np.int8)


def branched(*layers: tuple[str, tuple[int, ...], np.ndarray, np.ndarray | None]) -> Run:
    """Ops with the tensors they read (0: the input, i + 1: op i), and both differences from 0."""
    result = make_run(
        [
            Layer(op, op, codes(), isolated, chained)
            if chained is not None
            else Layer(op, op, None, shape=(1, 10))
            for op, _, isolated, chained in layers
        ]
    )
    graph = result.model.main
    operators = tuple(
        replace(operator, inputs=inputs)
        for operator, (_, inputs, _, _) in zip(graph.operators, layers, strict=True)
    )
    graph = replace(graph, operators=operators)
    return replace(result, model=replace(result.model, subgraphs=(graph,)))


def replaced(result: Run, index: int, **changes: Any) -> Run:
    """The run with something else about one layer."""
    layers = list(result.comparison.layers)
    layers[index] = replace(layers[index], **changes)
    return replace(result, comparison=replace(result.comparison, layers=tuple(layers)))


def steps_of(result: Run) -> tuple[Step, ...]:
    return amplification(result.model, result.comparison)


EXACT = codes()


def test_every_kind_and_the_worst_path() -> None:
    result = branched(
        ("CONV_2D", (0,), codes(1, -1), codes(1, -1)),  # 0: born
        ("MUL", (1,), EXACT, codes(3)),  # 1: grows
        ("LOGISTIC", (1,), EXACT, codes(0, 1)),  # 2: carried
        ("ADD", (3, 2), codes(1), codes(-4, 2)),  # 3: grows from op 1, makes one of its own
        ("MAX_POOL_2D", (3,), EXACT, EXACT),  # 4: absorbed
        ("MEAN", (0,), EXACT, EXACT),  # 5: exact
        ("FULLY_CONNECTED", (4, 5), EXACT, codes(2, 1, 1)),  # 6: shrinks
    )
    steps = steps_of(result)
    assert [step.kind for step in steps] == [
        "born",
        "grows",
        "carried",
        "grows",
        "absorbed",
        "exact",
        "shrinks",
    ]
    assert [step.made for step in steps] == [2, 0, 0, 1, 0, 0, 0]
    assert [step.before and step.before.op_index for step in steps] == [None, 0, 0, 1, 2, None, 3]
    assert [step.growth for step in steps] == [None, 3, 1, 4 / 3, 0, None, 0.5]
    assert (steps[3].before_max_abs, steps[3].before_rate, steps[3].rate) == (3, 0.1, 0.2)
    path = worst_path(result.model, steps)
    assert [step.layer.op_index for step in path] == [0, 1, 3, 6]
    assert report.render(result) == (
        "±1 is born at op 0 CONV_2D (2 of 10); grows to ±4 by op 3 ADD through MUL, ADD; "
        "output of op 6 FULLY_CONNECTED: ±2 in 3 of 10. "
        "2 layers make differences of their own; differences end in 1 layer."
    )
    document = json.loads(json.dumps(report.document(result)))
    assert document["worst_path"] == [0, 1, 3, 6]
    assert document["layers"][6]["growth"] == 0.5
    assert document["layers"][5]["from_op_index"] is None


def test_a_difference_that_reaches_no_output() -> None:
    result = branched(
        ("CONV_2D", (0,), codes(1), codes(1)),
        ("MUL", (1,), EXACT, codes(5)),
        ("RELU", (2,), EXACT, EXACT),
    )
    assert [step.layer.op_index for step in worst_path(result.model, steps_of(result))] == [0, 1]
    assert "grows to ±5 by op 1 MUL through MUL; no output of the model differs" in report.render(
        result
    )


def test_what_grows_again_behind_the_peak_is_not_said_to_have_made_it() -> None:
    result = branched(
        ("CONV_2D", (0,), codes(1), codes(1)),
        ("MUL", (1,), EXACT, codes(5)),
        ("RELU", (2,), EXACT, codes(1)),
        ("ADD", (3,), EXACT, codes(2)),
    )
    assert "grows to ±5 by op 1 MUL through MUL; output of op 3 ADD: ±2" in report.render(result)


def test_a_layer_that_was_not_replayed_starts_anew_and_one_not_captured_hands_on() -> None:
    layers = [
        ("CONV_2D", (0,), codes(2), codes(2)),
        ("RESHAPE", (1,), EXACT, None),
        ("MUL", (2,), EXACT, codes(4)),
    ]
    captured = branched(*layers)
    anew = replaced(captured, 1, rule="", reason="no kernel")
    assert [step.kind for step in steps_of(captured)] == ["born", "grows"]
    assert steps_of(captured)[1].growth == 2
    assert [step.kind for step in steps_of(anew)] == ["born", "born"]


def test_codes_and_real_numbers_are_not_divided() -> None:
    real = np.zeros((1, 10), np.float32)
    moved, infinite = real.copy(), real.copy()
    moved[0, 0], infinite[0, 0] = 0.25, np.inf
    result = make_run(
        [
            Layer("CONV_2D", "", codes(), codes(5), codes(5)),
            Layer("DEQUANTIZE", "", real, real, moved),
            Layer("EXP", "", real, real, infinite),
            Layer("EXP", "", real, real, infinite),
        ]
    )
    steps = steps_of(result)
    assert [step.growth for step in steps] == [None, None, np.inf, None]
    assert [step.kind for step in steps] == ["born", "carried", "grows", "carried"]
    assert report.document(result)["layers"][2]["growth"] is None
    assert report.render(result).startswith(
        "±5 is born at op 0 CONV_2D (1 of 10); output of op 3 EXP: ±inf in 1 of 10"
    )
    # A zero of the other sign is a difference of size 0.
    result = make_run([Layer("NEG", "", real, real, real), Layer("ABS", "", real, real, moved)])
    zero = result.comparison.layers[0].chained
    assert zero is not None
    steps = steps_of(replaced(result, 0, chained=replace(zero, mismatches=1)))
    assert [(step.kind, step.growth) for step in steps] == [("born", None), ("carried", None)]


def test_nothing_to_tell(seven_ops: Model, seven_inputs: Inputs, seven_captured: Capture) -> None:
    exact = run(seven_ops, seven_inputs, against=seven_captured)
    assert {step.kind for step in steps_of(exact)} == {"exact"}
    assert report.render(exact) == ""
    isolated = run(
        seven_ops, seven_inputs, against=seven_captured, replay_as="single", modes=("isolated",)
    )
    assert steps_of(isolated) == ()
    assert report.render(isolated) == ""


@pytest.mark.parametrize("modes", [("chained", "isolated"), ("chained",)])
def test_a_port_with_single_rounding(
    seven_ops: Model, seven_inputs: Inputs, seven_captured: Capture, modes: tuple[str, ...]
) -> None:
    """Every step against the counts of the tensors at both ends of its op."""
    result = run(seven_ops, seven_inputs, against=seven_captured, replay_as="single", modes=modes)
    by_tensor = {layer.tensor.index: layer for layer in result.comparison.layers}
    steps = steps_of(result)
    assert len(steps) == 20
    for step in steps:
        operator = seven_ops.main.operators[step.layer.op_index]
        found = [by_tensor[index].chained for index in operator.inputs if index in by_tensor]
        sizes = [diff.max_abs for diff in found if diff is not None]
        assert step.before_max_abs == max(sizes, default=0)
        assert (step.before is None) == (max(sizes, default=0) == 0)
        assert step.layer.chained is not None
        assert step.max_abs == step.layer.chained.max_abs
        if step.before is None:
            assert step.made == step.layer.chained.mismatches
        elif "isolated" in modes:
            assert step.layer.isolated is not None
            assert step.made == step.layer.isolated.mismatches
        else:
            assert step.made is None
    path = worst_path(seven_ops, steps)
    assert path[0].kind == "born"
    assert path[-1].layer.tensor.index in seven_ops.main.outputs
    for before, after in pairwise(path):
        assert after.before == before.layer
    assert ("of their own" in report.render(result)) == ("isolated" in modes)


def test_one_becomes_37() -> None:
    """google-ai-edge/LiteRT#7441: MEAN's ±1, of one rounding or two, behind a steep function."""
    x = Spec((1, 5, 4096), "int8", 0.25, 3)
    axes = Spec((1,), "int32", data=np.array([1], np.int32))
    average = Spec((1, 4096), "int8", 1.0, -4)
    gain = Spec((), "int8", 37.0, data=np.array(1, np.int8))
    content = build_side_by_side(
        [
            Op("MEAN", [x, axes], [average], {"keepDims": False}, "ReducerOptions"),
            Op("MUL", [average, gain], [Spec((1, 4096), "int8", 1.0, 0)], {}, "MulOptions"),
        ]
    )
    graph = parse(content, Path("two.tflite")).main
    mean, mul = graph.operators
    joined = replace(
        graph,
        inputs=graph.inputs[:1],
        outputs=graph.outputs[1:],
        operators=(mean, replace(mul, inputs=(*mean.outputs, mul.inputs[1]))),
    )
    model = parse(write([joined]), Path("rms_norm.tflite"))
    rng = np.random.default_rng(0)
    values = rng.integers(-9, 12, (1, 5, 4096), dtype=np.int8)
    result = run(model, Inputs({model.main.inputs[0]: values}), replay_as="single")
    born, grown = steps_of(result)
    assert (born.layer.op, born.kind, born.max_abs) == ("MEAN", "born", 1)
    assert (grown.layer.op, grown.kind, grown.max_abs) == ("MUL", "grows", 37)
    assert (grown.growth, grown.made) == (37, 0)
    assert born.made
    assert born.layer.chained is not None
    assert report.render(result).startswith(
        f"±1 is born at op 0 MEAN ({born.made:,} of 4,096); grows to ±37 by op 1 MUL through MUL"
    )


def test_rows_are_a_table(tmp_path: Path) -> None:
    result = branched(("CONV_2D", (0,), codes(1), codes(1)), ("MUL", (1,), EXACT, codes(3)))
    with open(tmp_path / "t.csv", "w", newline="") as file:
        csv.writer(file).writerows([report.COLUMNS, *report.rows(result)])
    with open(tmp_path / "t.csv", newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["kind"], first["from_tensor"], first["made"]) == ("born", "", "1")
    assert (second["kind"], second["from_op_index"], second["growth"]) == ("grows", "0", "3.0")
