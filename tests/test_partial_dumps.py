"""Dumps that hold a part of the tensors: what is said of where, and what is not said."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.test_replay import run as command
from tests.partial_dumps import Devices, branches, judged
from tflreplay.judgement.difference import Difference
from tflreplay.judgement.run import Run, story
from tflreplay.judgement.stretch import explain_stretches
from tflreplay.judgement.suspects import Known, Seen, Suspects, ranges
from tflreplay.model import Model
from tflreplay.reports import json_report, report, table
from tflreplay.runtimes import Capture, capture
from tflreplay.runtimes.inputs import Inputs
from tflreplay.runtimes.saved import load_source
from tflreplay.tools.replay import run

SEVEN = Path(__file__).parent.parent / "models" / "seven_ops_int8.tflite"
CONVS = (2, 3, 5, 6, 9, 11, 12, 13, 14, 15)
FOUR = (2, 9, 12, 13)


@pytest.fixture(scope="module")
def device(seven_ops: Model, seven_inputs: Inputs) -> Capture:
    """An XNNPACK run."""
    return capture(seven_ops, seven_inputs.arrays, engine="xnnpack")


def outputs(model: Model, ops: Iterable[int]) -> list[int]:
    return [model.main.operators[op].outputs[0] for op in ops]


def dumped(model: Model, held: Capture, ops: Iterable[int], folder: Path) -> Path:
    path = folder / "dump.npz"
    np.savez(path, **{str(i): held.tensors[i] for i in outputs(model, ops)})
    return path


def against(
    model: Model, inputs: Inputs, held: Capture, ops: Iterable[int], folder: Path, **asked: Any
) -> Run:
    path = dumped(model, held, ops, folder)
    return run(model, inputs, against=load_source(path, model, inputs.arrays), **asked)


def said(result: Run) -> str:
    """The terminal's text on one line."""
    return " ".join(table.render(result).split())


def rows(folder: Path, name: str) -> dict[int, dict[str, str]]:
    with open(folder / name, newline="", encoding="utf-8") as file:
        return {int(row["op_index"]): row for row in csv.DictReader(file)}


def counts(diff: Difference | None) -> tuple[float, ...]:
    assert diff is not None
    return diff.mismatches, diff.plus_one, diff.minus_one, diff.max_abs


# Only the last tensor


@pytest.fixture(scope="module")
def last_only(
    seven_ops: Model, seven_inputs: Inputs, device: Capture, tmp_path_factory: Any
) -> Run:
    return against(seven_ops, seven_inputs, device, [19], tmp_path_factory.mktemp("last"))


def test_the_last_tensor_alone_blames_no_layer(last_only: Run) -> None:
    text = said(last_only)
    assert "is born at or before op 19; nothing between the input and it was seen" in text
    assert "first divergence at or before op 19 FULLY_CONNECTED" in text
    assert "19 of 20 layers not dumped" in text
    assert "of its own" not in text
    assert "not replayed" not in text.lower()
    assert "Not dumped: op 0-18" in text
    assert last_only.exit_code == 1


def test_the_table_shows_the_tensor_and_the_suspects(last_only: Run) -> None:
    body = table.render(last_only).splitlines()
    assert max(map(len, body[:-1])) <= table.WIDTH
    head = next(line for line in body if line.split()[:1] == ["#"])
    row = next(line for line in body if line.split()[:1] == ["19"])
    shown = dict(zip(head.split(), row.split(), strict=True))
    assert (shown["tensor"], shown["isolated"], shown["suspects"]) == ("47", "-", "0-19")
    assert shown["stretch"] == shown["chained"] != "0"


