"""The N-way matrix agrees with a direct comparison of the tensors."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import EFFICIENTNET, IMAGE
from tflreplay.judgement.agreement import NOT_COMPARED, agree
from tflreplay.model import Model, load
from tflreplay.reports import compare as reports
from tflreplay.runtimes import Capture, capture
from tflreplay.runtimes.inputs import random_inputs, read_inputs
from tflreplay.tools.compare import compare_sources

ENGINES = ("reference", "optimized", "xnnpack")
ZOO = os.environ.get("TFLREPLAY_ZOO")
MOVENET = Path(ZOO or "", "coral__movenet_single_pose_lightning_ptq.tflite")


@pytest.mark.parametrize(
    "path",
    [
        EFFICIENTNET,
        pytest.param(MOVENET, marks=pytest.mark.skipif(not ZOO, reason="TFLREPLAY_ZOO is not set")),
    ],
    ids=lambda path: path.stem,
)
def test_the_matrix_is_what_numpy_counts(path: Path) -> None:
    model = load(path)
    inputs = read_inputs(model, [str(IMAGE)]) if path == EFFICIENTNET else random_inputs(model)
    result = compare_sources(model, inputs, [*ENGINES, "replay:reference"])
    captured = [capture(model, inputs.arrays, engine=engine).tensors for engine in ENGINES]
    rows = list(csv.DictReader(io.StringIO(reports.csv_text(result))))
    seen = 0
    for row in rows:
        if "replay:reference" in (row["source_a"], row["source_b"]):
            continue
        a, b = (captured[ENGINES.index(row[side])] for side in ("source_a", "source_b"))
        index = int(row["tensor"])
        if index in a and index in b:
            differ = a[index].view(np.uint8) != b[index].view(np.uint8)
            width = a[index].dtype.itemsize
            assert int(row["mismatches"]) == differ.reshape(-1, width).any(axis=1).sum()
            seen += 1
        else:
            assert row["mismatches"] == ""
    assert seen > 2 * len(model.main.operators)
    if path == EFFICIENTNET:
        assert result.verdict == "mismatch"
        replayed = [row for row in rows if row["source_b"] == "replay:reference"]
        exact = [row for row in replayed if row["source_a"] == "reference"]
        assert {row["mismatches"] for row in exact} == {"0"}


def test_groups_and_absent_tensors(seven_ops: Model, seven_captured: Capture) -> None:
    tensors = seven_captured.tensors
    first = seven_ops.main.operators[0].outputs[0]
    other = {**tensors, first: np.bitwise_xor(tensors[first], 1)}
    short = {i: array for i, array in tensors.items() if i != first}
    result = agree(seven_ops, {"a": tensors, "b": other, "c": tensors, "d": short})
    layer = result.layers[0]
    assert layer.groups == ((0, 2), (1,))
    assert layer.mismatches[0, 1] == tensors[first].size
    assert layer.mismatches[0, 3] == NOT_COMPARED
    assert result.layers[1].groups == ((0, 1, 2, 3),)
    assert result.verdict == "mismatch"
    text = reports.render(result)
    assert f"a=c | b ({tensors[first].size:,}) | none from d" in text
    document = json.loads(reports.dumps(result))
    assert document["layers"][0]["groups"] == [["a", "c"], ["b"]]
    assert document["layers"][0]["mismatches"][0][3] is None


def test_one_source_agrees_with_itself(seven_ops: Model, seven_captured: Capture) -> None:
    result = agree(seven_ops, {"a": seven_captured.tensors, "b": seven_captured.tensors})
    assert result.verdict == "exact"
    for a, b in combinations(range(2), 2):
        assert result.differing_layers()[a, b] == 0
        assert result.compared_layers()[a, b] == len(result.layers)


def test_page(seven_ops: Model, seven_captured: Capture, tmp_path: Path) -> None:
    tensors = seven_captured.tensors
    first = seven_ops.main.operators[0].outputs[0]
    other = {**tensors, first: np.bitwise_xor(tensors[first], 1)}
    sources = {"<script>a</script>": tensors, "b": other, "c": tensors, "d": {}}
    result = agree(seven_ops, sources)
    reports.write(result, tmp_path)
    page = (tmp_path / "agreement.html").read_text(encoding="utf-8")
    assert page.count("<script") == 1
    assert "&lt;script&gt;a&lt;/script&gt;" in page
    cells = re.findall(r'<td class="number[^"]*">(.*?)</td>', page.partition("<section>")[2], re.S)
    matrix = [" ".join(re.sub("<[^>]*>", " ", cell).split()) for cell in cells[:16]]
    size, count = f"{tensors[first].size:,}", len(result.layers)
    differs, same = f"{size} 1 of {count}", f"0 0 of {count}"
    none = "not compared"
    assert matrix == [
        "–", differs, same, none, differs, "–", differs, none,  # noqa: RUF001
        same, differs, "–", none, none, none, none, "–",  # noqa: RUF001
    ]  # fmt: skip
    told = f"&lt;/script&gt;, c agree. Of {size} elements, different from them: b {size}."
    assert told in page


def test_verdict_and_words(seven_ops: Model, seven_captured: Capture) -> None:
    tensors = seven_captured.tensors
    first, second = (op.outputs[0] for op in seven_ops.main.operators[:2])
    other = {**tensors, second: np.bitwise_xor(tensors[second], 1)}
    size = f"{tensors[second].size:,}"

    same = agree(seven_ops, {"a": tensors, "b": tensors})
    assert (same.verdict, same.exit_code, same.first_divergence) == ("exact", 0, None)
    assert reports.story(same, same.layers[0]) == "a, b agree."
    died = replace(same, failures=("b: the runtime died at op 3",))
    assert (died.verdict, died.exit_code) == ("incomplete", 2)
    assert "note: b: the runtime died at op 3" in reports.render(died)

    part = {index: array for index, array in tensors.items() if index != first}
    missing = agree(seven_ops, {"a": tensors, "b": part})
    assert (missing.verdict, missing.exit_code) == ("incomplete", 2)
    assert missing.layers[0].status == "incomplete"
    assert reports.story(missing, missing.layers[0]) == "There is nothing to compare: only from a."
    none = agree(seven_ops, {"a": {}, "b": {}})
    assert reports.story(none, none.layers[0]) == "There is nothing to compare: only from none."

    result = agree(seven_ops, {"a": tensors, "b": other, "c": part})
    assert (result.verdict, result.exit_code) == ("mismatch", 1)
    assert result.first_divergence is result.layers[1]
    assert reports.story(result, result.layers[1]) == (
        f"a, c agree. Of {size} elements, different from them: b {size}."
    )
    flat = {**tensors, second: tensors[second].reshape(-1)}
    reshaped = agree(seven_ops, {"a": tensors, "b": flat})
    assert reports.story(reshaped, reshaped.layers[1]) == (
        f"Of {size} elements, different from a: b not comparable."
    )


def test_what_a_source_cannot_give_is_told(seven_ops: Model, tmp_path: Path) -> None:
    inputs = random_inputs(seven_ops)
    captured = capture(seven_ops, inputs.arrays)
    first, second = (op.outputs[0] for op in seven_ops.main.operators[:2])
    arrays = {first: captured.tensors[first][..., :1], second: captured.tensors[second]}
    np.savez(tmp_path / "dump.npz", **{str(index): array for index, array in arrays.items()})
    dump = str(tmp_path / "dump.npz")
    result = compare_sources(seven_ops, inputs, ["reference", "replay:reference", dump])
    version = captured.version
    assert result.origins[:2] == (
        f"LiteRT {version} reference kernels", f"replay of LiteRT {version} reference kernels",
    )  # fmt: skip
    (note,) = result.notes
    assert note.startswith(f"{dump}: ")
    assert note in reports.render(result)
    assert json.loads(reports.dumps(result))["notes"] == [note]
