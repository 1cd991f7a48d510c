"""``tflreplay extract`` as a user runs it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.cli.test_replay import one_line_error, run
from tests.conftest import MODELS, SEVEN_OPS
from tests.single_op import Spec, build

PAGE = MODELS.parent / "docs" / "port-kit.md"


def test_a_layer_is_cut_out_and_replayed_from_its_files(tmp_path: Path) -> None:
    done = run("extract", SEVEN_OPS, "--layer", "2", cwd=tmp_path)
    assert "input: input 0 (image): random int8 codes" in done.stdout
    assert "0 of 8,993 elements differ, max_abs 0" in done.stdout
    kit = tmp_path / "seven_ops_int8-op2"
    assert (kit / "op2.h").exists()
    arguments = ("op2.tflite", "--input", "input.npy", "--against", ".")
    done = run(*arguments, "--engine", "reference", cwd=kit)
    assert "EXACT: 1 of 1 layers, 8,993 elements, 0 mismatches" in " ".join(done.stdout.split())
    output = np.load(kit / "output.npy")
    output.flat[5] ^= 1
    np.save(kit / "output.npy", output)
    done = run(*arguments, "--out", "again", cwd=kit, code=2)
    assert "op2.h[op2_output], output.hex and output.npy: left out: all of them are" in done.stdout
    run(*arguments[:-1], "output.npy", "--out", "it", cwd=kit, code=1)


def test_what_is_not_the_same_alone_is_written_with_exit_code_1(tmp_path: Path) -> None:
    shape = Spec((1,), "int32", data=np.array([8], np.int32))
    path = tmp_path / "random.tflite"
    output = Spec((8,), "float32")
    path.write_bytes(build("RANDOM_UNIFORM", [shape], [output], {}, "RandomOptions"))
    done = run("extract", path, "--layer", "0", "--out", "kit", cwd=tmp_path, code=1)
    assert "of 8 elements differ" in done.stdout
    text = (tmp_path / "kit" / "README.md").read_text()
    assert "does not reproduce" in text
    assert "tflreplay cannot compute this layer" in text


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    kit = tmp_path / "kit"
    kit.mkdir()
    (kit / "README.md").write_text("mine")
    arguments = ("extract", SEVEN_OPS, "--layer", "18", "--out", kit)
    assert "README.md: already there" in one_line_error(run(*arguments, cwd=tmp_path, code=2))
    assert [path.name for path in kit.iterdir()] == ["README.md"]
    run(*arguments, "--force", cwd=tmp_path)
    assert (kit / "README.md").read_text() != "mine"


def test_a_path_that_is_not_unicode(tmp_path: Path) -> None:
    directory = os.fsdecode(os.fsencode(tmp_path) + b"/sur\xff")
    try:
        os.mkdir(directory)
    except OSError:
        pytest.skip("the file system takes only Unicode")
    model = Path(directory, os.fsdecode(b"m\xff.tflite"))
    model.write_bytes(SEVEN_OPS.read_bytes())
    done = run("extract", model, "--layer", "18", cwd=Path(directory))
    assert "port kit: m\N{REPLACEMENT CHARACTER}-op18 (" in done.stdout
    (kit,) = Path(directory).glob("*-op18")
    assert "`m\N{REPLACEMENT CHARACTER}.tflite`" in (kit / "README.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--layer", "20"], "there is no layer 20; the model has layers 0 to 19"),
        (["--layer", "2", "--engine", "cmsis"], "'cmsis' is unknown"),
        (["--layer", "2", "--input", "none.npy"], "none.npy"),
        ([], "Missing option '--layer'"),
    ],
)
def test_wrong_requests(tmp_path: Path, arguments: list[str], text: str) -> None:
    done = run("extract", SEVEN_OPS, *arguments, cwd=tmp_path, code=2)
    assert text in one_line_error(done)
    assert list(tmp_path.iterdir()) == []


def test_the_example_of_the_page(tmp_path: Path) -> None:
    """docs/port-kit.md: the command prints what is shown, and every line of C is in the header."""
    text = PAGE.read_text(encoding="utf-8")
    shown = text.split("<!-- example -->\n```console\n$ tflreplay ")[1].split("\n```")[0]
    command, _, printed = shown.partition("\n")
    (tmp_path / "models").symlink_to(MODELS)
    assert run(*shlex.split(command), cwd=tmp_path).stdout.rstrip() == printed
    kit = tmp_path / "efficientnet_b0_int8-op10"
    header = (kit / "op10.h").read_text().splitlines()
    lines = text.split("```c\n")[1].split("```")[0].splitlines()
    assert [line for line in lines if line not in header] == []
    (against,) = [line for line in text.splitlines() if line.startswith("tflreplay op10")]
    readme = (kit / "README.md").read_text()
    assert against.replace("--against mine", "--against DIRECTORY") in readme


def test_the_python_of_the_page(tmp_path: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    code = text.split("<!-- python -->\n```python\n")[1].split("```")[0]
    (tmp_path / "models").symlink_to(MODELS)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert code.split("print(kit)  # ")[1].splitlines()[0] == done.stdout.splitlines()[0]
    assert (tmp_path / "kits" / "3" / "op3.h").exists()
