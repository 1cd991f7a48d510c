"""What a report tells of a dataset: inputs.csv, report.json, the page and the lines printed."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.reports.pages import assert_fits, rows_of
from tests.reports.synthetic import efficientnet_like, few_layers, make_run, over
from tests.reports.test_schema import SCHEMA, problems
from tflreplay.judgement.comparison import Comparison
from tflreplay.judgement.dataset import Dataset
from tflreplay.reports import dataset, expected, json_report, summary, table
from tflreplay.reports.write import write

INPUTS = 30


@pytest.fixture(scope="module")
def run():
    return over(make_run(few_layers()), INPUTS)


def test_inputs_csv(run, tmp_path):
    write(run, tmp_path)
    found = rows_of(tmp_path, "inputs.csv")
    assert tuple(found[0]) == dataset.COLUMNS
    assert [int(row["number"]) for row in found] == list(range(INPUTS))
    for row, one in zip(found, run.dataset.inputs, strict=True):
        assert row["input"] == one.name
        assert row["status"] == ("mismatch" if one.differs else "exact")
        assert int(row["mismatches"]) == one.mismatches
        assert int(row["chained_mismatches"]) == one.chained[:, 1].sum()
        assert float(row["mismatch_rate"]) == one.rate
        assert row["first_op"] == ("CONV_2D" if one.differs else "")
        assert (row["class_ours"], int(row["label"])) == ("0", one.number % 4)


def test_the_document_is_as_the_schema_says(run):
    document = json.loads(json_report.dumps(run))
    assert list(problems(document, SCHEMA)) == []
    found = document["dataset"]
    assert found["inputs"] == INPUTS == sum(part["inputs"] for part in found["rates"])
    assert found["rates"][0]["inputs"] == INPUTS - found["differing"]
    for part in found["rates"][1:]:
        inside = [one for one in run.dataset.inputs if part["from"] < one.rate <= part["to"]]
        assert part["inputs"] == len(inside)
    rates = [one.rate for one in run.dataset.inputs]
    assert found["worst"][0]["number"] == int(np.argmax(rates))
    assert json.loads(json_report.dumps(make_run(few_layers())))["dataset"] is None


def test_the_map_holds_shares_of_elements(run):
    found = dataset.document(run)["map"]
    layers = run.comparison.layers
    assert found["inputs_in_a_column"] == 1
    for mode in ("made", "chained"):
        for place, line in zip(found["layers"], found[mode], strict=True):
            elements = layers[place].elements / INPUTS
            for share, one in zip(line, run.dataset.inputs, strict=True):
                counts = dict(getattr(one, mode).tolist())
                assert share == pytest.approx(100 * counts.get(place, 0) / elements, rel=0.01)


def test_many_inputs_share_columns_of_the_map():
    run = over(make_run(few_layers()), 1001)
    found = dataset.document(run)["map"]
    assert found["inputs_in_a_column"] == 3
    assert {len(line) for line in found["chained"]} == {334}
    elements = run.comparison.layers[found["layers"][0]].elements / 1001
    place, line = found["layers"][0], found["chained"][0]
    wrong = sum(dict(one.chained.tolist()).get(place, 0) for one in run.dataset.inputs[:3])
    assert line[0] == pytest.approx(100 * wrong / 3 / elements, rel=0.01)
    last = [dict(one.chained.tolist()).get(place, 0) for one in run.dataset.inputs[999:]]
    assert line[-1] == pytest.approx(100 * sum(last) / 2 / elements, rel=0.01)


def test_what_is_printed(run):
    text = " ".join(table.render(run).split())
    differ, changed = len(run.dataset.differing), len(run.dataset.changed)
    assert f"{differ} of 30 inputs differ. The class changes in {changed} of 30 inputs." in text
    worst = run.dataset.worst[0]
    assert f"Worst input {worst.name}: {worst.mismatches} of" in text
    assert worst.command in text
    assert "in all of these at once for op 1; else in photos/<b>0</b>.png" in run.notes
    assert f"MISMATCH: {differ} of 30 inputs, first divergence at op 1 CONV_2D" in text
    assert worst.name in summary.render(run).replace("\\", "")


def test_no_input_differs():
    run = over(make_run(few_layers()[:1]), 4)
    assert run.headline.startswith("EXACT: 1 of 1 layers")
    assert "in each of 4 inputs" in run.headline
    assert dataset.lines(run) == ["0 of 4 inputs differ. The class changes in 0 of 4 inputs. "
                                  "Top-1: ours 25.00%, theirs 25.00% of 4 labels. "
                                  "Top-5: ours 75.00%, theirs 75.00% of 4 labels."]  # fmt: skip
    assert run.exit_code == 0
    assert run.notes == make_run(few_layers()[:1]).notes


@pytest.mark.parametrize(("allowed", "code"), [(0, 1), (30, 0)])
def test_classes_that_change_too_often_are_not_as_expected(run, allowed, code):
    from tflreplay.judgement.expectations import Expectation, Expectations

    expectations = Expectations("text", Expectation("any", {}), changed=allowed)
    run = replace(run, asked=replace(run.asked, expectations=expectations))
    assert run.exit_code == code
    assert expected.document(run)["met"] == (code == 0)
    told = expected.render(run)
    if code:
        changed = len(run.dataset.changed)
        assert "NOT AS EXPECTED by text in the classes" in told
        assert f"the class changes in {changed} of 30 inputs; expected changed<=0" in told


def test_an_input_that_failed_is_told(run):
    inputs = (replace(run.dataset.inputs[0], failure="died"), *run.dataset.inputs[1:])
    notes = Dataset("x", inputs, (0,)).notes
    assert "the runtime failed on 1 inputs: photos/<b>0</b>.png" in notes


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    root = tmp_path_factory.mktemp("dataset")
    write(over(make_run(efficientnet_like()), 1000), root)
    return root


def test_the_page(page, directory):
    playwright = pytest.importorskip("playwright.sync_api")
    page.goto((directory / "report.html").as_uri())
    assert_fits(page)
    assert page.locator("#inputs tbody tr").count() == 10
    assert page.locator("#dataset b").count() == 0  # names are no markup
    playwright.expect(page.locator("#dataset .js-plotly-plot")).to_have_count(2)
    drawn = "document.getElementById('map').data[0].z"
    assert page.evaluate(f"{drawn}.length") == 6  # as many layers make a difference
    assert page.evaluate(f"{drawn}[0].length") == 334
    page.get_by_role("radio", name="In the chained replay").check()
    page.wait_for_function(f"{drawn}.length > 6")
    counts = page.evaluate("document.getElementById('rates').data[0].y")
    assert sum(counts) == 1000
    assert_fits(page)


def test_a_comparison_of_nothing_adds() -> None:
    assert (Comparison(()) + Comparison(())).layers == ()
