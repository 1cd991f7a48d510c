from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tests.kernels.common import near_tie_ratio, random_zero_point, reason_not_replayed
from tests.single_op import Spec, assert_exact, build, random_codes, random_scale
from tflreplay.engine import Engine

TYPES = ["int8", "uint8", "int16", "int32", "float32"]
QUANTIZED = (0.25, 3)  # every tensor of a moving op shares its quantization


def _spec(array: np.ndarray, data: bool = False) -> Spec:
    """An activation like ``array``, or the constant itself."""
    name = str(array.dtype)
    quantization = QUANTIZED if name in ("int8", "uint8") else (None, 0)
    return Spec(array.shape, name, *quantization, data=array if data else None)


def _int32(*values: Any) -> np.ndarray:
    return np.array(values, np.int32).reshape(-1)


def _values(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    rng = np.random.default_rng(len(shape))
    return random_codes(rng, shape, "int16").astype(dtype)


def _check(
    engine: Engine,
    op: str,
    x: np.ndarray,
    *constants: np.ndarray,
    dynamic: bool = False,
    outputs: int = 1,
    options: dict[str, Any] | None = None,
    options_type: str | None = None,
) -> None:
    """Replay equals engine; ``dynamic`` makes the constants inputs of the graph."""
    content = build(
        op,
        [_spec(x), *(_spec(constant, data=not dynamic) for constant in constants)],
        [_spec(x)] * outputs,
        options,
        options_type,
    )
    assert assert_exact(content, [x, *(constants if dynamic else ())], engine) > 0


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("target", [(6, 4), (2, -1), (-1,), (1, 2, 3, 4)])
def test_reshape(engine: Engine, dtype: str, target: tuple[int, ...]) -> None:
    x = _values((2, 3, 4), dtype)
    for dynamic in (False, True):
        _check(engine, "RESHAPE", x, _int32(*target), dynamic=dynamic)
    _check(engine, "RESHAPE", x, options={"newShape": list(target)}, options_type="ReshapeOptions")


def test_reshape_to_a_scalar(engine: Engine) -> None:
    x = _values((1, 1), "int8")
    _check(engine, "RESHAPE", x, options={"newShape": [0]}, options_type="ReshapeOptions")


@pytest.mark.parametrize("dims", [[], [0], [0, 2], [-1]])
def test_squeeze(engine: Engine, dims: list[int]) -> None:
    x = _values((1, 3, 1, 4, 1), "int8")
    _check(engine, "SQUEEZE", x, options={"squeezeDims": dims}, options_type="SqueezeOptions")


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_expand_dims(engine: Engine, axis: int) -> None:
    _check(engine, "EXPAND_DIMS", _values((3, 4), "int8"), _int32(axis))


@pytest.mark.parametrize("out_type", ["int32", "int64"])
def test_shape(engine: Engine, out_type: str) -> None:
    x = _values((2, 3, 5), "int8")
    options = {"outType": {"int32": 2, "int64": 4}[out_type]}
    content = build("SHAPE", [_spec(x)], [Spec((3,), out_type)], options, "ShapeOptions")
    assert assert_exact(content, [x], engine) == 3


@pytest.mark.parametrize("dtype", TYPES)
def test_transpose(engine: Engine, dtype: str) -> None:
    rng = np.random.default_rng(14)
    for rank in range(1, 6):
        x = _values(tuple(rng.integers(1, 6, rank).tolist()), dtype)
        _check(engine, "TRANSPOSE", x, rng.permutation(rank).astype(np.int32))
    _check(engine, "TRANSPOSE", _values((2, 3, 4), dtype), _int32(-1, 0, -2))


def test_tile(engine: Engine) -> None:
    _check(engine, "TILE", _values((2, 3, 4), "int8"), _int32(2, 1, 3))


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_pack_and_unpack(engine: Engine, axis: int) -> None:
    x = _values((3, 4), "int8")
    options = {"valuesCount": 3, "axis": axis}
    content = build("PACK", [_spec(x)] * 3, [_spec(x)], options, "PackOptions")
    assert assert_exact(content, [x, x[::-1], -x], engine) == 36
    stacked = _values((4, 4, 4), "uint8")
    options = {"num": 4, "axis": axis}
    _check(engine, "UNPACK", stacked, outputs=4, options=options, options_type="UnpackOptions")


def test_unpack_a_vector(engine: Engine) -> None:
    options = {"num": 4, "axis": 0}
    _check(
        engine,
        "UNPACK",
        _values((4,), "int8"),
        outputs=4,
        options=options,
        options_type="UnpackOptions",
    )


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_split(engine: Engine, axis: int) -> None:
    x = _values((4, 8, 12), "int8")
    content = build(
        "SPLIT",
        [_spec(_int32(axis), data=True), _spec(x)],
        [_spec(x)] * 4,
        {"numSplits": 4},
        "SplitOptions",
    )
    assert assert_exact(content, [x], engine) == x.size


@pytest.mark.parametrize("sizes", [(1, 2, 5), (3, -1, 1), (8,)])
def test_split_v(engine: Engine, sizes: tuple[int, ...]) -> None:
    _check(
        engine,
        "SPLIT_V",
        _values((3, 8), "int8"),
        _int32(*sizes),
        _int32(-1),
        outputs=len(sizes),
        options={"numSplits": len(sizes)},
        options_type="SplitVOptions",
    )


@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize(
    ("begin", "size", "shape"),
    [((1, 0, 2), (2, -1, 4), (2, 5, 4)), ((3, 4, 5), (-1, 1, -1), (1, 1, 1))],
)
def test_slice(
    engine: Engine, begin: Any, size: Any, shape: tuple[int, ...], constant: bool
) -> None:
    x = _values((4, 5, 6), "int8")
    bounds = [_int32(*begin), _int32(*size)]
    inputs = [_spec(x), *(_spec(bound, data=constant) for bound in bounds)]
    content = build("SLICE", inputs, [_spec(np.empty(shape, np.int8))])
    assert assert_exact(content, [x, *([] if constant else bounds)], engine) == math.prod(shape)


@pytest.mark.parametrize(
    ("indices", "axis", "batch_dims"),
    [
        ((2,), 0, 0),
        ((2, 0, 2), 1, 0),
        ((1, 0, 1), -1, 0),
        (((1, 0), (2, 2)), 1, 0),
        (((1, 0), (2, 2)), 1, 1),
        (((1, 0), (2, 2)), 2, 1),
        (((1, 0), (2, 2)), 2, -1),
    ],
)
def test_gather(engine: Engine, indices: Any, axis: int, batch_dims: int) -> None:
    x = _values((2, 3, 4), "int8") if batch_dims else _values((3, 3, 4), "int8")
    _check(
        engine,
        "GATHER",
        x,
        np.array(indices, np.int32),
        options={"axis": axis, "batchDims": batch_dims},
        options_type="GatherOptions",
    )


@pytest.mark.parametrize("dtype", TYPES)
def test_pad(engine: Engine, dtype: str) -> None:
    rng = np.random.default_rng(15)
    for rank in range(1, 5):
        x = _values(tuple(rng.integers(1, 6, rank).tolist()), dtype)
        paddings = rng.integers(0, 4, (rank, 2)).astype(np.int32)
        _check(engine, "PAD", x, paddings)
        _check(engine, "PAD", x, paddings.astype(np.int64))
        _check(engine, "PADV2", x, paddings, np.array([77], dtype))


def _strided_slice(x: np.ndarray, spec: np.ndarray, masks: dict[str, int]) -> bytes:
    options = {f"{name}Mask": bits for name, bits in masks.items()}
    return build(
        "STRIDED_SLICE",
        [_spec(x), *(_spec(row, data=True) for row in spec)],
        [_spec(x)],
        options,
        "StridedSliceOptions",
    )


def test_strided_slice(engine: Engine) -> None:
    """Random positions, strides of both signs and all five masks."""
    rng = np.random.default_rng(16)
    outputs = replayed = 0
    for _ in range(400):
        rank = int(rng.integers(1, 5))
        x = _values(tuple(rng.integers(1, 7, rank).tolist()), "int8")
        positions = int(rng.integers(1, rank + 1))
        begin, end = rng.integers(-8, 9, (2, positions))
        strides = rng.choice([1, 1, 1, 2, 3, -1, -2], positions)
        masks = {
            name: int(rng.integers(2**positions) & rng.integers(2**positions))
            for name in ("begin", "end", "shrinkAxis")
        }
        masks["newAxis"] = 0
        if rank + 1 <= 4 and rng.random() < 0.5:
            masks["newAxis"] = 1 << int(rng.integers(positions))
        masks["ellipsis"] = 1 << int(rng.integers(positions)) if rng.random() < 0.5 else 0
        content = _strided_slice(x, np.stack([begin, end, strides]).astype(np.int32), masks)
        try:
            outputs += assert_exact(content, [x], engine)
        except AssertionError as error:
            if "STRIDED_SLICE that takes no element" not in str(error):
                raise
        else:
            replayed += 1
    assert replayed > 200
    assert outputs > 1000


@pytest.mark.parametrize(
    ("spec", "masks"),
    [
        (((0,), (0,), (-1,)), {"begin": 1, "end": 1}),
        (((1, 2, 3), (0, 0, 0), (1, 1, 1)), {"shrinkAxis": 7}),
        (((-1, 9), (0, 9), (1, 1)), {"ellipsis": 2, "shrinkAxis": 1}),
        (((0, 0, 1), (0, 0, 2), (1, 1, 1)), {"ellipsis": 1, "newAxis": 2}),
        (((0, 0, 0, -1), (0, 0, 0, -3), (1, 1, 1, -1)), {"ellipsis": 4, "newAxis": 3}),
    ],
)
def test_strided_slice_masks(engine: Engine, spec: Any, masks: dict[str, int]) -> None:
    x = _values((3, 4, 5), "int8")
    assert assert_exact(_strided_slice(x, np.array(spec, np.int32), masks), [x], engine) > 0


@pytest.mark.parametrize(
    ("spec", "masks"),
    [
        (((9,), (10,), (1,)), {"shrinkAxis": 1}),
        (((2,), (3,), (-1,)), {"shrinkAxis": 1}),
        (((0, 0, 0, 0), (1, 1, 1, 1), (1, 1, 1, 1)), {"ellipsis": 1}),
    ],
)
def test_strided_slice_that_the_engine_gets_wrong(spec: Any, masks: dict[str, int]) -> None:
    x = _values((3, 4, 5), "int8")
    content = _strided_slice(x, np.array(spec, np.int32), masks)
    assert "STRIDED_SLICE" in reason_not_replayed(content, [x])


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_concatenation(engine: Engine, dtype: str, axis: int) -> None:
    parts = [_values((2, 3, 4), dtype) for _ in range(3)]
    content = build(
        "CONCATENATION",
        [_spec(part) for part in parts],
        [_spec(parts[0])],
        {"axis": axis},
        "ConcatenationOptions",
    )
    assert assert_exact(content, parts, engine) == 72


def test_concatenation_that_rescales_uint8(engine: Engine) -> None:
    rng = np.random.default_rng(17)
    total = 0
    for _ in range(100):
        parts = [random_codes(rng, (2, 7, int(rng.integers(1, 80))), "uint8") for _ in range(2)]
        target = Spec((1,), "uint8", random_scale(rng, 0.01), random_zero_point(rng, "uint8"))
        near = np.float32(target.scale * near_tie_ratio(rng))
        sources = [
            Spec(parts[0].shape, "uint8", random_scale(rng, 0.01), random_zero_point(rng, "uint8")),
            Spec(parts[1].shape, "uint8", near, random_zero_point(rng, "uint8")),
        ]
        kept = Spec(parts[0].shape, "uint8", target.scale, target.zero_point)
        content = build(
            "CONCATENATION", [*sources, kept], [target], {"axis": 2}, "ConcatenationOptions"
        )
        total += assert_exact(content, [*parts, parts[0]], engine)
    assert total >= 100_000
