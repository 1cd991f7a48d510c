"""``--layout`` and ``--map``, as typed."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest

from tests.cli.test_replay import one_line_error, run
from tests.conftest import SEVEN_OPS
from tflreplay.model import Model
from tflreplay.runtimes import Capture
from tflreplay.runtimes.inputs import Inputs

CONV = 30


@pytest.fixture
def folder(tmp_path: Path, seven_inputs: Inputs, seven_captured: Capture) -> Path:
    """A device that keeps channels first and errs in one value of its first convolution."""
    (tmp_path / "x.bin").write_bytes(seven_inputs.arrays[0].transpose(0, 3, 1, 2).tobytes())
    array = seven_captured.tensors[CONV].copy()
    array[0, 1, 2, 3] ^= 4
    (tmp_path / "norm.bin").write_bytes(seven_captured.tensors[29].tobytes())
    (tmp_path / "conv.bin").write_bytes(array.transpose(0, 3, 1, 2).tobytes())
    (tmp_path / "dump").mkdir()
    for name in ("norm.bin", "conv.bin"):
        (tmp_path / name).rename(tmp_path / "dump" / name)
    (tmp_path / "map.toml").write_text(
        'x = {layout = "NCHW"}\nnorm = "ops 0 to 1"\nconv = {tensor = "op2", layout = "NCHW"}\n'
    )
    return tmp_path


def test_a_mapped_dump_and_the_command_that_explains_it(folder: Path) -> None:
    given = ("--input", "x.bin", "--against", "dump", "--map", "map.toml")
    done = run(SEVEN_OPS, *given, "--out", "report", cwd=folder, code=1)
    assert "note: norm: the output of ops 0 to 1, compared at op 1 MUL" in done.stdout
    assert "note: conv: NCHW, transposed to NHWC" in done.stdout
    assert "first divergence at op 2 CONV_2D" in done.stdout
    page = (folder / "report" / "report.html").read_text(encoding="utf-8")
    assert "--map map.toml" in page
    done = run(
        "explain", SEVEN_OPS, *given, "--layer", "2", "--at", "0,1,2,3", "--json", cwd=folder
    )
    assert json.loads(done.stdout)
    sources = "dump,replay:reference"
    done = run(
        "compare", SEVEN_OPS, "--sources", sources, *given[:2], *given[4:], cwd=folder, code=1
    )
    assert "CONV_2D" in done.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--layout NHCW --against dump", "--layout NHCW: use one of NHWC, NCHW, "),
        ("--map none.toml", "none.toml: cannot read it: No such file"),
        ("--against dump", "fits a tensor of"),
        ("--input conv.csv", "conv.csv: cannot read it: No such file"),
    ],
)
def test_one_line(folder: Path, options: str, said: str) -> None:
    done = run(SEVEN_OPS, *shlex.split(options), "--out", "report", cwd=folder, code=2)
    assert said in one_line_error(done)
    assert not (folder / "report").exists()


@pytest.mark.parametrize("command", ["capture", "extract", "rules"])
def test_inputs_of_other_commands(folder: Path, seven_ops: Model, command: str) -> None:
    more = {"capture": ("-o", "run.npz"), "extract": ("--layer", "19"), "rules": ()}[command]
    done = run(command, SEVEN_OPS, "--input", "x.bin", "--layout", "NCHW", *more, cwd=folder)
    assert "x.bin: int8 codes, taken as they are, NCHW, transposed to NHWC" in done.stdout


def test_a_dump_of_unknown_names_is_one_line(folder: Path) -> None:
    np.savez(folder / "d.npz", conv=np.zeros(3))
    done = run(SEVEN_OPS, "--against", "d.npz", cwd=folder, code=2)
    assert '--map: "conv" = "op 0"' in one_line_error(done)
