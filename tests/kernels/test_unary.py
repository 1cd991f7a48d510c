"""Elementwise ops on one input, of every type but the 8-bit activations, against the engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.kernels.common import (
    OUTPUTS,
    QUANTIZED,
    assert_agrees,
    near_tie_ratio,
    random_spec,
    random_values,
    reason_not_replayed,
    reference_lacks,
    symmetric_zero_point,
)
from tests.single_op import Spec, build, random_scale
from tflreplay.ground.engine import Engine

SHAPE = (4, 65, 130)  # a vector body and a tail
TABLES = {
    "ABS": "AbsOptions",
    "NEG": "NegOptions",
    "EXP": "ExpOptions",
    "LOGICAL_NOT": "LogicalNotOptions",
    "LEAKY_RELU": "LeakyReluOptions",
    "GELU": "GeluOptions",
}
ROOTS = ("SQRT", "RSQRT")
TYPES = {
    "ABS": ("int8", "int16", "float32", "int32"),
    "NEG": ("int8", "int16", "float32", "int32", "int64"),
    "SQRT": ("int8", "int16", "float32"),
    "RSQRT": ("int8", "int16", "float32"),
    "EXP": ("int8", "int16", "float32"),
    "LOG": ("int8", "int16", "float32"),
    "ELU": ("int8", "float32"),
    "GELU": (*QUANTIZED, "float32"),
    "RELU": ("int16", "float32"),
    "RELU6": ("int16", "float32"),
    "LEAKY_RELU": ("int16", "float32"),
    "LOGICAL_NOT": ("bool",),
    **dict.fromkeys(
        [
            *("SIN", "COS", "SQUARE", "FLOOR", "CEIL", "ROUND"),
            *("RELU_N1_TO_1", "RELU_0_TO_1", "HARD_SWISH", "LOGISTIC", "TANH"),
        ],
        ("float32",),
    ),
}


def output(rng: np.random.Generator, op: str, x: Spec) -> Spec:
    if x.dtype not in QUANTIZED:
        return x
    if op == "SQRT":
        scale = np.sqrt(x.scale) * random_scale(rng, 0.02, 0.3)
    elif op == "RSQRT":
        scale = random_scale(rng, 0.001, 0.05) / np.sqrt(x.scale)
    else:
        ratio = near_tie_ratio(rng) if rng.random() < 0.5 else random_scale(rng, 0.05, 4)
        scale = x.scale / ratio
    return Spec(x.shape, x.dtype, np.float32(scale), symmetric_zero_point(rng, x.dtype))


def options(rng: np.random.Generator, op: str) -> dict[str, Any]:
    if op == "LEAKY_RELU":
        return {"alpha": float(rng.choice([0.2, -0.3, 1.5]))}
    return {"approximate": bool(rng.random() < 0.5)} if op == "GELU" else {}


@pytest.mark.parametrize(("op", "dtype"), [(op, t) for op, types in TYPES.items() for t in types])
def test_random(engine: Engine, op: str, dtype: str) -> None:
    reference_lacks(engine, op)
    rng = np.random.default_rng(1)
    total = 0
    while total < OUTPUTS:
        x = random_spec(rng, SHAPE, dtype)
        values = random_values(rng, SHAPE, dtype)
        if op in ROOTS or (op == "LOG" and dtype == "float32"):
            lowest = x.zero_point if dtype in QUANTIZED else 1e-3
            values = np.maximum(values, np.asarray(lowest, values.dtype))
        content = build(op, [x], [output(rng, op, x)], options(rng, op), TABLES.get(op))
        total += assert_agrees(content, [values], engine)


@pytest.mark.parametrize("op", ["EXP", "LOG", "GELU", "ABS", *ROOTS])
def test_scales_out_of_proportion(engine: Engine, op: str) -> None:
    """Functions that saturate, overflow, or are flat over all codes."""
    rng = np.random.default_rng(2)
    for dtype in ("int8", "int16"):
        codes = np.arange(-(1 << 8 * np.dtype(dtype).itemsize - 1), 0).astype(dtype)
        codes = np.concatenate([codes, ~codes])
        for _ in range(5):
            scales = 10.0 ** rng.uniform(-6, 3, 2)
            x, y = (random_spec(rng, codes.shape, dtype, float(scale)) for scale in scales)
            values = codes
            if op in ROOTS:
                values = np.maximum(codes, np.asarray(x.zero_point, codes.dtype))
            content = build(op, [x], [y], options(rng, op), TABLES.get(op))
            assert_agrees(content, [values], engine)


@pytest.mark.parametrize("op", ROOTS)
def test_a_root_of_a_negative_number_is_not_replayed(op: str) -> None:
    spec = Spec((2,), "int8", 0.1)
    assert "negative number" in reason_not_replayed(build(op, [spec], [spec]), [np.int8([1, -1])])


CODES16 = np.arange(-(2**15), 2**15).astype(np.int16)


@pytest.mark.parametrize("op", ["LOGISTIC", "TANH"])
def test_sigmoid_of_16_bits(engine: Engine, op: str) -> None:
    """Powers of two have kernels of their own; the others are cut to a multiplier."""
    rng = np.random.default_rng(3)
    scales = [2.0**e for e in (-13, -12, -11, -10, -20)]
    scales += [2.0**-11 * (1 + 4e-4), 1.34, 100.0, 1e-9, *(10 ** rng.uniform(-5, 1, 5)).tolist()]
    for scale in scales:
        x, y = Spec(CODES16.shape, "int16", scale), Spec(CODES16.shape, "int16", 2.0**-15)
        assert_agrees(build(op, [x], [y]), [CODES16], engine)
