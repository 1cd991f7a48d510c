"""The probe names the rule in force from outputs alone, whatever the arithmetic tables say."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import CaptureError
from tflreplay.judgement.diagnosis.candidates import RULES_TRIED
from tflreplay.ops import row_of
from tflreplay.ops.seam import run_op
from tflreplay.runtimes.packages import installed
from tflreplay.tools.probe import Cases, Finding, Probe, asked, cases, findings, probe
from tflreplay.tools.probe.build import Builder, Scale

REFERENCE = Engine()
CONV = "CONV_2D"
WEIGHTED = (CONV, "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "FULLY_CONNECTED, one weight scale")
MEANS = ("MEAN, axes 1 and 2", "MEAN, axis 2, or 1 and 2 dropped", "MEAN, other axes")
REQUANTIZING = (*WEIGHTED, "ADD", "SUB", "MUL", *MEANS, "QUANTIZE")
FLOAT_MEAN = "float32 product and sum with the zero point, half even"
EXPECTED = {
    "reference": dict.fromkeys(REQUANTIZING, "double")
    | dict.fromkeys(WEIGHTED[2:], "float-away64"),
    "optimized": dict.fromkeys((CONV, *WEIGHTED[2:]), "double-up")
    | dict.fromkeys(("SUB", "MUL", *MEANS[1:]), "double")
    | {
        "DEPTHWISE_CONV_2D": "neon8",
        "ADD": "double; body: inputs rescaled with one rounding, 16-bit sum",
        "MEAN, axes 1 and 2": "neon16",
        "QUANTIZE": "neon16-flat",
    },
    "xnnpack": dict.fromkeys((*WEIGHTED, "MUL"), "float-even32")
    | dict.fromkeys(MEANS, FLOAT_MEAN)
    | dict.fromkeys(("ADD", "SUB", "QUANTIZE"), "single"),
}
# By a power of two these three round alike, whatever the accumulator.
ALIKE = {"single", "reduced16", "float-up64", "float-up32"}


@pytest.fixture(
    scope="module",
    params=itertools.product(("litert", "tensorflow"), EXPECTED),
    ids="-".join,
)
def probed(request: pytest.FixtureRequest) -> Probe:
    runtime, engine = request.param
    if not installed(runtime):
        pytest.skip(f"{runtime} is not installed")
    return probe(runtime, engine)


def by_name(found: tuple[Finding, ...]) -> dict[str, Finding]:
    return {finding.op: finding for finding in found}


def test_every_op_is_explained_on_evidence(probed: Probe) -> None:
    expected = EXPECTED[probed.engine.name]
    if probed.engine.runtime == "tensorflow":
        expected = {op: name.replace("half even", "half away") for op, name in expected.items()}
    found = by_name(probed.findings)
    assert set(expected) == set(REQUANTIZING) <= set(found)
    for op in REQUANTIZING:
        finding = found[op]
        assert finding.discriminating >= 1000, op
        assert (finding.unexplained, finding.contradicting) == (0, 0), op
        assert finding.computes[0] == expected[op] == finding.expected
        if expected[op] == "single":
            assert set(finding.computes) <= ALIKE
            assert "the multiplier is a power of two" in finding.text
        else:
            assert finding.computes == (expected[op],), op
        assert finding.rivals[0].wrong >= 10, op
    assert probed.complete
    assert probed.as_expected


def test_weighted_ops_contradict_each_rule_that_is_not_theirs(probed: Probe) -> None:
    found = by_name(probed.findings)
    for op in WEIGHTED[:3]:
        wrong = {score.name: score.wrong for score in found[op].scores}
        (own,) = found[op].computes
        assert all(count >= 100 for name, count in wrong.items() if name in RULES_TRIED and count)
        assert [name for name in RULES_TRIED if not wrong[name]] == [own] * (own in RULES_TRIED)


@pytest.mark.skipif(not installed("tflm"), reason="TFLM is not installed")
def test_tflm() -> None:
    done = probe("tflm")
    found = by_name(done.findings)
    assert {op: found[op].computes for op in REQUANTIZING} == dict.fromkeys(
        REQUANTIZING, ("double",)
    )
    assert done.as_expected


@pytest.fixture(scope="module")
def all_cases() -> Cases:
    return cases()


def computed(probed: Cases, rule: str) -> Mapping[int, np.ndarray]:
    """Tensors of an engine that follows the reference table, but with another rule in every row."""
    graph, tensors = probed.model.main, dict(probed.inputs)
    for op in graph.operators:
        row = row_of(REFERENCE, graph, op)
        row = replace(row, rule=rule) if row.rule else row
        tensors |= run_op(graph, op, tensors, REFERENCE, row)
    return tensors


@pytest.mark.parametrize("rule", ["single", "double-up", "float-even32"])
def test_it_is_not_fooled_by_the_table(all_cases: Cases, rule: str) -> None:
    """An engine that rounds in another way than its table says is found out."""
    found = by_name(findings(all_cases, REFERENCE, computed(all_cases, rule), {}))
    for op in WEIGHTED[:3]:
        assert found[op].computes == (rule,)
    for op in REQUANTIZING:
        assert rule in found[op].computes
        assert found[op].unexplained == 0
        assert found[op].contradicting > 100
        assert "THIS CONTRADICTS THE TABLE" in found[op].text
    assert not Probe(REFERENCE, tuple(found.values())).as_expected


def small(multiplier: float, codes: np.ndarray) -> Cases:
    build = Builder()
    y = Scale(np.float32(1 / multiplier))
    build.op("QUANTIZE", (build.codes(codes, Scale(1.0)),), codes.shape, y, version=1)
    return Cases(build.model(), build.inputs)


def test_no_evidence_no_claim() -> None:
    """A multiplier of 1: every rule gives the same, and explains nothing."""
    same = small(1.0, np.arange(-100, 100))
    (found,) = findings(same, REFERENCE, computed(same, "double"), {})
    assert (found.discriminating, found.unexplained, found.contradicting) == (0, 0, 0)
    assert found.computes == ()
    assert found.text == "Not told apart: all candidates give the same on 200 outputs."


def test_what_nothing_explains() -> None:
    ties = small(0.3, np.arange(-100, 100))
    tensors = dict(computed(ties, "double"))
    (output,) = ties.model.main.outputs
    tensors[output] = tensors[output].copy()
    tensors[output][7] += 3
    (found,) = findings(ties, REFERENCE, tensors, {})
    assert found.computes == ()
    assert (found.unexplained, found.contradicting) == (1, 1)
    assert found.text.startswith("Not explained: the nearest candidate, double, gets 1 of 200")
    assert "THIS CONTRADICTS THE TABLE" in found.text
    assert not Probe(REFERENCE, (found,)).as_expected


def test_what_was_not_captured() -> None:
    ties = small(0.3, np.arange(-100, 100))
    (output,) = ties.model.main.outputs
    (found,) = findings(ties, REFERENCE, ties.inputs, {output: "the op was not run"})
    assert found.text == "Not probed: the op was not run."
    assert not Probe(REFERENCE, (found,)).complete


def test_an_op_without_a_table_row() -> None:
    build = Builder()
    x = build.codes(np.arange(8).reshape(2, 4), Scale(1.0))
    axes = build.constant(np.array([1], np.int32))
    build.op("MEAN", (x, axes), (2,), Scale(1.0), {}, "ReducerOptions")
    mean = Cases(build.model(), build.inputs)
    old = Engine("reference", "tensorflow", "2.12.0")
    (found,) = findings(mean, old, computed(mean, "double"), {})
    assert "not modelled for tensorflow 2.12.0" in found.reason


def test_which_engines_are_asked() -> None:
    def names(*arguments: tuple[str, ...]) -> list[tuple[str, str]]:
        return [(engine.runtime, engine.name) for engine in asked(*arguments)]

    litert = [("litert", name) for name in ("reference", "optimized", "xnnpack")]
    assert names() == names(("litert",)) == litert
    assert names((), ("xnnpack", "reference")) == [litert[2], litert[0]]
    assert names(("tflm==1", "litert", "litert"), ("tflm", "xnnpack")) == [
        ("tflm", "tflm"),
        ("litert", "xnnpack"),
    ]
    with pytest.raises(CaptureError, match="'refrence' is unknown here"):
        asked(("litert",), ("optimized", "refrence"))
    with pytest.raises(CaptureError, match="TFLM has no optimized kernels"):
        asked(("litert", "tflm==1"), ("optimized",))
