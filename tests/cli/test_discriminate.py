"""``tflreplay discriminate`` as a user runs it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.cli.test_replay import one_line_error, run
from tests.conftest import SEVEN_OPS

LAYER = ("discriminate", SEVEN_OPS, "--layer", "13")


def test_vectors_are_saved_with_what_each_candidate_makes_of_them(tmp_path: Path) -> None:
    path = tmp_path / "vectors.npz"
    done = run(*LAYER, "-o", path, cwd=tmp_path)
    assert "The engine computes one of: double; double-up." in done.stdout
    with np.load(path) as found:
        names = found["candidates"].tolist()
        assert names[0] == "double"
        assert found["outputs"].shape[:2] == (len(names), len(found["input_40"]))
        assert found["accumulator_codes"].shape == (
            len(found["accumulator_candidates"]),
            len(found["accumulators"]),
        )


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    path = tmp_path / "vectors.npz"
    path.write_bytes(b"mine")
    assert "vectors.npz" in one_line_error(run(*LAYER, "-o", path, cwd=tmp_path, code=2))
    assert path.read_bytes() == b"mine"
    run(*LAYER, "-o", path, "--force", cwd=tmp_path)
    assert path.read_bytes() != b"mine"


def test_what_cannot_be_written_is_told_before_anything_is_printed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run(*LAYER, "-o", tmp_path / "file" / "vectors.npz", cwd=tmp_path, code=2)
    assert "cannot write" in one_line_error(done)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--layer", "99"], "there is no layer 99; the model has layers 0 to 19"),
        ([], "Missing option '--layer'"),
        (["--layer", "3", "--engine", "cmsis"], "cmsis"),
    ],
)
def test_wrong_requests(tmp_path: Path, arguments: list[str], text: str) -> None:
    done = run("discriminate", SEVEN_OPS, *arguments, cwd=tmp_path, code=2)
    assert text in one_line_error(done)