def test_the_last_tensor_alone_in_files(last_only: Run, tmp_path: Path) -> None:
    report(last_only, tmp_path)
    layer = rows(tmp_path, "layers.csv")[19]
    assert (layer["status"], layer["isolated_mismatches"]) == ("mismatch", "")
    assert layer["stretch_mismatches"] == layer["chained_mismatches"]
    assert layer["suspects"] == "0-19"
    assert {row["status"] for op, row in rows(tmp_path, "layers.csv").items() if op < 19} == {
        "not dumped"
    }
    (step,) = rows(tmp_path, "amplification.csv").values()
    assert (step["kind"], step["made"], step["suspects"]) == ("at or before", "", "0-19")
    assert step["made_since"] == layer["stretch_mismatches"]
    assert (step["input_max_abs_diff"], step["input_mismatch_rate"]) == ("", "")
    document = json.loads((tmp_path / "report.json").read_text())
    assert document["summary"]["not_dumped"] == 19
    assert document["summary"]["not_replayed"] == 0
    assert document["summary"]["first_divergence"]["suspects"] == [*range(20)]
    found = document["layers"][19]
    assert (found["isolated"], found["suspects"]) == (None, [*range(20)])
    assert found["since"] == [{"tensor": 0, "op_index": None}]
    assert found["stretch"]["mismatches"] == found["chained"]["mismatches"]
    assert document["amplification"]["layers"][0]["suspects"] == [*range(20)]
    summary = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert "made in op 0-19" in summary
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "made in op 0-19" in page
    assert "19 not dumped" in page
    assert "with a difference of their own" not in page
    overlay = json.loads((tmp_path / "model_explorer_verdicts.json").read_text())
    (graph,) = overlay.values()
    values = [node["value"] for node in graph["results"].values()]
    assert sorted(set(values)) == ["at or before", "not dumped"]


def test_the_stretch_is_named(last_only: Run) -> None:
    (found,) = last_only.findings.stretches.values()
    assert (found.engines, found.changes, found.untried) == (("xnnpack",), (), ())
    assert found.text.startswith(
        "At or before op 19 FULLY_CONNECTED: these 10 numbers are what XNNPACK's arithmetic gives "
        "from the input on; nothing else tried does. Tried on op 0-19: 8 engines' arithmetic, "
    )
    assert found.tried_changes > 500
    assert found.text in said(last_only)
    (layer,) = last_only.comparison.mismatched
    assert json_report.document(last_only)["layers"][19]["stretch_verdict"]["text"] == found.text
    assert "made at or before op 19; nothing between the input and it was seen" in story(layer)


@pytest.mark.parametrize("mode", ["chained", "isolated"])
def test_one_mode_alone_blames_no_layer_either(
    mode: str, seven_ops: Model, seven_inputs: Inputs, device: Capture, tmp_path: Path
) -> None:
    result = against(seven_ops, seven_inputs, device, [19], tmp_path, modes=(mode,))
    text = said(result)
    assert "at or before op 19" in text
    assert "of its own" not in text
    assert result.exit_code == 1


# More of them


def test_with_the_convolutions_only_those_whose_inputs_were_seen_make_a_difference(
    seven_ops: Model, seven_inputs: Inputs, device: Capture, tmp_path: Path
) -> None:
    """Against the isolated counts of a dump that holds everything."""
    whole = against(seven_ops, seven_inputs, device, range(20), tmp_path)
    made = {layer.op_index: counts(layer.isolated) for layer in whole.comparison.layers}
    result = against(seven_ops, seven_inputs, device, CONVS, tmp_path)
    layers = {layer.op_index: layer for layer in result.comparison.layers}
    known = [op for op in CONVS if layers[op].isolated is not None]
    assert known == [3, 6, 12, 13, 14, 15]
    assert all(counts(layers[op].isolated) == made[op] for op in known)
    stretches = {op: layers[op].suspects.ops for op in CONVS if layers[op].stretch is not None}
    assert stretches == {2: (0, 1, 2), 5: (4, 5), 9: (7, 8, 9), 11: (10, 11)}
    own = {layer.op_index for layer in result.comparison.layers if layer.kind == "own"}
    assert own == {op for op in known if made[op][0]}
    assert "no output of the model differs" not in said(result)


def test_with_four_tensors(
    seven_ops: Model, seven_inputs: Inputs, device: Capture, tmp_path: Path
) -> None:
    result = against(seven_ops, seven_inputs, device, FOUR, tmp_path)
    text = said(result)
    assert "no output of the model differs" not in text
    assert "Differences are made at or before op 2, 9, 12" in text
    report(result, tmp_path / "out")
    steps = rows(tmp_path / "out", "amplification.csv")
    assert steps[2]["input_max_abs_diff"] == ""
    assert [steps[op]["made"] for op in FOUR] == ["", "", "", "0"]
    assert [steps[op]["suspects"] for op in FOUR] == ["0-2", "3-9", "10-12", ""]
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "no output of the model differs" not in page
    assert re.search(
        r"0 of 20 exact, 3 with one made there or before, 1 that inherit one, 16 not dumped", page
    )
    kinds = [layer.kind for layer in result.comparison.layers if layer.kind != "not dumped"]
    assert kinds == ["at or before"] * 3 + ["inherited"]
    assert "4 of 20 layers differ, 16 of 20 layers not dumped" in result.headline


