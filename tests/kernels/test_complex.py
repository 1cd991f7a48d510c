"""Ops on complex numbers against the engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.kernels.common import OUTPUTS, assert_agrees
from tests.single_op import Spec, assert_exact, build, run_engine, run_replay
from tflreplay.ground.engine import Engine
from tflreplay.judgement.difference import difference
from tflreplay.model import parse
from tflreplay.reports import json_report
from tflreplay.runtimes.inputs import Inputs
from tflreplay.tools.replay import run

SPECIAL = np.float32([0, -0.0, 1, -1, 3e38, -3e38, 1e-45, 1e-38, np.inf, -np.inf, np.nan])


def random_complex(rng: np.random.Generator, count: int, dtype: str) -> np.ndarray:
    """Parts of any size, and every pair of special ones."""
    parts = rng.normal(0, 1, (2, count)) * np.exp(rng.normal(0, 20, (2, count)))
    pairs = np.array(np.meshgrid(SPECIAL, SPECIAL)).reshape(2, -1)
    parts[:, : pairs.shape[1]] = pairs
    with np.errstate(all="ignore"):
        x = np.empty(count, dtype)
        x.real, x.imag = parts
    return x


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("op", ["COMPLEX_ABS", "REAL", "IMAG"])
def test_parts(engine: Engine, op: str, dtype: str) -> None:
    rng = np.random.default_rng(1)
    x = random_complex(rng, OUTPUTS, dtype)
    real = "float32" if dtype == "complex64" else "float64"
    content = build(op, [Spec(x.shape, dtype)], [Spec(x.shape, real)])
    assert_exact(content, [x], engine)


def test_rfft2d(engine: Engine) -> None:
    """Lengths of every power of two, the input cut or padded; whole numbers, zeros, one tone.

    The order of float64 sums hardly ever moves a bit of float32.
    """
    rng = np.random.default_rng(2)
    total = trial = unlike = 0
    while total < OUTPUTS:
        trial += 1
        height, width = (int(2 ** rng.integers(low, 9)) for low in (0, 1))
        rows = height if trial % 3 else int(rng.integers(1, 2 * height + 1))
        columns = width if trial % 3 else int(rng.integers(1, 2 * width + 1))
        lead = (2,) if trial % 2 else ()
        x = rng.normal(0, np.exp(rng.normal(0, 5)), (*lead, rows, columns)).astype(np.float32)
        if trial % 5 == 0:
            x = np.round(x)
        if trial % 7 == 0:
            x = np.broadcast_to(np.cos(np.arange(columns) * np.pi / 4), x.shape).astype(np.float32)
        length = Spec((2,), "int32", data=np.array([height, width], np.int32))
        y = Spec((*lead, height, width // 2 + 1), "complex64")
        content = build("RFFT2D", [Spec(x.shape, "float32"), length], [y], {}, "Rfft2dOptions")
        total += assert_agrees(content, [x], engine)
        (ours,), (theirs,) = run_replay(content, [x], engine), run_engine(content, [x], engine)
        unlike += int((np.abs(ours - theirs) > 1e-12 * np.abs(theirs).max()).sum())
    assert unlike < total / 10_000


def test_a_difference_of_complex_numbers() -> None:
    """Its magnitude counts, and 0 is not -0."""
    ours, theirs = np.complex64([1 + 1j, 2j, 0j]), np.complex64([1 + 1j, 3 - 2j, complex(-0.0, 0)])
    found = difference(ours, theirs, 0)
    assert (found.mismatches, found.max_abs, found.signs) == (1, 5, 1)
    assert difference(ours, ours.copy(), 0).exact


def test_a_wrong_kernel_is_reported() -> None:
    length = Spec((2,), "int32", data=np.array([4, 8], np.int32))
    x, y = Spec((4, 8), "float32"), Spec((4, 5), "complex64")
    content = build("RFFT2D", [x, length], [y], {}, "Rfft2dOptions")
    model = parse(content, Path("rfft2d.tflite"))
    inputs = Inputs({model.main.inputs[0]: np.eye(4, 8, dtype=np.float32)})
    conjugate = {"RFFT2D": lambda call, x, length: np.fft.rfft2(x).conj().astype(np.complex64)}
    found = run(model, inputs, engine="reference", kernels=conjugate)
    assert found.verdict == "mismatch"
    assert json_report.document(found)["layers"][0]["isolated"]["max_abs_diff"] > 1
