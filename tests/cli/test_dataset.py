"""``--dataset`` as a user meets it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.test_replay import one_line_error, rows, run
from tests.conftest import SEVEN_OPS
from tflreplay import load


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two images and an array of three inputs."""
    photos = tmp_path / "my photos"
    photos.mkdir()
    rng = np.random.default_rng(0)
    shape = load(SEVEN_OPS).main.tensors[load(SEVEN_OPS).main.inputs[0]].shape
    for name in ("a.png", "b.png"):
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8)).save(photos / name)
    np.save(photos / "c.npy", rng.integers(-128, 128, (3, *shape), np.int8))
    return photos


def test_a_folder(folder: Path, tmp_path: Path) -> None:
    done = run(SEVEN_OPS, "--dataset", folder, "--out", "out", cwd=tmp_path)
    assert f"input: {folder}: 5 inputs, each an inference of its own" in done.stdout
    assert "0 of 5 inputs differ." in done.stdout
    assert "EXACT: 20 of 20 layers" in done.stdout
    assert "in each of 5 inputs" in done.stdout
    found = rows(tmp_path / "out" / "inputs.csv")
    assert [Path(row["input"]).name for row in found] == [
        "a.png", "b.png", "c.npy[0]", "c.npy[1]", "c.npy[2]",
    ]  # fmt: skip
    assert {row["status"] for row in found} == {"exact"}
    assert sum(int(row["elements"]) for row in rows(tmp_path / "out" / "layers.csv")) == sum(
        int(row["elements"]) for row in found
    )


def test_the_worst_input_has_a_command_that_replays_it(folder: Path, tmp_path: Path) -> None:
    options = ("--replay-as", "single", "--isolated")
    run(SEVEN_OPS, "--dataset", folder, *options, "--out", "all", cwd=tmp_path, code=1)
    report = json.loads((tmp_path / "all" / "report.json").read_text())
    worst = report["dataset"]["worst"][0]
    words = shlex.split(worst["command"])
    assert words[0] == "tflreplay"
    done = run(*words[1:], "--out", "one", "--json", cwd=tmp_path, code=1)
    assert json.loads(done.stdout)["summary"]["isolated_mismatches"] == worst["mismatches"]
    explained = next(layer["detail"] for layer in report["layers"] if layer["detail"])
    words = shlex.split(explained["explain_command"])
    element = ",".join(map(str, explained["worst"][0]["index"]))
    index = next(layer["op_index"] for layer in report["layers"] if layer["detail"])
    done = run(*words[1:], "--layer", index, "--at", element, cwd=tmp_path)
    assert str(explained["worst"][0]["theirs"]) in done.stdout


def test_saved_and_compared_again(folder: Path, tmp_path: Path) -> None:
    done = run("capture", SEVEN_OPS, "--dataset", folder, "-o", "saved", cwd=tmp_path)
    assert "saved: 5 files of tensors" in done.stdout
    assert sorted(path.name for path in (tmp_path / "saved").iterdir()) == [
        f"{number}.npz" for number in range(5)
    ]
    done = run(SEVEN_OPS, "--dataset", folder, "--against", "saved", cwd=tmp_path)
    assert "EXACT" in done.stdout
    error = one_line_error(
        run("capture", SEVEN_OPS, "--dataset", folder, "-o", "saved", cwd=tmp_path, code=2)
    )
    assert "saved/0.npz: already there" in error


def test_labels_and_the_classes_expected(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("1 2 3 0 1")
    options = ("--labels", "labels.txt", "--expect", "any,changed<=0")
    done = run(SEVEN_OPS, "--dataset", folder, *options, cwd=tmp_path)
    assert "The class changes in 0 of 5 inputs. Top-1: ours" in " ".join(done.stdout.split())
    assert "AS EXPECTED by any,changed<=0" in done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--input", "x.npy", "--dataset", "y"), "--input and --dataset: give one of the two."),
        (("--steps", "2", "--dataset", "y"), "--steps and --dataset: give one of the two."),
        (("--seed", "0", "--dataset", "y"), "--seed and --dataset: give one of the two."),
        (("--limit", "2"), "--limit goes with --dataset, which is not given."),
        (("--labels", "2"), "--labels goes with --dataset, which is not given."),
        (("--dataset", "none"), "--dataset none: no input is in there; give a folder"),
        (("--expect", "changed<=0"), "changed<=0: changed is of the inputs of a dataset"),
    ],
)
def test_refusals(tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    assert message in one_line_error(run(SEVEN_OPS, *options, cwd=tmp_path, code=2))
    assert not (tmp_path / "reports").exists()
