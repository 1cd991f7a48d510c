"""How much an exact result proves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import tflreplay
from tests.conftest import MODELS
from tests.diagnosis.models import built
from tests.diagnosis.porter import ops
from tests.reports.synthetic import Layer, make_run
from tflreplay.ground.engine import Engine
from tflreplay.ground.rounding import Accumulation, Multiplier
from tflreplay.judgement.diagnosis import diagnose
from tflreplay.judgement.diagnosis.evidence import evidence
from tflreplay.judgement.proof import Proof, prove, rest
from tflreplay.judgement.run import Findings
from tflreplay.replayer.loop import replay

ENGINE = Engine("reference", "litert", "2.3.0")
PROOF = Proof(
    "MUL",
    "double",
    5,
    2,
    900,
    {"single": 412, "double-up": 1, "reduced16": 0},
    {},
    "look --layer 7",
    7,
)
CODES = np.arange(12, dtype=np.int8).reshape(1, 3, 4)


@pytest.fixture(scope="module")
def found() -> tuple[tflreplay.Model, dict[int, np.ndarray], tuple[Proof, ...]]:
    model = tflreplay.load(MODELS / "seven_ops_int8.tflite")
    inputs = tflreplay.random_inputs(model, seed=3)
    tensors = replay(model, inputs.arrays, ENGINE).tensors
    operators = model.main.operators
    return model, tensors, prove(model, operators, tensors, ENGINE, "look", seconds=60)


def test_what_would_have_shown_is_what_a_verdict_rejects(found) -> None:  # type: ignore[no-untyped-def]
    """Of ops with one layer: a rule that gives the same everywhere is told apart by none."""
    model, tensors, proofs = found
    single = [proof for proof in proofs if proof.layers == 1]
    assert single
    for proof in single:
        (op,) = (op for op in model.main.operators if op.name == proof.op)
        verdict = diagnose(model.main, op, tensors, tensors[op.outputs[0]], ENGINE)
        assert verdict is not None
        assert verdict.kind == "expected"
        for rule, count in proof.rules.items():
            wrong = verdict.contradicted.get(rule, 0)
            assert count <= wrong, rule
            assert bool(wrong) or not count


def test_all_layers_are_looked_at_given_the_time(found) -> None:  # type: ignore[no-untyped-def]
    model, tensors, proofs = found
    assert {proof.op for proof in proofs} > {"CONV_2D", "MUL", "ADD", "FULLY_CONNECTED"}
    assert all(proof.seen == proof.layers for proof in proofs)
    hurried = prove(model, model.main.operators, tensors, ENGINE, "look", seconds=0)
    assert [(proof.op, proof.layers) for proof in hurried] == [(p.op, p.layers) for p in proofs]
    assert all(proof.seen == 1 for proof in hurried)


def test_a_sum_of_16_bits_would_have_shown_in_a_convolution(found) -> None:  # type: ignore[no-untyped-def]
    (convolution,) = (proof for proof in found[2] if proof.op == "CONV_2D")
    assert convolution.mistakes["accumulator of 16 bits"] > 0
    assert convolution.mistakes["bias left out"] > 0


def test_words() -> None:
    assert PROOF.text == (
        "MUL, 2 of 5 layers looked at: double told from double-up by 1 element, from single by "
        "412; by none from reduced16."
    )
    tried = replace(PROOF, seen=5, mistakes={"bias left out": 3, "clamp left out": 0})
    assert tried.text == (
        "MUL, 5 layers: double told from double-up by 1 element, from single by 412; by none from "
        "reduced16. Of 2 mistakes tried, 1 would have shown; not clamp left out."
    )
    run = replace(make_run([]), findings=Findings(proofs=(PROOF,)))
    assert run.proven == (
        PROOF.text,
        "To look for inputs that tell those apart: look --layer 7",
    )
    assert rest([PROOF, replace(PROOF, command="look --layer 9", layer=9)]).endswith(
        " 7 (or layer 9)"
    )
    assert rest([replace(PROOF, rules={"single": 1})]) == ""


def test_evidence_counts_each_sum_once_and_no_saturated_element() -> None:
    sums = np.array([[5, 5, 7, 900, -900]])
    codes = np.array([[5, 5, 7, 127, -128]], np.int8)
    made = Accumulation(sums, Multiplier.of(1.0), 0, -128, 127, np.dtype(np.int8))
    everywhere = np.ones(codes.shape, bool)
    assert evidence(codes, made, ()).count(everywhere) == 2
    assert evidence(codes, None, (codes, codes)).count(everywhere) == 2
    assert evidence(codes, None, (np.zeros(3),)).count(everywhere) == 3


def test_a_layer_that_nothing_is_tried_for_gets_a_line() -> None:
    real = CODES.astype(np.float32)
    run = make_run(
        [
            Layer("HARD_SWISH", "x", CODES, CODES + np.int8(1)),
            Layer("HARD_SWISH", "y", CODES, CODES + np.int8(1)),
            Layer("ADD", "z", real, real + 1),
        ]
    )
    assert run.untried == (
        "HARD_SWISH, 2 layers differ (op 0-1): nothing is tried for HARD_SWISH.",
        "ADD, 1 layer differs (op 2): nothing is tried for ADD on floating-point outputs.",
    )


def test_mistakes_in_an_op_whose_inputs_stand_in_another_order() -> None:
    """TRANSPOSE_CONV has its bias last, after the output's shape."""
    for layer in built("transposed", ops(4)):
        if layer.op.name == "TRANSPOSE_CONV":
            tensors = replay(layer.model, layer.tensors, ENGINE).tensors
            (proof,) = prove(layer.model, [layer.op], tensors, ENGINE, "look", 0)
            assert proof.mistakes["bias left out"] > 0
