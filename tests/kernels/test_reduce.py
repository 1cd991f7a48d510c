"""Reductions against the engine."""

from __future__ import annotations

import numpy as np
import pytest

from tests.kernels.common import (
    NUMBERS,
    QUANTIZED,
    assert_agrees,
    random_spec,
    random_values,
    reason_not_replayed,
    symmetric_zero_point,
)
from tests.kernels.test_conv import OUTPUTS, zero_point
from tests.single_op import (
    Spec,
    assert_exact,
    build,
    random_codes,
    random_scale,
    run_engine,
    run_replay,
)
from tflreplay.ground.engine import Engine

AXES = [(1, 2), (2, 1), (-2, -3), (1,), (0,), (3,), (-1,), (0, 1, 2, 3), (2, 3), (1, 1, 2)]


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_random(engine: Engine, dtype: str) -> None:
    rng = np.random.default_rng(1)
    total = 0
    while total < OUTPUTS:
        axes = AXES[int(rng.integers(len(AXES)))]
        shape = tuple(int(n) for n in (*rng.integers(1, 12, 3), rng.integers(1, 200)))
        keep = bool(rng.random() < 0.5)
        reduced = {axis % 4 for axis in axes}
        result = tuple(1 if i in reduced else n for i, n in enumerate(shape))
        if not keep:
            result = tuple(n for i, n in enumerate(shape) if i not in reduced)
        x = Spec(shape, dtype, random_scale(rng), zero_point(rng, dtype))
        factor = 2.0 ** rng.integers(-12, 12) if rng.random() < 0.5 else rng.uniform(0.1, 1.2)
        y = Spec(result, dtype, np.float32(x.scale * factor), zero_point(rng, dtype))
        indices = Spec((len(axes),), "int32", data=np.array(axes, np.int32))
        content = build("MEAN", [x, indices], [y], {"keepDims": keep}, "ReducerOptions", version=2)
        total += assert_exact(content, [random_codes(rng, shape, dtype)], engine)


def test_spatial_mean_as_networks_use_it(engine: Engine) -> None:
    rng = np.random.default_rng(2)
    axes = Spec((2,), "int32", data=np.array([1, 2], np.int32))
    for size in (1, 2, 3, 7, 8, 14, 56):
        x = Spec((1, size, size, 37), "int8", random_scale(rng), zero_point(rng, "int8"))
        for keep, shape in ((True, (1, 1, 1, 37)), (False, (1, 37))):
            y = Spec(shape, "int8", x.scale, x.zero_point)
            content = build("MEAN", [x, axes], [y], {"keepDims": keep}, "ReducerOptions", 2)
            assert_exact(content, [random_codes(rng, x.shape, "int8")], engine)


TYPES = {
    "MEAN": ("int16", *NUMBERS),
    "SUM": (*QUANTIZED, *NUMBERS),
    "REDUCE_MAX": (*QUANTIZED, *NUMBERS),
    "REDUCE_MIN": (*QUANTIZED, *NUMBERS),
    "REDUCE_PROD": ("int8", "int16", *NUMBERS),
    "REDUCE_ANY": ("bool",),
    "REDUCE_ALL": ("bool",),
}


def reduced(
    shape: tuple[int, ...], axes: tuple[int, ...], keep: bool
) -> tuple[tuple[int, ...], int]:
    """The output's shape, and the elements that make each output."""
    gone = {axis % len(shape) for axis in axes}
    count = int(np.prod([shape[axis] for axis in gone]))
    if keep:
        return tuple(1 if i in gone else n for i, n in enumerate(shape)), count
    return tuple(n for i, n in enumerate(shape) if i not in gone), count


def output(rng: np.random.Generator, op: str, x: Spec, shape: tuple[int, ...], count: int) -> Spec:
    if x.dtype not in QUANTIZED:
        return Spec(shape, x.dtype)
    if op in ("REDUCE_MAX", "REDUCE_MIN") or (op == "SUM" and rng.random() < 0.3):
        return Spec(shape, x.dtype, x.scale, x.zero_point)
    factor = float(random_scale(rng, 0.3, 3))
    if op == "SUM":
        factor *= np.sqrt(count)
    scale = (x.scale * 60) ** min(count, 4) / 40 if op == "REDUCE_PROD" else x.scale * factor
    return Spec(shape, x.dtype, np.float32(scale), symmetric_zero_point(rng, x.dtype))


