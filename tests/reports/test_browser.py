"""The page in a real browser, from file://, without a network."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from tests.reports.pages import assert_fits, number, panel_numbers, rows_of
from tests.reports.synthetic import efficientnet_like, few_layers, make_run
from tflreplay.judgement.difference import difference
from tflreplay.judgement.input_steps import InputStep
from tflreplay.reports.write import write

playwright = pytest.importorskip("playwright.sync_api")


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Directories of a big run with mismatches, a small one of every kind, and an exact one."""
    root = tmp_path_factory.mktemp("reports")
    layers = efficientnet_like()
    exact = [layer for layer in few_layers() if layer.name == "exact layer"]
    for name, chosen in (("big", layers), ("small", few_layers()), ("exact", exact)):
        write(make_run(chosen), root / name)
    return root


def test_filter_then_open_a_layer(page, reports):
    directory = reports / "big"
    layers = rows_of(directory, "layers.csv")
    page.goto((directory / "report.html").as_uri())
    assert page.locator("h1").inner_text().strip().endswith("Mismatch")
    assert_fits(page)
    visible = page.locator("#table tbody tr:visible")
    assert visible.count() == len(layers) == 242

    page.get_by_text("Own difference").click()
    own = [row for row in layers if row["isolated_mismatches"] not in ("", "0")]
    assert visible.count() == len(own) == 6
    page.locator("select[name=op]").select_option("LOGISTIC")
    chosen = [row for row in own if row["op"] == "LOGISTIC"]
    assert visible.count() == len(chosen) > 0
    page.locator("input[type=search]").fill("no such name")
    assert visible.count() == 0
    page.locator("input[type=search]").fill(chosen[0]["op_index"])

    row = chosen[0]
    cells = visible.first.locator("td.count").all_inner_texts()
    assert [number(cell) for cell in cells] == [
        int(row["isolated_mismatches"]), int(row["chained_mismatches"]),
    ]  # fmt: skip
    visible.first.click()
    page.locator("#panel .main-svg").first.wait_for()
    shown = panel_numbers(page)
    for label, isolated, chained in (
        ("mismatches", "isolated_mismatches", "chained_mismatches"),
        ("+1", "plus_one", "chained_plus_one"),
        ("−1", "minus_one", "chained_minus_one"),  # noqa: RUF001
        ("max |difference|", "max_abs_diff", "chained_max_abs_diff"),
    ):
        assert [number(text) for text in shown[label]] == [int(row[isolated]), int(row[chained])]
    assert_fits(page)

    # What the charts draw, against the CSV.
    playwright.expect(page.locator("#panel .js-plotly-plot")).to_have_count(4)
    drawn = page.evaluate(
        "[...document.querySelectorAll('#panel .js-plotly-plot')].map((chart) =>"
        " chart.data.map(({ name, x = [], y = [] }) => ({ name, x: [...x], y: [...y] })))"
    )
    histogram: dict[str, dict[int, int]] = {"isolated": {}, "chained": {}}
    for line in rows_of(directory, "histogram.csv"):
        if line["op_index"] == row["op_index"]:
            for mode, counts in histogram.items():
                place = int(line["difference"])
                counts[place] = counts.get(place, 0) + int(line[mode])
    for trace in drawn[0]:
        pairs = dict(zip(trace["x"], trace["y"], strict=True))
        expected = {place: count for place, count in histogram[trace["name"]].items() if count}
        assert pairs == expected
    channels = [line for line in rows_of(directory, "channels.csv")
                if line["op_index"] == row["op_index"]]  # fmt: skip
    plus = next(trace for trace in drawn[1] if trace["name"] == "+1")
    assert plus["y"] == [int(line["isolated_plus_one"]) for line in channels]
    page.locator("#panel").get_by_role("radio", name="chained").check()
    total = (
        "[...document.querySelectorAll('#panel .js-plotly-plot')].at(1)"
        ".data.flatMap(({ y }) => [...y]).reduce((a, b) => a + b)"
    )
    for _ in range(50):
        if page.evaluate(total) == int(row["chained_mismatches"]):
            break
        page.wait_for_timeout(100)
    assert page.evaluate(total) == int(row["chained_mismatches"])


