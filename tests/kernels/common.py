"""What the kernel tests share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.single_op import Spec, assert_exact, build, random_codes, random_scale, run_engine
from tflreplay.ground.engine import Engine
from tflreplay.judgement.difference import difference
from tflreplay.model import parse
from tflreplay.replayer.loop import replay


def every_code(dtype: str) -> np.ndarray:
    return np.arange(256, dtype=np.uint8).view(dtype)


def random_zero_point(rng: np.random.Generator, dtype: str) -> int:
    info = np.iinfo(dtype)
    return int(rng.choice([info.min, info.max, rng.integers(info.min, info.max, endpoint=True)]))


def near_tie_ratio(rng: np.random.Generator) -> float:
    """A ratio of scales that puts some code within float32's rounding error of a tie.

    Only there does it show how precisely, and in which order, a multiplier is computed.
    """
    code = int(rng.integers(2, 256))
    return (2 * int(rng.integers(code)) + 1) / (2 * code)


def assert_unary_exact(
    engine: Engine,
    op: str,
    trials: int,
    seed: int,
    output: Mapping[str, tuple[float, int]] | None = None,
    options: Mapping[str, Any] | None = None,
    options_type: str | None = None,
) -> int:
    """Replay equals engine on every code; returns the number of outputs.

    Trials take int8 and uint8 in turn, under random quantization. ``output`` fixes the output's
    scale and zero point by type.
    """
    rng = np.random.default_rng(seed)
    total = 0
    for trial in range(trials):
        dtype = ["int8", "uint8"][trial % 2]
        x = rng.permutation(every_code(dtype)).reshape(1, 8, 32)
        scale = random_scale(rng)
        source = Spec(x.shape, dtype, scale, random_zero_point(rng, dtype))
        if output is None:
            ratio = near_tie_ratio(rng) if trial % 4 < 2 else random_scale(rng, 0.02, 4.0)
            out_scale = np.float32(scale / ratio)
            target = Spec(x.shape, dtype, out_scale, random_zero_point(rng, dtype))
        else:
            target = Spec(x.shape, dtype, *output[dtype])
        total += assert_exact(build(op, [source], [target], options, options_type), [x], engine)
    return total


def reason_not_replayed(content: bytes, inputs: Sequence[np.ndarray]) -> str:
    """Why the replay leaves the model's only op out."""
    parsed = parse(content, Path("single_op.tflite"))
    return replay(parsed, dict(zip(parsed.main.inputs, inputs, strict=True))).not_replayed[0]


QUANTIZED = ("int8", "uint8", "int16")
NUMBERS = ("float32", "int32", "int64")
OUTPUTS = 100_000
# Shapes that are alike, share a channel, repeat each other, meet a scalar and differ in rank.
SHAPES = (
    ((2, 5, 37, 31), (2, 5, 37, 31)),
    ((2, 25, 37, 16), (16,)),
    ((6, 1, 20, 15), (1, 16, 20, 1)),
    ((33, 171), ()),
    ((3,), (37, 31, 3)),
    ((0, 5), (5,)),
)


def symmetric_zero_point(rng: np.random.Generator, dtype: str) -> int:
    """Random for 8-bit codes; 0 for int16, which has no other."""
    return 0 if dtype == "int16" else random_zero_point(rng, dtype)


def random_spec(
    rng: np.random.Generator, shape: tuple[int, ...], dtype: str, scale: float | None = None
) -> Spec:
    """A tensor of any type, quantized where the type is."""
    if dtype not in QUANTIZED:
        return Spec(shape, dtype)
    scale = random_scale(rng, 1e-3, 0.5) if scale is None else np.float32(scale)
    return Spec(shape, dtype, scale, symmetric_zero_point(rng, dtype))


def random_values(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Codes over their whole range, or numbers of moderate size, zeros and halves among them."""
    if dtype == "bool":
        return rng.random(shape) < 0.5
    if dtype in QUANTIZED:
        return random_codes(rng, shape, dtype)
    if dtype != "float32":
        return rng.integers(-1000, 1000, shape).astype(dtype)
    values = rng.normal(0, 3, shape).astype(np.float32)
    special = np.float32([0, -0.0, 0.5, -0.5, 2.5, -3.5, 1, -1, 30, -30])
    flat = values.reshape(-1)
    flat[: special.size] = special[: flat.size]
    return values


def assert_agrees(content: bytes, inputs: Sequence[np.ndarray], engine: Engine) -> int:
    """As :func:`assert_exact`, bit for bit but for the tolerance that the row in force states."""
    parsed = parse(content, Path("single_op.tflite"))
    ours = replay(parsed, dict(zip(parsed.main.inputs, inputs, strict=True)), engine)
    assert not ours.not_replayed, ours.not_replayed
    total = 0
    for index, theirs in zip(parsed.main.outputs, run_engine(content, inputs, engine), strict=True):
        array = ours.tensors[index]
        assert (array.dtype, array.shape) == (theirs.dtype, theirs.shape)
        tolerance, slack = ours.tolerances.get(0, 0.0), ours.slacks.get(0)
        found = difference(array, theirs, max(theirs.ndim - 1, 0), tolerance, slack)
        assert found.exact, found
        assert tolerance or slack or not found.signs, found
        total += theirs.size
    return total


def reference_lacks(engine: Engine, op: str) -> None:
    """Skip for the ops that the resolver BUILTIN_REF does not have."""
    if engine.name == "reference" and op in ("CEIL", "ELU", "ROUND"):
        pytest.skip(f"BUILTIN_REF has no {op}")