@pytest.mark.parametrize(("op", "dtype"), [(op, t) for op, types in TYPES.items() for t in types])
def test_reductions(engine: Engine, op: str, dtype: str) -> None:
    if (op, dtype, engine.name) == ("SUM", "int16", "reference"):
        pytest.skip("this kernel leaves half of the output unwritten")
    rng = np.random.default_rng(3)
    total = trial = 0
    while total < OUTPUTS:
        trial += 1
        axes = AXES[trial % len(AXES)]
        shape = tuple(int(n) for n in (*rng.integers(1, 30, 3), rng.integers(1, 200)))
        if trial % 10 == 0:
            shape = (shape[0], 1, 1, shape[3])  # sums of one element
        if op == "REDUCE_PROD" and len(axes) > 1:
            shape = tuple(min(n, 6) for n in shape)
        keep = bool(rng.random() < 0.5)
        x = random_spec(rng, shape, dtype)
        y = output(rng, op, x, *reduced(shape, axes, keep))
        values = random_values(rng, shape, dtype)
        if op == "REDUCE_PROD" and dtype not in QUANTIZED:
            values = (values % 5 - 2).astype(dtype)
        indices = Spec((len(axes),), "int32", data=np.array(axes, np.int32))
        version = 1 if dtype == "bool" else 2
        content = build(op, [x, indices], [y], {"keepDims": keep}, "ReducerOptions", version)
        total += assert_agrees(content, [values], engine)


@pytest.mark.parametrize("op", ["SUM", "MEAN", "REDUCE_PROD"])
def test_scales_out_of_proportion(engine: Engine, op: str) -> None:
    rng = np.random.default_rng(4)
    axis = Spec((1,), "int32", data=np.array([1], np.int32))
    for trial in range(40):
        dtype = ("int8", "int16")[trial % 2]
        if (op, dtype, engine.name) == ("SUM", "int16", "reference"):
            continue
        shape = (3, int(rng.integers(1, 6)), 50)
        scales = 10.0 ** rng.uniform(-4, 2, 2)
        x, y = (
            random_spec(rng, each, dtype, float(scale))
            for each, scale in zip((shape, (3, 50)), scales, strict=True)
        )
        content = build(op, [x, axis], [y], {"keepDims": False}, "ReducerOptions", 2)
        assert_agrees(content, [random_codes(rng, shape, dtype)], engine)


def test_no_element_is_not_replayed() -> None:
    axis = Spec((1,), "int32", data=np.array([0], np.int32))
    content = build(
        "REDUCE_MAX", [Spec((0, 3), "int8"), axis], [Spec((3,), "int8")], {}, "ReducerOptions"
    )
    assert "of no element" in reason_not_replayed(content, [np.zeros((0, 3), np.int8)])


@pytest.mark.parametrize("op", ["MEAN", "SUM"])
def test_float_sums_to_the_last_bit(engine: Engine, op: str) -> None:
    """Every length and place of a row in memory, minus zeros and infinities; but for XNNPACK."""
    if engine.name == "xnnpack":
        pytest.skip("its order is not modelled")
    rng = np.random.default_rng(8)
    for trial in range(150):
        rank = int(rng.integers(1, 5))
        shape = (*rng.integers(1, 9, rank - 1).tolist(), int(rng.integers(1, 70)))
        axes = tuple(rng.permutation(rank)[: rng.integers(1, rank + 1)].tolist())
        axes = ((rank - 1,), (-1,), axes)[trial % 3]
        keep = bool(rng.random() < 0.5)
        x = rng.normal(rng.choice([0, 3]), 1, shape).astype(np.float32)
        x[rng.random(shape) < rng.choice([0, 0, 0.1, 1])] = rng.choice([-0.0, np.inf, 1e-44])
        inputs = [Spec(shape, "float32"), Spec((len(axes),), "int32", data=np.int32(axes))]
        y = Spec(reduced(shape, axes, keep)[0], "float32")
        content = build(op, inputs, [y], {"keepDims": keep}, "ReducerOptions")
        ours, theirs = (run(content, [x], engine)[0] for run in (run_replay, run_engine))
        np.testing.assert_array_equal(ours.view(np.uint32), theirs.view(np.uint32))
