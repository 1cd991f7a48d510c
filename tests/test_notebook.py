"""What records show of themselves in a notebook."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import numpy as np

import tflreplay
from tests.reports.synthetic import Layer, few_layers, make_run
from tests.reports.test_junit import VERDICT
from tests.reports.test_rows import RUN
from tflreplay.ground import notebook
from tflreplay.ground.engine import Engine
from tflreplay.judgement.comparison import Comparison
from tflreplay.judgement.run import Findings
from tflreplay.replayer.loop import Replay
from tflreplay.reports import frames
from tflreplay.runtimes import Capture

CODES = np.arange(12, dtype=np.int8).reshape(1, 3, 4)


class Page(HTMLParser):
    """Paragraphs, and the rows of tables; fails where tags do not match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.paragraphs: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        assert tag in {"p", "b", "table", "thead", "tbody", "tr", "th", "td"}
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag == "p":
            self.paragraphs.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "p" in self.open:
            self.paragraphs[-1] += data
        elif {"td", "th"} & set(self.open):
            self.rows[-1].append(data.strip())


def test_run() -> None:
    run = replace(make_run(few_layers()), findings=Findings(verdicts={1: VERDICT}))
    page = Page(run._repr_html_())
    assert page.paragraphs == [run.headline, *run.asked.inputs, *run.explanations]
    assert len(page.rows) == 1 + 7
    diff = run.comparison.layers[1].isolated
    assert diff is not None
    assert page.rows[2][:2] == ["1", "CONV_2D"]
    assert page.rows[2][4] == f"{diff.mismatches}"
    assert page.rows[4][1] == "CUSTOM:</script>"
    assert page.rows[4][4:6] == ["-", "-"]


def test_comparison_of_a_long_model_shows_what_is_not_exact() -> None:
    exact = Layer("ADD", "", CODES, CODES, CODES)
    off = Layer("MUL", "", CODES, CODES + np.int8(1))
    compared = make_run([exact] * 30 + [off] * 25).comparison
    page = Page(compared._repr_html_())
    assert page.paragraphs == [repr(compared), "... and 5 more"]
    assert {row[1] for row in page.rows[1:]} == {"MUL"}
    assert len(page.rows) == 1 + notebook.SHOWN
    assert Page(Comparison(())._repr_html_()).rows == []


def test_verdict() -> None:
    page = Page(VERDICT._repr_html_())
    assert page.paragraphs == ["op 1 CONV_2D: double", VERDICT.text]
    assert page.rows == [["candidate", "differs in, of 288"], ["double", "0"], ["single", "12"]]
    (fit,) = VERDICT.fits
    nearest = replace(VERDICT, fits=(), nearest=(replace(fit, explained=280),))
    assert Page(nearest._repr_html_()).rows[1:] == [["double", "8"], ["single", "12"]]


def test_capture_and_replay() -> None:
    known = Capture({1: CODES}, "litert", "2.3.0", "reference", 1, {3: "<not> preserved"}, "a note")
    page = Page(known._repr_html_())
    assert page.paragraphs == [repr(known), "a note"]
    assert page.rows[1:] == [["3", "<not> preserved"]]
    done = Replay(Engine(), {}, {7: "no kernel for FOO"})
    page = Page(done._repr_html_())
    assert page.paragraphs == [repr(done)]
    assert page.rows[1:] == [["7", "no kernel for FOO"]]


def test_names_cannot_break_out() -> None:
    name = "</td><script>alert(1)</script>\x1b"
    page = Page(make_run([Layer(name, name, CODES, CODES + np.int8(1))])._repr_html_())
    assert page.rows[1][1] == name.replace("\x1b", "\N{REPLACEMENT CHARACTER}")
    assert page.rows[1][1] in page.paragraphs[0]


def test_frames_are_the_package_s() -> None:
    assert tflreplay.layers_frame is frames.layers_frame
    assert len(tflreplay.layers_frame(RUN)) == len(RUN.comparison.layers)
    assert len(tflreplay.channels_frame(RUN)) > len(tflreplay.layers_frame(RUN))
    assert {"difference"} <= set(tflreplay.histogram_frame(RUN).columns)