def test_a_layer_from_near(page, reports):
    directory = reports / "big"
    found = json.loads((directory / "report.json").read_text())
    layer = max(found["layers"], key=lambda layer: (layer["isolated"] or {}).get("mismatches", 0))
    index, detail = layer["op_index"], layer["detail"]
    page.goto((directory / "report.html").as_uri() + f"#op{index}-t{layer['output']['tensor']}")

    lines = page.locator("#worst tbody tr")
    playwright.expect(lines).to_have_count(8)
    for line, element in zip(lines.all(), detail["worst"], strict=True):
        ours, theirs = element["ours"], element["theirs"]
        difference = f"{ours - theirs:+d}".replace("-", "−")  # noqa: RUF001
        assert line.locator("td").all_inner_texts()[:4] == [
            ",".join(map(str, element["index"])), str(ours), str(theirs), difference
        ]  # fmt: skip
    place = ",".join(map(str, detail["worst"][3]["index"]))
    page.get_by_role("button", name=f"The command that explains element {place}").click()
    command = page.locator("#panel .explain code")
    assert command.inner_text() == f"{found['explain_command']} --layer {index} --at {place}"
    assert lines.nth(3).get_attribute("aria-current") == "true"
    page.locator("#panel .explain button").click()
    playwright.expect(page.locator("#panel .explain button")).to_have_text(
        re.compile("Copied|Selected")
    )
    assert page.evaluate("getSelection().toString()") == command.inner_text()
    assert_fits(page)

    playwright.expect(page.locator("#panel .js-plotly-plot")).to_have_count(4)
    heat, points = page.evaluate(
        "[...document.querySelectorAll('#panel .js-plotly-plot')].slice(2).map((chart) =>"
        " chart.data.map(({ x, y, z, text, name }) => ({ x, y, z, text, name })))"
    )
    counts = [
        [number(re.search(r"([\d,]+) of", text)[1]) for text in line] for line in heat[0]["text"]
    ]
    assert counts == detail["heat"]["mismatches"]
    assert sum(map(sum, counts)) == layer["isolated"]["mismatches"]
    assert [[bool(share) for share in line] for line in heat[0]["z"]] == [
        [bool(count) for count in line] for line in counts
    ]
    drawn = [pair for trace in points for pair in zip(trace["x"], trace["y"], strict=True)]
    assert sorted(drawn) == sorted(map(tuple, detail["fractions"]))
    shown = page.locator("#saturation td.number").all_inner_texts()
    ours, theirs = detail["saturation"]["ours"], detail["saturation"]["theirs"]
    assert list(map(number, shown)) == [ours[0], theirs[0], ours[1], theirs[1]]


def test_sort(page, reports):
    directory = reports / "big"
    layers = rows_of(directory, "layers.csv")
    page.goto((directory / "report.html").as_uri())
    head = page.locator("#table th")
    first = page.locator("#table tbody tr td:first-child")

    def order() -> list[int]:
        return [int(text) for text in first.all_inner_texts()]

    def by(column: str, sign: int) -> list[int]:
        """Op indexes, rows without a number last, equal ones as they were."""
        known = [row for row in layers if row[column]]
        known.sort(key=lambda row: sign * float(row[column]))
        unknown = [row for row in layers if not row[column]]
        return [int(row["op_index"]) for row in [*known, *unknown]]

    assert head.first.get_attribute("aria-sort") == "ascending"
    page.get_by_role("button", name="chained", exact=True).click()
    assert order() == by("chained_mismatches", -1)
    assert head.nth(5).get_attribute("aria-sort") == "descending"
    assert page.locator("#table [aria-sort]").count() == 1
    # The arrow keys go on in the order that is shown.
    page.locator("#table tbody tr").first.click()
    heading = page.locator("#panel h2")
    playwright.expect(heading).to_have_text(re.compile(rf"^op {order()[0]} "))
    page.keyboard.press("ArrowDown")
    playwright.expect(heading).to_have_text(re.compile(rf"^op {order()[1]} "))
    page.keyboard.press("Escape")

    page.get_by_role("button", name="#", exact=True).focus()
    page.keyboard.press("Enter")  # the order of the model again
    assert order() == sorted(order())
    page.get_by_role("button", name="isolated", exact=True).click()
    page.get_by_role("button", name="isolated", exact=True).click()
    assert order() == by("isolated_mismatches", 1)
    page.get_by_role("button", name="op", exact=True).click()
    ops = page.locator("#table tbody td.op").all_inner_texts()
    assert ops == sorted(ops)
    assert head.nth(1).get_attribute("aria-sort") == "ascending"


