"""The command as a user types it: what it prints, writes and returns."""

from __future__ import annotations

import csv
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import EFFICIENTNET, IMAGE, MODELS, SEVEN_OPS
from tests.single_op import Op, Spec, build_side_by_side

COMMAND = [sys.executable, "-m", "tflreplay"]


def run(
    *arguments: object, cwd: Path, code: int = 0, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        env=os.environ | (env or {}),
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def one_line_error(done: subprocess.CompletedProcess[str]) -> str:
    """The error, which must be one line and all there is."""
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("tflreplay: error: ")
    return line


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_the_main_job(tmp_path: Path) -> None:
    done = run(EFFICIENTNET, "--input", IMAGE, cwd=tmp_path)
    assert "EXACT: 242 of 242 layers" in " ".join(done.stdout.split())
    assert "quantized to int8 by scale 1 and zero point -128" in done.stdout
    assert done.stderr == ""
    report = tmp_path / "reports" / "efficientnet_b0_int8-1"
    layers = rows(report / "layers.csv")
    assert len(layers) == 242
    assert {row["isolated_mismatches"] for row in layers} == {"0"}
    assert {row["chained_mismatches"] for row in layers} == {"0"}
    assert sorted(path.name for path in report.iterdir()) == [
        "amplification.csv",
        "channels.csv",
        "histogram.csv",
        "junit.xml",
        "layers.csv",
        "model_explorer_mismatches.json",
        "model_explorer_verdicts.json",
        "report.html",
        "report.json",
        "summary.md",
    ]


@pytest.fixture(scope="module")
def exact_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("run")
    run(SEVEN_OPS, cwd=directory)
    return directory


def test_each_run_has_a_directory_of_its_own(exact_run: Path) -> None:
    run(SEVEN_OPS, cwd=exact_run)
    assert {"seven_ops_int8-1", "seven_ops_int8-2"} <= set(os.listdir(exact_run / "reports"))


def test_random_input_says_so_and_is_seeded(tmp_path: Path) -> None:
    first = run(SEVEN_OPS, "--json", "--out", tmp_path / "a", cwd=tmp_path).stdout
    other = run(SEVEN_OPS, "--json", "--out", tmp_path / "b", "--seed", 7, cwd=tmp_path).stdout
    assert "random int8 codes from -128 to 127, seed 0" in first
    assert "seed 7" in other


def test_json_and_quiet(tmp_path: Path) -> None:
    done = run(SEVEN_OPS, "--json", cwd=tmp_path)
    assert len(json.loads(done.stdout)["layers"]) == 20
    done = run(SEVEN_OPS, "--quiet", cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize("mode", ["isolated", "chained"])
def test_one_mode_leaves_the_other_empty(tmp_path: Path, mode: str) -> None:
    run(SEVEN_OPS, f"--{mode}", "--out", tmp_path / "out", cwd=tmp_path)
    other = "chained" if mode == "isolated" else "isolated"
    for row in rows(tmp_path / "out" / "layers.csv"):
        assert row[f"{mode}_mismatches"] == "0"
        assert row[f"{other}_mismatches"] == ""


def test_help_and_version(tmp_path: Path) -> None:
    assert "Exit codes" in run("--help", cwd=tmp_path).stdout
    assert "0.1.0" in run("--version", cwd=tmp_path).stdout
    assert "Usage" in run(cwd=tmp_path, code=2).stderr


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    code = "import sys, tflreplay.cli; print({'numpy', 'tflite', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("model", [EFFICIENTNET, SEVEN_OPS])
def test_truncated_model(tmp_path: Path, model: Path) -> None:
    content = model.read_bytes()
    cut = tmp_path / "cut.tflite"
    for sixteenth in (0, 1, 7, 15):
        cut.write_bytes(content[: len(content) * sixteenth // 16])
        assert "cut.tflite" in one_line_error(run(cut, cwd=tmp_path, code=2))


def test_wrong_files(tmp_path: Path) -> None:
    (tmp_path / "picture.tflite").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    error = one_line_error(run("picture.tflite", cwd=tmp_path, code=2))
    assert "picture.tflite: not a .tflite model" in error
    error = one_line_error(run("absent.tflite", cwd=tmp_path, code=2))
    assert "absent.tflite: cannot read the model: No such file" in error
    error = one_line_error(run(SEVEN_OPS, "--input", "absent.npy", cwd=tmp_path, code=2))
    assert "absent.npy: cannot read it: No such file" in error


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((1, 48, 47, 3), np.float32), "shape [1, 48, 47, 3] does not fit tensor 0"),
        (np.full((1, 48, 48, 3), np.nan, np.float32), "NaN"),
        (np.full((1, 48, 48, 3), 200, np.uint8), "do not fit int8"),
        (np.zeros((1, 48, 48, 3), np.complex64), "complex64 data does not fit int8"),
    ],
)
def test_wrong_input(tmp_path: Path, array: np.ndarray, words: str) -> None:
    np.save(tmp_path / "x.npy", array)
    error = one_line_error(run(SEVEN_OPS, "--input", "x.npy", cwd=tmp_path, code=2))
    assert "x.npy" in error
    assert words in error
    assert not (tmp_path / "reports").exists()


def test_existing_report_is_not_overwritten_unasked(tmp_path: Path) -> None:
    mine = tmp_path / "out" / "layers.csv"
    mine.parent.mkdir()
    mine.write_text("mine")
    error = one_line_error(run(SEVEN_OPS, "--out", "out", cwd=tmp_path, code=2))
    assert "layers.csv" in error
    assert "--force" in error
    assert mine.read_text() == "mine"
    assert os.listdir(mine.parent) == ["layers.csv"]
    run(SEVEN_OPS, "--out", "out", "--force", cwd=tmp_path)
    assert mine.read_text() != "mine"


def test_output_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    error = one_line_error(run(SEVEN_OPS, "--out", "file/out", cwd=tmp_path, code=2))
    assert "file/out" in error
    (tmp_path / "reports").write_text("")
    error = one_line_error(run(SEVEN_OPS, cwd=tmp_path, code=2))
    assert "reports" in error


def test_wrong_options(tmp_path: Path) -> None:
    assert "'x' is unknown" in one_line_error(
        run(SEVEN_OPS, "--runtime", "x", cwd=tmp_path, code=2)
    )
    assert "--bogus" in one_line_error(run(SEVEN_OPS, "--bogus", cwd=tmp_path, code=2))


def test_missing_runtime(tmp_path: Path) -> None:
    """A TensorFlow that cannot be imported, as where the extra is not installed."""
    (tmp_path / "tensorflow.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'tensorflow'\")"
    )
    done = run(
        SEVEN_OPS,
        "--runtime",
        "tensorflow",
        cwd=tmp_path,
        code=2,
        env={
            "PYTHONPATH": os.pathsep.join(
                [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
            )
        },
    )
    assert "pip install 'tflreplay[tensorflow]'" in one_line_error(done)


def test_ops_without_a_kernel(tmp_path: Path) -> None:
    """A model of nothing else: reported as not replayed, with a report, and exit code 2."""
    x, bits = Spec((1, 4), "float32"), Spec((2, 3), "int32")
    ops = [
        Op("ATAN2", [x, x], [x], {}, None),
        Op("BITWISE_XOR", [bits, bits], [bits], {}, None),
    ]
    (tmp_path / "unknown.tflite").write_bytes(build_side_by_side(ops))
    done = run("unknown.tflite", "--out", "out", cwd=tmp_path, code=2)
    assert "no reference kernel for ATAN2" in done.stdout
    assert "INCOMPLETE: no comparison, 2 of 2 layers not replayed" in done.stdout
    found = rows(tmp_path / "out" / "layers.csv")
    assert [row["op"] for row in found] == ["ATAN2", "BITWISE_XOR"]
    for row in found:
        assert (row["status"], row["isolated_mismatches"], row["max_abs_diff"]) == (
            "not replayed",
            "",
            "",
        )
        assert f"no reference kernel for {row['op']}" in row["reason"]
    assert (tmp_path / "out" / "report.html").exists()


@pytest.mark.parametrize("engine", ["optimized", "xnnpack"])
def test_other_engines(tmp_path: Path, engine: str) -> None:
    done = run(SEVEN_OPS, "--engine", engine, "--threads", 2, cwd=tmp_path)
    assert f"against LiteRT 2.3.0 {engine} kernels" in " ".join(done.stdout.split())


def test_replay_as(tmp_path: Path) -> None:
    """What a port with single rounding would change."""
    done = run(SEVEN_OPS, "--replay-as", "single", "--out", "out", cwd=tmp_path, code=1)
    assert "replayed as single" in done.stdout
    wrong = [
        row for row in rows(tmp_path / "out" / "layers.csv") if row["isolated_mismatches"] != "0"
    ]
    assert wrong
    assert {row["rule"] for row in wrong} == {"single"}
    assert {row["max_abs_diff"] for row in wrong} == {"1"}
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    layer = next(layer for layer in report["layers"] if layer["detail"])
    element = layer["detail"]["worst"][0]
    place = ",".join(map(str, element["index"]))
    command = f"{report['explain_command']} --layer {layer['op_index']} --at {place}"
    told = run(*shlex.split(command)[1:], cwd=tmp_path)
    assert f"reference kernels gave {element['theirs']}." in told.stdout
    error = one_line_error(run(SEVEN_OPS, "--replay-as", "triple", cwd=tmp_path, code=2))
    assert "'triple'" in error


def test_saved_capture_is_a_source(tmp_path: Path) -> None:
    run("capture", SEVEN_OPS, "--engine", "xnnpack", "-o", "x.npz", cwd=tmp_path)
    done = run(SEVEN_OPS, "--against", "x.npz", cwd=tmp_path)
    assert "EXACT" in done.stdout
    assert "xnnpack" in done.stdout
    error = one_line_error(run("capture", SEVEN_OPS, "-o", "x.npz", cwd=tmp_path, code=2))
    assert "x.npz" in error
    assert "--force" in error
    done = run("compare", SEVEN_OPS, "--sources", "reference,x.npz", cwd=tmp_path, code=1)
    assert "x.npz" in done.stdout
    done = run("compare", SEVEN_OPS, "--sources", "xnnpack,x.npz", "--out", "n", cwd=tmp_path)
    assert sorted(os.listdir(tmp_path / "n")) == [
        "agreement.csv",
        "agreement.html",
        "agreement.json",
    ]
    other = run(EFFICIENTNET, "--against", "x.npz", cwd=tmp_path, code=2)
    assert "x.npz" in one_line_error(other)


def test_wrong_engine_or_source(tmp_path: Path) -> None:
    error = one_line_error(run(SEVEN_OPS, "--engine", "fast", cwd=tmp_path, code=2))
    assert "'fast'" in error
    error = one_line_error(run("compare", SEVEN_OPS, "--sources", "a,b", cwd=tmp_path, code=2))
    assert "'a'" in error
    for names, problem in (("reference,", "empty"), ("xnnpack,xnnpack", "given twice")):
        done = run("compare", SEVEN_OPS, "--sources", names, cwd=tmp_path, code=2)
        assert problem in one_line_error(done)
    error = one_line_error(run(SEVEN_OPS, "--against", "none.npz", cwd=tmp_path, code=2))
    assert "none.npz" in error


def test_rules(tmp_path: Path) -> None:
    text = run("rules", "--engine", "optimized", cwd=tmp_path).stdout
    assert "optimized over reference" in text
    assert "double-up" in text
    new = run("rules", "--runtime", "litert==1.3.0", cwd=tmp_path).stdout
    old = run("rules", "--runtime", "litert==1.2.0", cwd=tmp_path).stdout
    assert "float-away64" in new
    assert "float-away64" not in old


def test_readme_example_runs(tmp_path: Path) -> None:
    text = (MODELS.parent / "README.md").read_text()
    code = text.split("<!-- example -->\n```python\n")[1].split("```")[0]
    (tmp_path / "models").symlink_to(MODELS)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "Comparison(20 layers: 0 with mismatches, 0 not replayed)\n"
    assert (tmp_path / "reports" / "seven_ops" / "report.html").exists()
