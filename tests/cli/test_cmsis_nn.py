"""A device with CMSIS-NN, as its user asks about it: golden vectors through the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tests.conftest import SEVEN_OPS
from tests.kernels.test_cmsis_nn import ENGINES, WRONG
from tests.recorded.cmsis_nn import PART, Fields, groups
from tflreplay.cli import command
from tflreplay.ground.engine import NEWEST, Engine
from tflreplay.model import load
from tflreplay.ops import card
from tflreplay.replayer.loop import replay
from tflreplay.runtimes.inputs import random_inputs

MODELS = {
    f"{group} {case}": fields
    for group, cases in groups(PART).items()
    if group.startswith("model.")
    for case, fields in cases.items()
}
DEVICES = "cmsis-nn runs on devices, of which nothing can be captured here: give the tensors of one"


def run(*words: object) -> tuple[int, str]:
    """The exit code, and what is said in one line."""
    done = CliRunner().invoke(command, [*map(str, words)])
    ended = done.exception is None or isinstance(done.exception, SystemExit)
    said = done.output if ended else str(done.exception)
    return done.exit_code, " ".join(said.split())


def written(fields: Fields, rounding: str, folder: Path) -> tuple[Path, list[str]]:
    """The model, and how its inputs and the device's output of the first inference are named."""
    path = folder / "model.tflite"
    path.write_bytes(fields["tflite"].tobytes())
    graph = load(path).main
    words: list[str] = []
    for position, index in enumerate(graph.inputs):
        np.save(folder / f"input{position}.npy", fields[f"input.{position}"])
        words += ["--input", f"{index}={folder / f'input{position}.npy'}"]
    (output,) = graph.outputs
    codes = fields.get(rounding, fields.get(f"{rounding}.0"))
    dump = folder / "dump.npz"
    np.savez(dump, **{str(output): codes.reshape(graph.tensors[output].shape)})
    return path, [*words, "--against", str(dump), "--out", str(folder / "report")]


@pytest.mark.parametrize("rounding", ENGINES)
@pytest.mark.parametrize("fields", MODELS.values(), ids=MODELS)
def test_a_dump_of_one_op(fields: Fields, rounding: str, tmp_path: Path) -> None:
    path, words = written(fields, rounding, tmp_path)
    code, said = run(path, *words, "--engine", ENGINES[rounding])
    if code == 2:
        assert any(reason in said for reason in WRONG.values())
    else:
        assert code == 0, said
        assert "EXACT: 1 of 1 layers" in said


def test_the_other_rounding_is_named(tmp_path: Path) -> None:
    """A device that was built with single rounding, asked about as if it were not."""
    fields = next(
        fields
        for name, fields in MODELS.items()
        if "CONV_int8" in name and not np.array_equal(fields["double"], fields["single"])
    )
    path, words = written(fields, "single", tmp_path)
    code, said = run(path, *words, "--engine", "cmsis-nn")
    assert code == 1
    assert "single" in said


def dump_of_single(folder: Path, *but: str) -> tuple[Path, list[object]]:
    """A device's tensors of a whole model, built with single rounding, ``but`` not in these ops."""
    model = load(SEVEN_OPS)
    (index,) = model.main.inputs
    inputs = random_inputs(model, seed=1).arrays
    np.save(folder / "image.npy", inputs[index])
    engine = Engine("cmsis-nn-single", "tflm", NEWEST["tflm"])
    rows = {op: next(card(op).rows("cmsis-nn")) for op in but}
    found = replay(model, inputs, engine, kernels=rows)
    outputs = [i for op in model.main.operators for i in op.outputs]
    np.savez(folder / "dump.npz", **{str(i): found.tensors[i] for i in outputs})
    words = ["--input", folder / "image.npy", "--against", folder / "dump.npz"]
    return SEVEN_OPS, [*words, "--out", folder / "report"]


BUILT = (
    "All layers whose inputs were seen are exactly what CMSIS-NN built with "
    "CMSIS_NN_USE_SINGLE_ROUNDING computes (cmsis-nn-single). If it is built so: unset that, or "
    "accept ±1 in "
)


@pytest.mark.parametrize("engine", ["cmsis-nn", "reference"])
def test_the_build_is_named(engine: str, tmp_path: Path) -> None:
    path, words = dump_of_single(tmp_path)
    code, said = run(path, *words, "--engine", engine)
    assert code == 1
    assert BUILT in said
    wrong, elements = re.findall(r"accept ±1 in ([\d,]+) of ([\d,]+) codes \(0\.\d+ %\)", said)[0]
    assert int(wrong.replace(",", "")) > 30
    assert elements == "75,583"
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["summary"]["built"].startswith(BUILT)
    page = (Path(__file__).parents[2] / "docs" / "device.md").read_text(encoding="utf-8")
    assert report["summary"]["built"] in " ".join(page.split())


def test_a_build_that_no_device_has(tmp_path: Path) -> None:
    """One that rounds twice in one of the library's functions, and once in the others."""
    path, words = dump_of_single(tmp_path, "DEPTHWISE_CONV_2D")
    code, said = run(path, *words, "--engine", "cmsis-nn")
    assert code == 1
    assert BUILT not in said


def test_replayed_as(tmp_path: Path) -> None:
    out = tmp_path / "report"
    code, said = run(SEVEN_OPS, "--replay-as", "cmsis-nn@cortex-m55", "--out", out)
    assert code == 0
    assert "measured as C with Helium, by qemu, not on a chip" in said
    assert "what is replayed is cortex-m55's arithmetic" in said
    assert "replayed as cmsis-nn" in said


@pytest.mark.parametrize("words", [[], ["explain", "--layer", "2", "--at", "0,0,0,0"]])
def test_nothing_runs_here(words: list[str]) -> None:
    code, said = run(*words[:1], SEVEN_OPS, *words[1:], "--engine", "cmsis-nn")
    assert code
    assert DEVICES in said


def test_vectors_for_a_device(tmp_path: Path) -> None:
    path = tmp_path / "vectors.npz"
    words = ["--layer", "2", "--engine", "cmsis-nn", "--output", path]
    code, said = run("discriminate", SEVEN_OPS, *words)
    assert code == 0
    assert "run the layer on them there" in said
    with np.load(path) as vectors:
        candidates = [*vectors["candidates"]]
        single = vectors["outputs"][candidates.index("single")]
        assert (single != vectors["outputs"][candidates.index("double")]).any()


def test_a_machine_without_a_runtime() -> None:
    code, said = run(SEVEN_OPS, "--machine", "cortex-m4")
    assert code
    assert "nothing can be captured on cortex-m4 here" in said
