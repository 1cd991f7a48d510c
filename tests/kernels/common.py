"""What the kernel tests share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.single_op import Spec, assert_exact, build, random_scale
from tflreplay.engine import Engine
from tflreplay.model import parse
from tflreplay.replayer import replay


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
