"""What got worse from one report.json to the next."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.reports.synthetic import Capture, Layer, make_run
from tflreplay.ground.errors import InputError
from tflreplay.judgement.changes import Changes, changes, read_report
from tflreplay.judgement.run import Run
from tflreplay.reports import json_report
from tflreplay.reports.diff import render

CODES = np.zeros((1, 10, 10), np.int8)


def layer(op: str = "ADD", by: int = 0, elements: int = 0, chained: int | None = None) -> Layer:
    """One of which ``elements`` differ ``by`` so much, isolated, and ``chained`` by 1, chained."""
    ours, later = CODES.copy(), CODES.copy()
    ours.reshape(-1)[:elements] = by
    later.reshape(-1)[: elements if chained is None else chained] = 1
    return Layer(op, "", CODES, ours, later)


EXACT = layer()
SKIPPED = Layer("ADD", "", None, shape=(1, 10, 10), reason="no kernel")


def saved(tmp_path: Path, name: str, found: Run | list[Layer]) -> Path:
    path = tmp_path / name
    path.write_text(json_report.dumps(found if isinstance(found, Run) else make_run(found)))
    return path


def changed(tmp_path: Path, old: Run | list[Layer], new: Run | list[Layer]) -> Changes:
    return changes(
        read_report(saved(tmp_path, "old.json", old)), read_report(saved(tmp_path, "new.json", new))
    )


@pytest.mark.parametrize(
    ("old", "new", "kind", "regression"),
    [
        (EXACT, EXACT, "", False),
        (layer(by=1, elements=2), layer(by=1, elements=2), "", False),
        (EXACT, layer(by=1, elements=1), "worse", True),
        (layer(by=1, elements=2), layer(by=2, elements=2), "worse", True),
        (layer(by=1, elements=2), layer(by=2, elements=1), "worse", True),
        (layer(chained=3), layer(chained=4), "worse", True),
        (layer(by=1, elements=2), EXACT, "better", False),
        (layer(by=2, elements=2), layer(by=1, elements=2), "better", False),
        (layer(chained=4), layer(chained=3), "better", False),
        (EXACT, SKIPPED, "worse", True),
        (layer(by=1, elements=2), SKIPPED, "worse", True),
        (SKIPPED, EXACT, "better", False),
        (SKIPPED, layer(by=1, elements=1), "worse", True),
        (SKIPPED, SKIPPED, "", False),
    ],
)
def test_one_layer(tmp_path: Path, old: Layer, new: Layer, kind: str, regression: bool) -> None:
    """Beside one that stays as it is."""
    found = changed(tmp_path, [EXACT, old], [EXACT, new])
    assert [change.kind for change in found.layers] == ([kind] if kind else [])
    assert bool(found.regressions) == regression
    assert found.same == 2 - len(found.layers)
    assert found.about == {}


def test_another_model_with_other_layers(tmp_path: Path) -> None:
    old = [EXACT, layer("MUL"), layer("SUB")]
    new = [EXACT, layer("CONV_2D", 1, 5), layer("SUB"), layer("MUL")]
    found = changed(tmp_path, old, new)
    assert [(c.kind, c.layer.op_index, c.layer.op) for c in found.layers] == [
        ("gone", 1, "MUL"),
        ("new", 1, "CONV_2D"),
        ("new", 3, "MUL"),
    ]
    assert [change.layer.op for change in found.regressions] == ["CONV_2D"]
    assert found.same == 2


def test_what_else_changed_is_told(tmp_path: Path) -> None:
    old, new = make_run([EXACT]), make_run([EXACT], Capture(version="2.4.0"))
    document = json.loads(json_report.dumps(new))
    document["model"]["sha256"] = "ff" * 32
    document["inputs"] = []
    (tmp_path / "new.json").write_text(json.dumps(document))
    found = changes(
        read_report(saved(tmp_path, "old.json", old)), read_report(tmp_path / "new.json")
    )
    assert found.about["compared with"] == ("litert 2.3.0 reference", "litert 2.4.0 reference")
    assert set(found.about) == {"model", "input", "compared with"}
    text = render(found)
    assert "another model: layers are matched by op index, tensor and op" in text
    assert "compared with: litert 2.3.0 reference -> litert 2.4.0 reference" in text
    assert "scale 1.0, zero point -128 -> none" in text
    assert text.splitlines()[-1] == "NOT WORSE: 0 worse, 0 new, 0 gone, 0 better, 1 as before"


def test_only_what_both_hold_is_compared(tmp_path: Path) -> None:
    both = layer(by=1, elements=2, chained=7)
    alone = Layer("ADD", "", CODES, both.isolated, None)
    found = changed(tmp_path, [both], [alone])
    assert (found.modes, found.layers) == (("isolated",), ())
    chained = Layer("ADD", "", CODES, None, both.chained)
    with pytest.raises(InputError, match="the old report is isolated and the new one chained"):
        changed(tmp_path, [alone], [chained])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ([EXACT], []),
        ([], []),
        ([EXACT], [layer("MUL")]),
        ([SKIPPED], [SKIPPED]),
        ([SKIPPED, EXACT], [SKIPPED]),
    ],
)
def test_nothing_to_compare(tmp_path: Path, old: list[Layer], new: list[Layer]) -> None:
    counts = f"of {len(old)} layers in the old report and {len(new)} in the new one, none"
    with pytest.raises(InputError, match=f"nothing can be compared: {counts}"):
        changed(tmp_path, old, new)


def test_a_number_that_is_not_finite_is_the_worst(tmp_path: Path) -> None:
    documents = []
    for largest in (3, None):
        document: Any = json.loads(json_report.dumps(make_run([layer(by=3, elements=2)])))
        document["layers"][0]["isolated"]["max_abs_diff"] = largest
        documents.append(tmp_path / f"{largest}.json")
        documents[-1].write_text(json.dumps(document))
    finite, infinite = map(read_report, documents)
    assert [change.kind for change in changes(finite, infinite).layers] == ["worse"]
    assert [change.kind for change in changes(infinite, finite).layers] == ["better"]


def test_table(tmp_path: Path) -> None:
    old = [layer(by=1, elements=3), EXACT, *[EXACT] * 40]
    new = [layer(by=1, elements=1), layer(by=2, elements=4), *[layer(chained=2)] * 40]
    lines = render(changed(tmp_path, old, new)).splitlines()
    assert lines[0].split() == ["#", "op", "isolated", "chained", "max", "verdict", "now"]
    assert " ".join(lines[2].split()) == "worse 1 ADD 0 -> 4 0 -> 4 0 -> 2"
    assert max(map(len, lines)) <= 80
    assert "... and 12 more" in lines
    assert lines[-1] == "WORSE: 41 worse, 0 new, 0 gone, 1 better, 0 as before"


@pytest.mark.parametrize(
    ("elements", "heads"),
    [
        (10**3, "# op isolated chained max verdict now"),
        (10**5, "# op isolated chained max"),
        (10**7, "# op isolated chained"),
        (10**9, "# isolated chained"),
    ],
)
def test_the_table_fits_the_terminal(tmp_path: Path, elements: int, heads: str) -> None:
    paths = []
    for number in (1, 2):
        document: Any = json.loads(json_report.dumps(make_run([layer("DEPTHWISE_CONV_2D", 1, 2)])))
        (saved_layer,) = document["layers"]
        saved_layer |= {"elements": elements, "verdict": {"answer": "fixed point, single " * 3}}
        for mode in ("isolated", "chained"):
            saved_layer[mode] |= {"mismatches": elements - 3 + number, "max_abs_diff": number * 50}
        paths.append(tmp_path / f"{number}.json")
        paths[-1].write_text(json.dumps(document))
    lines = render(changes(*map(read_report, paths))).splitlines()
    assert lines[0].split() == heads.split()
    assert max(map(len, lines)) <= 80
    assert f"{elements - 2:,} -> {elements - 1:,}" in lines[2]


def test_what_else_changed_is_wrapped_and_a_hash_is_whole(tmp_path: Path) -> None:
    paths = []
    for digit in "ab":
        document: Any = json.loads(json_report.dumps(make_run([EXACT])))
        document["model"]["sha256"] = digit * 64
        document["inputs"] = [f"{digit} long story of an input" * 5]
        paths.append(tmp_path / f"{digit}.json")
        paths[-1].write_text(json.dumps(document))
    lines = render(changes(*map(read_report, paths))).splitlines()
    assert lines[:2] == [f"model: {'a' * 64} ->", f"  {'b' * 64}"]
    assert max(map(len, lines)) <= 80


def assigned(document: Any, place: str, value: Any) -> None:
    *path, last = place.split(".")
    for name in path:
        document = document[int(name) if name.isdecimal() else name]
    document[last] = value


NOT_A_COUNT = (None, "3", -1, 1.5, True, [], 10**400)


@pytest.mark.parametrize(
    ("place", "values", "said"),
    [
        ("format_version", (None, "1", True, 1.0), "format_version is not a whole number"),
        ("tflreplay_version", (5, None), "tflreplay_version is not a text"),
        ("model", ("x", None), "model is not an object"),
        ("model.sha256", (None, 5), "model.sha256 is not a text"),
        ("inputs", ("x", None, [5]), "inputs is not a list"),
        ("capture.failure", (5, None), "capture.failure is not a text"),
        ("replay.engine", (5,), "replay.engine is not a text"),
        ("replay.machine", (5, None), "replay.machine is not a text"),
        ("capture.machine", (5, None), "capture.machine is not a text"),
        ("layers", ({}, None, "x"), "layers is not a list"),
        ("layers", ([3],), "layers[0] is not an object"),
        ("layers.1.op", (7, None), "layers[1].op is not a text"),
        ("layers.1.op_index", NOT_A_COUNT, "layers[1].op_index is not "),
        ("layers.1.op_index", (0,), "op 0, tensor {} is there twice"),
        ("layers.1.output.tensor", NOT_A_COUNT, "layers[1].output.tensor is not "),
        ("layers.1.elements", NOT_A_COUNT, "layers[1].elements is not "),
        ("layers.1.elements", (0,), "layers[1].isolated.mismatches is not from 0 to 0"),
        ("layers.1.isolated", (0, []), "layers[1].isolated is not an object"),
        ("layers.1.isolated", ({},), "layers[1].isolated.mismatches is missing"),
        ("layers.1.isolated.mismatches", (*NOT_A_COUNT, 101), "layers[1].isolated.mismatches is"),
        (
            "layers.1.isolated.max_abs_diff",
            ("3", float("nan"), float("inf"), -1, True, 10**400),
            "layers[1].isolated.max_abs_diff is not null or a finite number from 0 on",
        ),
        ("layers.1.verdict", (5, "double"), "layers[1].verdict is not an object"),
        ("layers.1.verdict", ({"answer": 5},), "layers[1].verdict.answer is not a text"),
    ],
)
def test_wrong_values(tmp_path: Path, place: str, values: tuple[Any, ...], said: str) -> None:
    run = make_run([EXACT, layer(by=1, elements=2)])
    document: Any = json.loads(json_report.dumps(run))
    tensor = document["layers"][0]["output"]["tensor"]
    if "twice" in said:
        document["layers"][1]["output"]["tensor"] = tensor
    for value in values:
        assigned(document, place, value)
        path = tmp_path / "wrong.json"
        path.write_text(json.dumps(document))
        with pytest.raises(InputError) as error:
            read_report(path)
        start = f"{path}: not a report of tflreplay: {said.format(tensor)}"
        assert str(error.value).startswith(start), value
        assert str(error.value).endswith("; name a report.json")
        assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "not a report of tflreplay: not JSON"),
        (b"[" * 100_000, "not a report of tflreplay: not JSON"),
        (b"{}", "format_version is missing"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "not a report of tflreplay"),
        (b'{"format_version": 2, "layers": 3}', "not a report of tflreplay"),
        (b'{"layers": []}', "not a report of tflreplay"),
        (b'{"format_version": 1}', "its format_version is 1, and 2 is understood"),
    ],
)
def test_what_is_no_report(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_report(path)
    assert str(error.value).startswith(f"{path}: ")
    assert words in str(error.value)


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Is a directory; name a report"):
        read_report(tmp_path)