def test_largest_difference_along_the_graph(page, reports):
    directory = reports / "big"
    page.goto((directory / "report.html").as_uri())
    page.locator("#overview .main-svg").first.wait_for()
    page.get_by_role("radio", name="Largest difference").check()
    traces = "document.querySelector('#overview').data.map(({ x, y }) => [[...x], [...y]])"
    page.wait_for_function("document.querySelector('#overview').data.length === 3")
    (places, chained), _, (path, sizes) = page.evaluate(traces)
    for place, size, row in zip(places, chained, rows_of(directory, "layers.csv"), strict=True):
        expected = int(row["chained_max_abs_diff"] or 0)
        assert (size or 0) == expected, place
    worst = json.loads((directory / "report.json").read_text())["amplification"]["worst_path"]
    assert path == worst
    assert sizes == [chained[place] for place in path]


def test_first_divergence_link_and_keyboard(page, reports):
    page.goto((reports / "big" / "report.html").as_uri())
    page.locator(".first a").click()
    heading = page.locator("#panel h2")
    heading.wait_for()
    assert heading.inner_text() == "op 7 DEPTHWISE_CONV_2D"
    page.keyboard.press("ArrowDown")
    playwright.expect(heading).to_have_text("op 8 MUL")
    playwright.expect(page).to_have_url(re.compile("#op8-t9$"))
    page.keyboard.press("Escape")
    assert page.locator("#panel").is_hidden()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    playwright.expect(heading).to_have_text("op 7 DEPTHWISE_CONV_2D")
    page.keyboard.press("/")  # the search field
    page.keyboard.type("gather")
    assert page.locator("#table tbody tr:visible").count() == 2


def test_every_kind_of_layer(page, reports):
    page.goto((reports / "small" / "report.html").as_uri())
    rows = page.locator("#table tbody tr")
    story = page.locator("#panel .story")
    for index, text, charts in (
        (0, "Exact: all 144 elements identical", 0),
        (1, "the difference is made here", 4),  # with height and width, and accumulators
        (2, "all of it comes from earlier layers", 2),
        (3, "Not replayed: no kernel for CUSTOM:</script>.", 0),
        (4, "1 of 10 elements differs", 1),  # floating point: no histogram
        (5, "Exact: all 0 elements", 0),
        (6, "In the chained replay", 2),
    ):
        page.keyboard.press("Escape")
        rows.nth(index).click()
        playwright.expect(story).to_contain_text(text)
        playwright.expect(page.locator("#panel .js-plotly-plot")).to_have_count(charts)
        assert page.locator("#panel .chart").count() == charts
        assert_fits(page)
        if index == 1:
            assert page.locator("#panel .tensor").inner_text() == "<script>alert(1)</script>"
            assert page.locator("#panel .tensor script").count() == 0
    assert page.locator("script").count() == 2  # one, and the chart library


def test_an_exact_report_does_not_unpack_the_chart_library(page, reports):
    page.goto((reports / "exact" / "report.html").as_uri())
    assert page.locator("h1").inner_text().strip().endswith("Exact")
    page.locator("#table tbody tr").first.click()
    page.locator("#panel .story").wait_for()
    assert page.evaluate("typeof window.Plotly") == "undefined"


def test_the_step_before_the_graph_stands_above_the_layers(page, tmp_path):
    run = make_run(few_layers())
    codes = np.arange(192, dtype=np.int8).reshape(1, 8, 8, 3)
    diff = difference(codes, codes + np.int8(codes < 90), 3)
    step = InputStep(run.model.main.tensors[0], diff, None, "<script>alert(1)</script>")
    write(replace(run, input_steps=(step,)), tmp_path)
    page.goto((tmp_path / "report.html").as_uri())
    box = page.locator(".first", has_text="Before the graph")
    playwright.expect(box).to_contain_text(f"{diff.mismatches} of 192 codes differ")
    playwright.expect(box).to_contain_text("The graph was replayed on theirs.")
    playwright.expect(page.locator(".sentence")).to_contain_text("before the graph")
    assert_fits(page)
