"""``tflreplay ops`` as a user types it."""

from __future__ import annotations

from pathlib import Path

from tests.cli.test_replay import one_line_error, run
from tests.conftest import SEVEN_OPS


def test_all_ops(tmp_path: Path) -> None:
    text = run("ops", cwd=tmp_path).stdout
    assert "Replayed of LiteRT" in text
    assert "CONV_2D" in text
    old = run("ops", "--runtime", "tensorflow==2.17.1", cwd=tmp_path).stdout
    assert "Replayed of TensorFlow 2.17.1 (reference, optimized, xnnpack)" in old


def test_of_a_model(tmp_path: Path) -> None:
    text = run("ops", SEVEN_OPS, cwd=tmp_path).stdout
    assert "20 ops" in text
    assert "20 reference, 20 optimized, 20 xnnpack" in text


def test_wrong_names(tmp_path: Path) -> None:
    assert "absent.tflite" in one_line_error(run("ops", "absent.tflite", cwd=tmp_path, code=2))
    assert "'x' is unknown" in one_line_error(run("ops", "--runtime", "x", cwd=tmp_path, code=2))
