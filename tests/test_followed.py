"""``tflreplay compare --kernel``: which engine a user's kernels follow."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import SEVEN_OPS
from tflreplay.model import Model
from tflreplay.ops.seam import Tensors
from tflreplay.replayer.loop import replay_isolated
from tflreplay.replayer.user_kernels import rows
from tflreplay.replayer.user_kernels.functions import load_functions
from tflreplay.reports import followed as report
from tflreplay.reports import kernel
from tflreplay.runtimes import capture
from tflreplay.runtimes.inputs import Inputs
from tflreplay.tools.compare import compare_kernels

SOURCES = ("reference", "optimized", "xnnpack")


@pytest.fixture
def mul(tmp_path: Path) -> Path:
    path = tmp_path / "port.py"
    path.write_text(kernel.render("MUL", "python"))
    return path


def test_each_layer_is_fed_what_the_source_gave(
    mul: Path, seven_ops: Model, seven_inputs: Inputs
) -> None:
    functions = load_functions(mul)
    result = compare_kernels(seven_ops, seven_inputs, SOURCES, functions)
    for number, source in enumerate(SOURCES):
        tensors: Tensors = capture(seven_ops, seven_inputs.arrays, None, source).tensors
        alone = replay_isolated(seven_ops, tensors, kernels=rows(functions, seven_ops))
        counts = {
            layer.op_index: int((alone.tensors[i] != tensors[i]).sum())
            for layer in result.layers
            for i in [layer.tensor.index]
        }
        assert {x.op_index: x.differing[number] for x in result.layers} == counts
    assert [layer.op_index for layer in result.layers] == [1, 7, 8]
    assert result.followed("MUL") == ["reference", "optimized"]
    assert result.apart("MUL", "xnnpack") > 0
    assert result.exit_code == 0
    only = compare_kernels(seven_ops, seven_inputs, ["xnnpack"], functions)
    assert (only.followed("MUL"), only.exit_code) == ([], 1)
    assert report.verdict(only, "MUL").startswith("FOLLOWS NONE: port.py: mul, 3 layers of MUL; it")


def test_what_cannot_be_compared_is_followed_by_nobody(
    seven_ops: Model, seven_inputs: Inputs
) -> None:
    def refusing(call: Any, a: np.ndarray, b: np.ndarray) -> None:
        raise ValueError("not yet")

    result = compare_kernels(seven_ops, seven_inputs, ["reference"], {"MUL": refusing})
    assert (result.followed("MUL"), result.exit_code) == ([], 2)
    assert [layer.differing for layer in result.layers] == [(None,)] * 3
    (note,) = result.notes
    assert note.startswith("not replayed on reference: #1, #7, #8: test_followed.py: refusing fail")
    assert "INCOMPLETE: test_followed.py: refusing, 3 layers of MUL" in report.render(result)


def test_the_command(mul: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tflreplay", "compare", str(SEVEN_OPS), "--kernel"]
        return subprocess.run(
            [*command, "port.py", *arguments], cwd=mul.parent, capture_output=True, text=True
        )

    done = run()
    assert done.returncode == 0, done.stderr
    *_, table, other, _, verdict = done.stdout.splitlines()
    assert table.split()[:2] == ["8", "MUL"]
    assert other == "(in the other 1 nothing differs)"
    expected = "FOLLOWS reference, optimized: port.py: mul, 3 layers of MUL, bit-exact; it differs "
    assert verdict == f"{expected}from xnnpack in 2"
    document = json.loads(run("--json").stdout)
    assert document["kernels"][0]["follows"] == ["reference", "optimized"]
    assert document["kernels"][0]["text"] == verdict
    assert [layer["differing"][0] for layer in document["layers"]] == [0, 0, 0]
    assert run("--sources", "xnnpack").returncode == 1
    assert "with --kernel, --json prints all" in run("--out", "there").stderr
