"""junit.xml: what a CI server reads of each layer."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np

from tests.reports.synthetic import Capture, Layer, few_layers, make_run
from tflreplay.judgement.diagnosis import Fit, Verdict
from tflreplay.judgement.diagnosis.verdict import Rival
from tflreplay.judgement.expectations import Expectation, Expectations
from tflreplay.judgement.run import Asked, Findings, Run
from tflreplay.reports import junit

CODES = np.arange(12, dtype=np.int8).reshape(1, 3, 4)
VERDICT = Verdict(
    1,
    "CONV_2D",
    "single",
    288,
    8,
    (Fit("double", 288),),
    12,
    {"single": 12},
    rivals=(Rival("single", "single", "single", 12),),
)


def cases(run: Run) -> tuple[ElementTree.Element, list[ElementTree.Element]]:
    suite = ElementTree.fromstring(junit.render(run)).find("testsuite")
    assert suite is not None
    return suite, suite.findall("testcase")


def outcomes(found: list[ElementTree.Element]) -> list[list[str]]:
    return [[part.tag for part in case] for case in found]


def test_a_case_for_each_layer() -> None:
    run = replace(
        make_run(few_layers()),
        findings=Findings(verdicts={1: VERDICT, 2: replace(VERDICT, op_index=2)}),
    )
    suite, found = cases(run)
    assert outcomes(found) == [
        [], ["failure"], ["failure"], ["skipped"], ["failure"], [], ["failure"],
    ]  # fmt: skip
    counts = [suite.get(name) for name in ("tests", "failures", "errors", "skipped")]
    assert counts == ["7", "4", "0", "1"]
    assert suite.get("time") == "1.750"
    names = [(case.get("classname"), case.get("name")) for case in found]
    assert names[1] == ("made_up_int8", "op 1 CONV_2D, tensor 2")
    assert len(set(names)) == 7
    made, inherited, skipped = found[1][0], found[2][0], found[3][0]
    diff = run.comparison.layers[1].isolated
    assert diff is not None
    assert made.get("type") == "mismatch"
    assert made.get("message", "").startswith(f"{diff.mismatches} of 288 elements differ (")
    assert "the difference is made here" in (made.text or "")
    assert "Explained by double rounding (double): all 288 elements" in (made.text or "")
    assert inherited.get("type") == "inherited"
    assert inherited.get("message", "").endswith("by up to 4, all inherited")
    assert "Explained by" not in (inherited.text or "")
    assert skipped.get("message") == "no kernel for CUSTOM:</script>"


def test_within_tolerance_passes_with_a_note() -> None:
    real = np.ones((1, 4), np.float32)
    run = make_run([Layer("EXP", "", real, real)])
    (layer,) = run.comparison.layers
    assert layer.isolated is not None
    close = replace(layer, isolated=replace(layer.isolated, close=3, tolerance=1e-6))
    run = replace(run, comparison=replace(run.comparison, layers=(close,)))
    _, found = cases(run)
    assert outcomes(found) == [["system-out"]]
    assert "3 of 4 are not bit-identical" in (found[0][0].text or "")


def test_what_is_as_expected_passes_with_a_note() -> None:
    off = CODES + np.int8(1)
    run = make_run([Layer("ADD", "", CODES, off, off), Layer("MUL", "", CODES, off, off)])
    limits = {"ADD": Expectation("max_abs<=1", {"max_abs": 1})}
    _, found = cases(replace(run, asked=Asked(expectations=Expectations("x.toml", ops=limits))))
    assert outcomes(found) == [["system-out"], ["failure"]]
    assert found[1][0].get("message", "").endswith("; expected exact")


def test_a_runtime_that_failed_is_an_error() -> None:
    layer = Layer("ADD", "", CODES, CODES, CODES)
    suite, found = cases(make_run([layer], Capture(failure="died at op 3 <ADD>")))
    assert outcomes(found) == [["error"], []]
    assert found[0][0].get("message") == "died at op 3 <ADD>"
    assert (suite.get("tests"), suite.get("errors")) == ("2", "1")


def test_any_name_is_valid_xml() -> None:
    """Control characters have no place in XML, not even escaped."""
    name = "\x00\x1b[2J\ud800]]>&\"'"
    layers = [
        Layer(f"CUSTOM:{name}", name, None, shape=(1,), reason=f"no kernel for {name}"),
        Layer(f"CUSTOM:{name}", name, CODES, CODES + np.int8(1)),
    ]
    run = replace(make_run(layers), asked=Asked(command=f"tflreplay {name}"))
    text = junit.render(run)
    text.encode()
    _, found = cases(run)
    assert (found[0].get("name") or "").count("\N{REPLACEMENT CHARACTER}") == 3
