"""Reports of real models in a browser: every number shown is the one in the CSV."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

import tflreplay
from tests.cases.common import ROOT
from tests.conftest import EFFICIENTNET, IMAGE
from tests.reports.pages import assert_fits, number, panel_numbers, rows_of
from tflreplay.reports import compare as agreement
from tflreplay.tools.compare import compare_sources

playwright = pytest.importorskip("playwright.sync_api")
ZOO = os.environ.get("TFLREPLAY_ZOO")
YOLO = Path(ZOO or "", "edgefirst__yolov8n-int8.tflite")
PORT = ROOT / "docs" / "tutorial" / "port.py"
SOURCES = ("reference", "optimized", "xnnpack")
in_zoo = pytest.mark.skipif(not ZOO, reason="TFLREPLAY_ZOO is not set")


@pytest.fixture(scope="module")
def efficientnet():
    model = tflreplay.load(EFFICIENTNET)
    return model, tflreplay.read_inputs(model, [str(IMAGE)])


@pytest.fixture(scope="module")
def exact(efficientnet, tmp_path_factory):
    return reported(tflreplay.run(*efficientnet), tmp_path_factory)


@pytest.fixture(scope="module")
def planted(efficientnet, tmp_path_factory):
    """MUL as the tutorial's port has it: a mistake in rounding, in 24 layers."""
    kernels = tflreplay.load_kernels(PORT)
    found = tflreplay.run(*efficientnet, kernels=kernels, modes=("chained", "isolated"))
    return reported(found, tmp_path_factory)


@pytest.fixture(scope="module")
def yolo(tmp_path_factory):
    model = tflreplay.load(YOLO)
    found = tflreplay.run(model, tflreplay.random_inputs(model), engine="xnnpack")
    return reported(found, tmp_path_factory)


@pytest.fixture(scope="module")
def sources(efficientnet, tmp_path_factory):
    directory = tmp_path_factory.mktemp("sources")
    agreement.write(compare_sources(*efficientnet, SOURCES), directory)
    return directory