def test_all_that_was_dumped_agrees(
    seven_ops: Model,
    seven_inputs: Inputs,
    seven_captured: Capture,
    tmp_path: Path,
) -> None:
    path = dumped(seven_ops, seven_captured, FOUR, tmp_path)
    np.save(tmp_path / "in.npy", next(iter(seven_inputs.arrays.values())))
    asked = [SEVEN, "--input", tmp_path / "in.npy", "--against", path, "--out", tmp_path / "out"]
    done = command(*asked, cwd=tmp_path, code=0)
    assert "EXACT: 4 of 20 layers, 16 of 20 layers not dumped, 25,561 elements" in done.stdout
    done = command(*asked, "--force", "--expect", "max_abs<=1", cwd=tmp_path, code=0)
    assert "AS EXPECTED" in done.stdout


def test_what_fits_no_tensor_is_not_left_out_as_if_it_were_not_dumped(
    seven_ops: Model, seven_inputs: Inputs, seven_captured: Capture, tmp_path: Path
) -> None:
    """It was dumped, and nobody compared it."""
    (wrong,) = outputs(seven_ops, [13])
    held = replace(seven_captured, tensors=dict(seven_captured.tensors))
    held.tensors[wrong] = held.tensors[wrong][..., 1:]
    result = against(seven_ops, seven_inputs, held, FOUR, tmp_path)
    assert not result.comparison.not_replayed
    (layer,) = result.comparison.not_read
    assert layer.op_index == 13
    assert "left out: shape" in layer.reason
    text = " ".join(table.render(result).split())
    assert "Not read from the dump: #13: " in text
    assert "Not replayed" not in text
    assert "1 of 20 layers not read" in result.headline
    assert (result.verdict, result.exit_code) == ("incomplete", 2)


# Suspects


def test_suspects_of_branches() -> None:
    model = branches()
    operators = model.main.operators
    third = operators[3].outputs[0]
    split = operators[1].outputs

    def of(op: int, *seen: int) -> Suspects:
        return Seen(model, seen).suspects(operators[op])

    image = Known(model.main.inputs[0], None)
    assert of(0) == Suspects((0,), (image,))
    assert of(4) == Suspects((0, 1, 2, 4), (image,))
    assert of(4, *split) == Suspects((2, 4), (Known(split[0], 1), Known(split[1], 1)))
    assert of(4, split[1]) == Suspects((0, 1, 2, 4), (image, Known(split[1], 1)))
    assert of(5, third) == Suspects((0, 1, 2, 4, 5), (image, Known(third, 3)))
    assert of(5, third, *split).unseen == "nothing between op 1 and op 3 and it was seen"


def test_ranges() -> None:
    assert ranges((0, 3, 4, 5, 9)) == "0, 3-5, 9"
    assert ranges(()) == ""


@pytest.mark.parametrize(("which", "count"), [("seven_ops", 4), ("branches", 20)])
def test_the_op_that_errs_is_among_the_suspects(
    which: str, count: int, seven_ops: Model, tmp_path: Path
) -> None:
    """Two dozen random dumps; benchmarks/partial_dumps.py has 200."""
    model = seven_ops if which == "seven_ops" else branches()
    for device, kept in islice(Devices(model, seed=7).dumps(), count):
        judged(device, kept, tmp_path).check()


def test_what_no_search_has_time_for_is_said(tmp_path: Path) -> None:
    device, kept = next(Devices(branches(), seed=3).dumps())
    made = judged(device, kept, tmp_path)
    layers = [layer for layer in made.makers if not layer.alone]
    tensors = {**device.inputs.arrays, **{index: device.tensors[index] for index in kept}}
    found = explain_stretches(
        device.model, layers, tensors, made.result.engine, [], budget=len(layers)
    )
    for verdict in found.values():
        assert verdict.untried == verdict.layer.suspects.ops
        assert "would take too long" in verdict.text
