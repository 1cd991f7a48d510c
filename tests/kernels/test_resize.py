from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.kernels.moving import int32, spec
from tests.single_op import Spec, assert_exact, build, random_codes
from tflreplay.ground.engine import Engine
from tflreplay.model import parse
from tflreplay.ops import row_of
from tflreplay.ops.resize import optimized_resize_bilinear
from tflreplay.replayer.loop import replay

_OPTIONS = [(False, False), (True, False), (False, True)]
_TABLES = {
    "RESIZE_BILINEAR": "ResizeBilinearOptions",
    "RESIZE_NEAREST_NEIGHBOR": "ResizeNearestNeighborOptions",
}


def _model(
    op: str, x: np.ndarray, size: Any, aligned: bool, half: bool, constant: bool = True
) -> bytes:
    source = spec(x)
    shape = (x.shape[0], *size, x.shape[3])
    return build(
        op,
        [source, spec(int32(*size), constant)],
        [Spec(shape, source.dtype, source.scale, source.zero_point)],
        {"alignCorners": aligned, "halfPixelCenters": half},
        _TABLES[op],
    )


def _input(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    if dtype == "float32":
        return rng.normal(0, 10.0 ** rng.integers(-3, 4), shape).astype(np.float32)
    return random_codes(rng, shape, dtype)


def _size(rng: np.random.Generator, height: int, width: int) -> tuple[int, int]:
    """Any size; often the same, twice or eight times as large, for which there is special code."""
    factor = rng.choice([0, 0, 0, 1, 2, 8])
    if factor:
        return int(factor) * height, int(factor) * width
    return int(rng.integers(1, 60)), int(rng.integers(1, 60))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "float32"])
@pytest.mark.parametrize("op", _TABLES)
def test_resize(engine: Engine, op: str, dtype: str) -> None:
    rng = np.random.default_rng(25)
    total = 0
    for trial in range(60):
        height, width = rng.integers(1, 20, 2).tolist()
        channels = int(rng.choice([1, 3, 4, 7, 8, 16, 17]))
        x = _input(rng, (int(rng.integers(1, 3)), height, width, channels), dtype)
        size = _size(rng, height, width)
        constant = trial % 5 > 0
        model = _model(op, x, size, *_OPTIONS[trial % 3], constant)
        total += assert_exact(model, [x, *([] if constant else [int32(*size)])], engine)
    assert total >= 100_000


@pytest.mark.parametrize(("aligned", "half"), _OPTIONS)
def test_one_pixel(engine: Engine, aligned: bool, half: bool) -> None:
    rng = np.random.default_rng(26)
    for op in _TABLES:
        for shape, size in (((1, 1, 1, 3), (4, 5)), ((1, 6, 7, 3), (1, 1)), ((1, 1, 5, 8), (3, 1))):
            for dtype in ("int8", "uint8", "int16", "float32"):
                x = _input(rng, shape, dtype)
                assert assert_exact(_model(op, x, size, aligned, half), [x], engine) > 0


def test_nearest_neighbor_with_both_options(engine: Engine) -> None:
    x = _input(np.random.default_rng(27), (1, 7, 9, 2), "int8")
    for size in ((13, 5), (3, 20), (7, 9)):
        model = _model("RESIZE_NEAREST_NEIGHBOR", x, size, True, True)
        assert assert_exact(model, [x], engine) > 0


def test_both_options_are_refused() -> None:
    """The engines refuse them for a constant size."""
    x = np.zeros((1, 2, 2, 1), np.int8)
    model = parse(_model("RESIZE_BILINEAR", x, (3, 3), True, True), Path("resize.tflite"))
    done = replay(model, {model.main.inputs[0]: x})
    assert "both align_corners and half_pixel_centers" in done.not_replayed[0]


def test_xnnpack_takes_constant_sizes_only() -> None:
    x = np.zeros((1, 2, 2, 1), np.uint8)
    for constant in (True, False):
        content = _model("RESIZE_BILINEAR", x, (3, 3), False, False, constant)
        graph = parse(content, Path("resize.tflite")).main
        kernel = row_of(Engine("xnnpack"), graph, graph.operators[0]).kernel
        assert (kernel is optimized_resize_bilinear) != constant
