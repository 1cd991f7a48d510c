"""Elementwise ops on two inputs, of every type, against the engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.kernels.common import (
    NUMBERS,
    OUTPUTS,
    QUANTIZED,
    SHAPES,
    assert_agrees,
    every_code,
    random_spec,
    random_values,
    reason_not_replayed,
)
from tests.kernels.test_conv import ACTIVATIONS
from tests.single_op import Spec, build, random_codes, random_scale
from tflreplay.ground.engine import Engine

Scale = Callable[[Spec, Spec], float]


def larger(a: Spec, b: Spec) -> float:
    return float(max(a.scale, b.scale))


# Per op: types, a typical output scale of quantized ones, the option table.
OPS: dict[str, tuple[tuple[str, ...], Scale, str]] = {
    "ADD": (("int16", *NUMBERS), larger, "AddOptions"),
    "SUB": (("int16", *NUMBERS), larger, "SubOptions"),
    "MUL": (("int16", *NUMBERS), lambda a, b: a.scale * b.scale * 20_000, "MulOptions"),
    "DIV": ((*QUANTIZED, "float32", "int32"), lambda a, b: a.scale / b.scale / 50, "DivOptions"),
    "MAXIMUM": ((*QUANTIZED, *NUMBERS), larger, "MaximumMinimumOptions"),
    "MINIMUM": ((*QUANTIZED, *NUMBERS), larger, "MaximumMinimumOptions"),
    "SQUARED_DIFFERENCE": (
        ("int8", "float32", "int32"),
        lambda a, b: larger(a, b) ** 2 * 150,
        "SquaredDifferenceOptions",
    ),
    "FLOOR_DIV": (("int8", "int16", "int32", "float32"), larger, "FloorDivOptions"),
    "FLOOR_MOD": (("int8", "int16", *NUMBERS), larger, "FloorModOptions"),
}
FUSING = ("ADD", "SUB", "MUL", "DIV")


def without_zeros(values: np.ndarray, op: str, spec: Spec) -> np.ndarray:
    """A divisor that the kernel accepts; FLOOR_DIV and FLOOR_MOD divide by the raw code."""
    zero = 0 if op != "DIV" or spec.scale is None else spec.zero_point
    other = zero + 1 if zero < 100 else zero - 1
    return np.where(values == zero, np.asarray(other, values.dtype), values)


@pytest.mark.parametrize(("op", "dtype"), [(op, t) for op, row in OPS.items() for t in row[0]])
def test_random(engine: Engine, op: str, dtype: str) -> None:
    _, typical, options_type = OPS[op]
    rng = np.random.default_rng(1)
    total = 0
    while total < OUTPUTS:
        for shapes in SHAPES:
            a, b = (random_spec(rng, shape, dtype) for shape in shapes)
            shape = np.broadcast_shapes(*shapes)
            scale = typical(a, b) * random_scale(rng, 0.3, 3) if dtype in QUANTIZED else None
            fields: dict[str, Any] = {}
            if op in FUSING:
                fields["fusedActivationFunction"] = int(rng.choice(ACTIVATIONS))
            if op in ("ADD", "SUB"):
                fields["potScaleInt16"] = bool(rng.random() < 0.5)
            content = build(
                op, [a, b], [random_spec(rng, shape, dtype, scale)], fields, options_type
            )
            x, y = (random_values(rng, shape, dtype) for shape in shapes)
            if op in ("DIV", "FLOOR_DIV", "FLOOR_MOD"):
                y = without_zeros(y, op, b)
            total += assert_agrees(content, [x, y], engine)


@pytest.mark.parametrize("op", ["ADD", "SUB"])
def test_int16_scales_that_are_powers_of_two(engine: Engine, op: str) -> None:
    rng = np.random.default_rng(2)
    total = 0
    for exponents in ((-15, -15, -15), (-15, -13, -13), (-12, -15, -12), (-15, -4, -4)):
        for activation in ACTIVATIONS:
            a, b, y = (Spec((50, 150), "int16", 2.0**e) for e in exponents)
            fields = {"potScaleInt16": True, "fusedActivationFunction": int(activation)}
            x, z = (random_codes(rng, a.shape, "int16") for _ in range(2))
            total += assert_agrees(
                build(op, [a, b], [y], fields, f"{op.title()}Options"), [x, z], engine
            )
    assert total >= OUTPUTS


def test_int16_power_of_two_broadcast(engine: Engine) -> None:
    """SUB broadcasts; ADD aborts."""
    rng = np.random.default_rng(3)
    a, b, y = Spec((40, 30), "int16", 2.0**-9), Spec((30,), "int16", 2.0**-7), 2.0**-7
    codes = [random_codes(rng, spec.shape, "int16") for spec in (a, b)]
    fields = {"potScaleInt16": True}
    assert_agrees(
        build("SUB", [a, b], [Spec(a.shape, "int16", y)], fields, "SubOptions"), codes, engine
    )
    content = build("ADD", [a, b], [Spec(a.shape, "int16", y)], fields, "AddOptions")
    assert "the kernel aborts" in reason_not_replayed(content, codes)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_division_of_every_pair(engine: Engine, dtype: str) -> None:
    """By multipliers far outside of what the kernel was made for."""
    rng = np.random.default_rng(4)
    codes = every_code(dtype)
    for _ in range(8):
        a, b, y = (
            random_spec(rng, (256, 255), dtype, float(10.0 ** rng.uniform(-6, 6))) for _ in range(3)
        )
        divisors = codes[codes != b.zero_point]
        x, z = (np.ascontiguousarray(v) for v in np.broadcast_arrays(codes[:, None], divisors))
        assert_agrees(build("DIV", [a, b], [y], {}, "DivOptions"), [x, z], engine)


def test_division_by_zero_is_not_replayed() -> None:
    for dtype, scale in (("int8", 0.1), ("int32", None)):
        spec = Spec((2,), dtype, scale, 0)
        content = build("DIV", [spec, spec], [spec], {}, "DivOptions")
        assert "DIV by 0" in reason_not_replayed(content, [np.ones(2, dtype), np.zeros(2, dtype)])


@pytest.mark.parametrize("op", FUSING)
def test_numbers_that_overflow(engine: Engine, op: str) -> None:
    values = np.float32([np.inf, -np.inf, 3e38, -3e38, 1e-45, 1e-30, -0.0, 0, 1])
    pair = [np.ascontiguousarray(v) for v in np.broadcast_arrays(values[:, None], values)]
    spec = Spec((9, 9), "float32")
    for activation in ACTIVATIONS:
        fields = {"fusedActivationFunction": int(activation)}
        assert_agrees(build(op, [spec, spec], [spec], fields, f"{op.title()}Options"), pair, engine)
    if op != "DIV":
        codes = np.random.default_rng(5).integers(-(2**31), 2**31, (2, 500)).astype(np.int32)
        spec = Spec((500,), "int32")
        content = build(op, [spec, spec], [spec], {}, f"{op.title()}Options")
        assert_agrees(content, list(codes), engine)


def test_power(engine: Engine) -> None:
    rng = np.random.default_rng(6)
    bases, exponents = rng.uniform(0, 4, (200, 50)), rng.uniform(-2, 3, (200, 50))
    whole = rng.integers(-9, 9, (200, 50)), rng.integers(0, 8, (200, 50))
    cases: list[tuple[Any, Any, str]] = [(bases, exponents, "float32"), (*whole, "int32")]
    cases += [(bases - 1, exponent, "float32") for exponent in (1, 2, 3, 7)]
    cases += [(bases, 0.5, "float32"), (whole[0], 3, "int32"), (whole[0], 0, "int32")]
    for a, b, dtype in cases:
        x, y = np.asarray(a, dtype), np.asarray(b, dtype)
        inputs = [Spec(x.shape, dtype), Spec(y.shape, dtype)]
        assert_agrees(build("POW", inputs, [inputs[0]], {}, "PowOptions"), [x, y], engine)


@pytest.mark.parametrize("dtype", [*QUANTIZED, "float32"])
def test_prelu(engine: Engine, dtype: str) -> None:
    rng = np.random.default_rng(7)
    total = 0
    for _ in range(4):
        for shape, slopes in (*SHAPES[:2], SHAPES[3]):
            x = random_spec(rng, shape, dtype)
            alpha = random_spec(rng, slopes, "int8" if dtype == "int16" else dtype)
            y = random_spec(rng, shape, dtype, x.scale and x.scale * random_scale(rng, 0.3, 3))
            arrays = [random_values(rng, spec.shape, spec.dtype) for spec in (x, alpha)]
            total += assert_agrees(build("PRELU", [x, alpha], [y]), arrays, engine)
    assert total >= OUTPUTS


def test_an_alpha_of_16_bits_is_not_replayed() -> None:
    spec = Spec((3,), "int16", 0.1)
    reason = reason_not_replayed(build("PRELU", [spec, spec], [spec]), [np.ones(3, np.int16)] * 2)
    assert "PRELU on int16 with an alpha of int16" in reason