def reported(run, tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("report")
    tflreplay.report(run, directory)
    return directory


MODELS = [
    ("exact", 242, "Exact"),
    ("planted", 242, "Mismatch"),
    pytest.param("yolo", 256, "Exact", marks=in_zoo),
]


@pytest.fixture
def opened(request, page):
    """Opens a report by the name of its fixture, and gives its layers.csv."""

    def opens(name: str) -> list[dict[str, str]]:
        directory = request.getfixturevalue(name)
        page.goto((directory / "report.html").as_uri())
        return rows_of(directory, "layers.csv")

    return opens


def cells(page) -> list[list[str]]:
    """The texts of the lines of the table that are shown, in their order."""
    return page.evaluate(
        "[...document.querySelectorAll('#table tbody tr')].filter((row) => row.offsetParent)"
        ".map((row) => [...row.cells].map((cell) => cell.textContent.trim()))"
    )


@pytest.mark.parametrize(("name", "layers", "word"), MODELS)
def test_the_table_is_layers_csv(opened, page, name, layers, word):
    rows = opened(name)
    assert page.locator("h1").inner_text().strip().endswith(word)
    assert len(rows) == layers
    shown = cells(page)
    for row, (index, op, tensor, shape, isolated, chained, ones, most, *_) in zip(
        rows, shown, strict=True
    ):
        assert (index, op, tensor, shape) == (
            row["op_index"], row["op"], row["tensor_name"], row["shape"],
        )  # fmt: skip
        assert (number(isolated), number(chained)) == (
            int(row["isolated_mismatches"]), int(row["chained_mismatches"]),
        )  # fmt: skip
        assert list(map(number, ones.split(" / "))) == [int(row["plus_one"]), int(row["minus_one"])]
        assert number(most) == int(row["max_abs_diff"])
    assert_fits(page)


@pytest.mark.parametrize(("name", "layers", "word"), MODELS)
def test_filter_sort_and_layer(opened, page, name, layers, word):
    rows = opened(name)
    (op, count), *_ = Counter(row["op"] for row in rows).most_common()
    page.locator("select[name=op]").select_option(op)
    assert len(cells(page)) == count
    page.locator("select[name=op]").select_option("")

    page.get_by_role("button", name="chained", exact=True).click()
    order = sorted(rows, key=lambda row: -int(row["chained_mismatches"]))
    assert [int(line[0]) for line in cells(page)] == [int(row["op_index"]) for row in order]
    worst = order[0]
    page.locator("#table tbody tr").first.click()
    panel = page.locator("#panel")
    playwright.expect(panel.locator("h2")).to_have_text(f"op {worst['op_index']} {worst['op']}")
    assert panel.locator(".tensor").inner_text() == worst["tensor_name"]
    if word == "Exact":
        elements = f"{int(worst['elements']):,}"
        playwright.expect(panel.locator(".story")).to_contain_text(f"all {elements} elements")
    else:
        shown = panel_numbers(page)
        assert list(map(number, shown["mismatches"])) == [
            int(worst["isolated_mismatches"]), int(worst["chained_mismatches"]),
        ]  # fmt: skip
        panel.locator(".js-plotly-plot").first.wait_for()
    assert_fits(page)


def test_the_planted_mistake_is_named(opened, page, planted):
    rows = opened("planted")
    assert "you floor where C++ truncates" in page.locator("header").inner_text()
    page.get_by_text("Own difference").click()
    own = [row for row in rows if row["isolated_mismatches"] != "0"]
    assert [line[0] for line in cells(page)] == [row["op_index"] for row in own]
    assert len(own) == 24

    page.get_by_role("button", name="isolated", exact=True).click()
    worst = max(own, key=lambda row: int(row["isolated_mismatches"]))
    page.locator("#table tbody tr:visible").first.click()
    page.locator("#panel .js-plotly-plot").first.wait_for()
    best, nearest = page.locator("#evidence tbody tr").all()[:2]
    assert best.locator("td").all_inner_texts() == [
        "double, floor instead of truncate in the high-mul", "0",
    ]  # fmt: skip
    assert nearest.locator("td").all_inner_texts() == [
        "double", f"{int(worst['isolated_mismatches']):,}",
    ]  # fmt: skip
    hidden = page.locator("#evidence tbody tr").count()
    page.locator("#panel").get_by_role("button", name="more").click()
    assert page.locator("#evidence tbody tr:visible").count() == hidden > 5

    # All that differ lie next to a half.
    playwright.expect(page.locator("#panel .js-plotly-plot")).to_have_count(4)
    fractions = page.evaluate(
        "[...document.querySelectorAll('#panel .js-plotly-plot')].at(-1).data"
        ".find(({ name }) => name.endsWith('differ')).x"
    )
    assert fractions
    assert all(abs(fraction - 0.5) < 0.05 for fraction in fractions)


def test_several_sources(page, sources):
    page.goto((sources / "agreement.html").as_uri())
    pairs = rows_of(sources, "agreement.csv")
    by_layer: dict[str, dict[tuple[str, str], int]] = {}
    for row in pairs:
        pair = row["source_a"], row["source_b"]
        by_layer.setdefault(row["op_index"], {})[pair] = int(row["mismatches"])
    assert page.locator("h1").inner_text().strip().endswith("Mismatch")
    assert_fits(page)
    for line in cells(page):
        found = by_layer[line[0]]
        assert line[4] == "A"
        for text, other in zip(line[5:7], SOURCES[1:], strict=True):
            differ, _, letter = text.rpartition(" ")
            assert (number(differ) if differ else 0) == found["reference", other]
            assert (letter == "A") == (found["reference", other] == 0)

    page.locator("select[name=op]").select_option("MEAN")
    assert len(cells(page)) == 17
    page.locator("select[name=op]").select_option("")
    page.get_by_role("button", name="xnnpack", exact=True).click()
    order = sorted(by_layer, key=lambda index: -by_layer[index]["reference", "xnnpack"])
    assert [line[0] for line in cells(page)] == order

    page.locator("#table tbody tr").first.click()
    playwright.expect(page.locator("#panel h2")).to_contain_text(f"op {order[0]} ")
    shown = [tuple(line.locator("td").all_inner_texts())
             for line in page.locator("#pairs tbody tr").all()]  # fmt: skip
    assert shown == [(a, b, f"{count:,}") for (a, b), count in by_layer[order[0]].items()]
    assert_fits(page)
    page.keyboard.press("Escape")
    page.locator("#overview .main-svg").first.wait_for()
    traces = page.evaluate(
        "document.querySelector('#overview').data.map(({ name, y }) => [name, [...y]])"
    )
    assert [name for name, _ in traces] == ["optimized", "xnnpack"]
    size = {row["op_index"]: int(row["elements"]) for row in pairs}
    for name, shares in traces:
        for index, share in zip(by_layer, shares, strict=True):
            differ = by_layer[index]["reference", name]
            assert (share or 0) == pytest.approx(100 * differ / size[index])


# Text whose contrast to what is behind it is below WCAG AA.
FAINT = """() => {
  const channel = (value) =>
    (value /= 255) <= .04045 ? value / 12.92 : ((value + .055) / 1.055) ** 2.4;
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => .2126 * channel(r) + .7152 * channel(g) + .0722 * channel(b);
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const colour = parse(getComputedStyle(node).backgroundColor);
      if (colour[3] !== 0) return colour;
    }
    return [255, 255, 255];
  };
  const faint = new Set();
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    if (!own || !node.offsetParent || node.closest("svg, :disabled")) continue;
    const style = getComputedStyle(node);
    const [a, b] = [light(parse(style.color)), light(behind(node))];
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    const large = parseFloat(style.fontSize) >= 24;
    if (ratio < (large ? 3 : 4.5)) faint.add(`${node.className} ${node.textContent} ${ratio}`);
  }
  return [...faint];
}"""
UNNAMED = """[...document.querySelectorAll('button, input, select, a')].filter((node) =>
  !(node.ariaLabel || node.textContent.trim() || node.closest('label')?.textContent.trim()))
  .map((node) => node.outerHTML)"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("name", "file"), [("planted", "report.html"), ("sources", "agreement.html")]
)
def test_readable_by_all(page, request, name, file, scheme):
    page.emulate_media(color_scheme=scheme)
    page.goto((request.getfixturevalue(name) / file).as_uri())
    page.locator("#table tbody tr").nth(29).click()
    page.locator("#panel table").first.wait_for()
    assert page.evaluate(FAINT) == []
    assert page.evaluate(UNNAMED) == []


def test_on_paper(page, planted):
    page.goto((planted / "report.html").as_uri() + "#op121-t290")
    page.locator("#panel .main-svg").first.wait_for()
    page.emulate_media(media="print", color_scheme="dark")
    assert page.locator("#filters").is_hidden()
    assert page.locator("#panel .story").is_visible()
    white = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert white == "rgb(255, 255, 255)"
    assert page.evaluate(FAINT) == []
