"""The files: complete or absent, valid, and never over something the user made."""

from __future__ import annotations

import base64
import csv
import errno
import json
import os
import re
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from tests.reports.synthetic import Capture, Layer, few_layers, make_run
from tflreplay.ground.errors import OutputError
from tflreplay.reports import html, json_report
from tflreplay.reports.write import FILES, write

RUN = make_run(few_layers())


def refuse_constant(name: str) -> None:
    raise AssertionError(f"{name} in JSON")


def test_all_files_and_nothing_else(tmp_path):
    directory = tmp_path / "made" / "here"
    assert write(RUN, directory) == [directory / name for name in FILES]
    assert sorted(os.listdir(directory)) == sorted(FILES)


@pytest.mark.parametrize("name", FILES)
def test_refuses_to_overwrite(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(OutputError, match=re.escape(str(tmp_path / name))):
        write(RUN, tmp_path)
    assert os.listdir(tmp_path) == [name]
    assert (tmp_path / name).read_text() == "mine"
    write(RUN, tmp_path, overwrite=True)
    assert (tmp_path / name).read_text() != "mine"


def test_a_directory_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file/sub: cannot write the report"):
        write(RUN, tmp_path / "file" / "sub")


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    def fail(*_: object) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(html, "render", fail)
    with pytest.raises(OutputError, match="No space left on device; make room"):
        write(RUN, tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_failure_keeps_the_report_that_was_there(tmp_path, monkeypatch):
    write(RUN, tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in FILES}

    def fail(*_: object) -> str:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(html, "render", fail)
    with pytest.raises(OutputError):
        write(make_run(few_layers()[:1]), tmp_path, overwrite=True)
    assert {name: (tmp_path / name).read_bytes() for name in FILES} == before


def test_json(tmp_path):
    write(RUN, tmp_path)
    report = json.loads((tmp_path / "report.json").read_text(), parse_constant=refuse_constant)
    assert report["format_version"] == json_report.FORMAT_VERSION == 2
    assert report["model"] == {"path": "models/made_up_int8.tflite", "sha256": "0123abcd" * 8}
    assert report["capture"]["runtime"] == "litert"
    summary = report["summary"]
    assert summary["verdict"] == "mismatch"
    assert [summary[name] for name in ("layers", "exact", "mismatched", "not_replayed")] == [
        7, 2, 4, 1,
    ]  # fmt: skip
    assert summary["first_divergence"] == {
        "op_index": 1,
        "op": "CONV_2D",
        "tensor": 2,
        "suspects": [1],
    }
    made, skipped, chained_only = (report["layers"][index] for index in (1, 3, 6))
    assert "by_channel" not in report["layers"][0]["isolated"]
    for mode in ("isolated", "chained"):
        counts = made[mode]
        assert sum(count for _, count in counts["histogram"]) == made["elements"] == 288
        assert sum(counts["by_channel"]["mismatches"]) == counts["mismatches"] > 0
        assert sum(counts["by_channel"]["plus_one"]) == counts["plus_one"]
        assert len(counts["by_channel"]["mean_diff"]) == made["channels"] == 8
    assert made["isolated"]["by_channel"]["mismatches"][2] == 0
    assert skipped["isolated"] is skipped["chained"] is skipped["channels"] is None
    assert skipped["reason"] == "no kernel for CUSTOM:</script>"
    assert chained_only["isolated"] is None
    assert made["output"]["quantization"] == {
        "scale": float(np.float32(0.05)),
        "zero_point": -3,
    }
    assert made["inputs"][1]["quantization"]["scale_range"] == [0.125, 1.0]
    assert len(made["inputs"]) == 2  # the optional input left out is not listed


def test_json_has_null_where_a_number_is_not_finite():
    real = np.ones((1, 4), np.float32)
    ours = np.array([[1, np.nan, np.inf, 1]], np.float32)
    run = make_run([Layer("EXP", "", real, ours)], Capture(missing={3: "not preserved"}))
    report = json.loads(json_report.dumps(run), parse_constant=refuse_constant)
    assert report["layers"][0]["isolated"]["mean_diff"] is None
    assert report["layers"][0]["isolated"]["by_channel"]["max_abs_diff"] == [0, None, None, 0]
    assert report["capture"]["missing"] == [{"tensor": 3, "reason": "not preserved"}]


class Page(HTMLParser):
    """Tags, and comments by the id of the element that they are in."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.comments: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_comment(self, data):
        self.comments[self.tags[-1][1]["id"]] = data


def test_page_holds_the_report_and_escapes_names(tmp_path):
    write(RUN, tmp_path)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script>alert(1)" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    page = Page(text)
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert all(value is None or "//" not in value for _, attrs in page.tags for value in
               (attrs.get("src"), attrs.get("href")))  # fmt: skip
    data = json.loads(zlib.decompress(base64.b64decode(page.comments["data"]), wbits=31))
    whole = json.loads((tmp_path / "report.json").read_bytes())
    for layer in whole["layers"]:  # what no chart draws is left out
        for mode in ("isolated", "chained"):
            channels = (layer[mode] or {}).get("by_channel", {})
            channels.pop("max_abs_diff", None)
            channels.pop("mean_diff", None)
    assert data == whole
    library = zlib.decompress(base64.b64decode(page.comments["library"]), wbits=31)
    assert b"plotly.js v" in library[:200]


def test_missing_chart_library_says_what_to_do(tmp_path, monkeypatch):
    html.plotly.cache_clear()
    monkeypatch.setattr(html, "find_spec", lambda _: None)
    with pytest.raises(OutputError, match="pip install"):
        write(RUN, tmp_path)
    assert os.listdir(tmp_path) == []


def test_model_path_that_is_not_unicode(tmp_path):
    run = replace(RUN, model=replace(RUN.model, path=Path(os.fsdecode(b"m\xff.tflite"))))
    write(run, tmp_path)
    assert "m\\udcff.tflite" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_names_with_commas_quotes_lines_and_percent_signs_survive_csv(tmp_path):
    name = 'a,"b"\r\n%s%d'
    codes = np.zeros((1, 2), np.int8)
    write(make_run([Layer(f"CUSTOM:{name}", name, codes, codes, codes)]), tmp_path)
    for file, column in (("layers", "tensor_name"), ("channels", "op"), ("histogram", "op")):
        with (tmp_path / f"{file}.csv").open(newline="", encoding="utf-8") as stream:
            assert next(csv.DictReader(stream))[column].endswith(name)
