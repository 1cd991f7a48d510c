from __future__ import annotations

import numpy as np
import pytest

from tests.kernels.common import near_tie_ratio, random_zero_point, reason_not_replayed
from tests.single_op import Spec, assert_exact, build, random_codes, random_scale
from tflreplay.ground.engine import Engine


def _zero_point(rng: np.random.Generator, dtype: str) -> int:
    return random_zero_point(rng, dtype) if dtype in ("int8", "uint8") else 0


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
def test_from_float(engine: Engine, dtype: str) -> None:
    rng = np.random.default_rng(8)
    total = 0
    for _ in range(100):
        scale = random_scale(rng)
        x = rng.normal(0, 100 * scale, (1, 7, 150)).astype(np.float32)
        x[0, 1] = (rng.integers(-600, 600, 150) / 2 * scale).astype(np.float32)  # ties
        extremes = [np.nan, np.inf, -np.inf, 3e38, -3e38, 2.0**31, -(2.0**31), -0.0, 1e-45]
        x[0, 2, : len(extremes)] = extremes
        x[0, 3, :3] = np.float32(scale) * np.float32([2.0**31, -(2.0**31), 2.0**31 - 128])
        source = Spec(x.shape, "float32")
        target = Spec(x.shape, dtype, scale, _zero_point(rng, dtype))
        total += assert_exact(build("QUANTIZE", [source], [target]), [x], engine)
    assert total >= 100_000


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("int8", "int8"),
        ("int8", "uint8"),
        ("int8", "int16"),
        ("uint8", "int8"),
        ("uint8", "uint8"),
        ("uint8", "int16"),
        ("int16", "int8"),
        ("int16", "int16"),
        ("int16", "int32"),
        ("int32", "int8"),
        ("int32", "int16"),
    ],
)
def test_requantize(engine: Engine, source: str, target: str) -> None:
    rng = np.random.default_rng(9)
    total = 0
    for trial in range(50):
        x = random_codes(rng, (3, 701), source)
        si = random_scale(rng)
        ratio = [1.0, near_tie_ratio(rng), random_scale(rng, 1e-3, 8.0)][trial % 3]
        so = np.float32(si / ratio)
        content = build(
            "QUANTIZE",
            [Spec(x.shape, source, si, _zero_point(rng, source))],
            [Spec(x.shape, target, so, _zero_point(rng, target))],
        )
        total += assert_exact(content, [x], engine)
    assert total >= 100_000


@pytest.mark.parametrize("pair", [(-128, 0), (0, 128), (5, 133), (0, 0)])
def test_signed_and_unsigned_at_one_scale(engine: Engine, pair: tuple[int, int]) -> None:
    x = np.arange(256, dtype=np.uint8)
    signed, unsigned = Spec((256,), "int8", 0.1, pair[0]), Spec((256,), "uint8", 0.1, pair[1])
    assert_exact(build("QUANTIZE", [signed], [unsigned]), [x.view(np.int8)], engine)
    assert_exact(build("QUANTIZE", [unsigned], [signed]), [x], engine)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
def test_dequantize(engine: Engine, dtype: str) -> None:
    rng = np.random.default_rng(10)
    total = 0
    for _ in range(50):
        x = random_codes(rng, (3, 701), dtype)
        source = Spec(x.shape, dtype, random_scale(rng), _zero_point(rng, dtype))
        content = build("DEQUANTIZE", [source], [Spec(x.shape, "float32")])
        total += assert_exact(content, [x], engine)
    assert total >= 100_000


@pytest.mark.parametrize("name", ["reference", "optimized"])
def test_dequantize_packed_constant(name: str) -> None:
    """int4, two codes a byte; XNNPACK leaves the output of such a constant unwritten."""
    rng = np.random.default_rng(13)
    total = 0
    for _ in range(50):
        packed = random_codes(rng, (1050,), "uint8")
        source = Spec((3, 700), "int4", random_scale(rng), int(rng.integers(-8, 8)), packed)
        content = build("DEQUANTIZE", [source], [Spec(source.shape, "float32")], version=6)
        total += assert_exact(content, [], Engine(name))
    assert total >= 100_000


def test_dequantize_float16(engine: Engine) -> None:
    x = np.random.default_rng(11).normal(size=(5, 7)).astype(np.float16)
    content = build("DEQUANTIZE", [Spec(x.shape, "float16")], [Spec(x.shape, "float32")])
    assert_exact(content, [x], engine)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_per_axis(engine: Engine, axis: int) -> None:
    rng = np.random.default_rng(12)
    shape = (4, 5, 6)
    count = shape[axis]
    scale = np.array([random_scale(rng) for _ in range(count)])
    zero_point = rng.integers(-128, 127, count)
    quantized = Spec(shape, "int8", scale, zero_point, axis=axis)
    x = rng.normal(0, 1, shape).astype(np.float32)
    assert_exact(build("QUANTIZE", [Spec(shape, "float32")], [quantized]), [x], engine)
    codes = random_codes(rng, shape, "int8")
    assert_exact(build("DEQUANTIZE", [quantized], [Spec(shape, "float32")]), [codes], engine)


def test_a_pair_without_a_kernel_is_not_replayed() -> None:
    content = build("QUANTIZE", [Spec((2,), "int32", 0.1)], [Spec((2,), "uint8", 0.1)])
    reason = reason_not_replayed(content, [np.zeros(2, np.int32)])
    assert "QUANTIZE from int32 to uint8" in reason
