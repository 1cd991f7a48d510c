"""LiteRT since it computes multipliers in float64, and before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from tests.kernels.test_hybrid import random_floats
from tests.kernels.test_matmul import telling_accumulators
from tests.kernels.test_svdf import telling_svdf
from tests.recorded import models
from tests.recorded.aarch64 import ON, lowest
from tests.recorded.case import Case, Made, case, either_side
from tests.single_op import Spec, build
from tflreplay.ground.machine import AARCH64
from tflreplay.ops import CARDS, Row, card
from tflreplay.ops.base.words import CONVOLUTION_FLOAT64, LITERT_FLOAT64
from tflreplay.ops.fully_connected.floating import hybrid_four_bit, hybrid_four_bit_from_8
from tflreplay.ops.fully_connected.hybrid_aarch64 import (
    four_bit_from_8_on_aarch64,
    four_bit_on_aarch64,
)

_FLOAT64 = (LITERT_FLOAT64, CONVOLUTION_FLOAT64)
_LEAST_OUTPUTS = 64


def cases() -> list[Case]:
    """Every row that is of float64 since then, with the one that it replaces."""
    found = four_bits()
    for op, one in CARDS.items():
        for table in one.tables:
            rows = list(one.rows(table))
            for since in (row for row in rows if row.since in _FLOAT64):
                before = next(row for row in rows if _replaced(row, since))
                engine = f"{table}@{ON[since.on]}" if since.on else table
                sides = either_side(engine, since.since, before, since)
                if not any((row.on, row.types) == (AARCH64, since.types) for row in rows):
                    sides |= either_side(f"{table}@{AARCH64}", since.since, before, since)
                dtype = since.types[0]
                names = (f"{op} {engine}", f"{op} {table}", op)
                made = next(MODELS[name] for name in names if name in MODELS)
                make = partial(made, dtype=dtype)
                found.append(case(f"{op} {dtype} by precision, {engine}", make, sides))
    return found


def _replaced(row: Row, since: Row) -> bool:
    return (row.types, row.when, row.on) == (since.types, since.when, since.on) and (
        row.since != since.since
    )


def product(rng: np.random.Generator, dtype: str) -> Made:
    """Products of small codes, halved or nearly, which may pass 16 bits."""
    first, second = (np.float32(rng.uniform(0.01, 1)) for _ in "ab")
    odd, half = rng.choice([3, 5, 7]), rng.choice([2, 3])
    out = np.float32(float(first) * float(second) * 2 * half / odd)
    middle = 128 if dtype == "uint8" else 0
    a, b, y = (Spec((4, 256), dtype, scale, middle) for scale in (first, second, out))
    codes = [(rng.integers(-7, 8, (4, 256)) + middle).astype(dtype) for _ in "ab"]
    return build("MUL", [a, b], [y], {}, "MulOptions", version=2), codes


def quotient(rng: np.random.Generator, dtype: str) -> Made:
    first, second = (np.float32(rng.uniform(0.01, 1)) for _ in "ab")
    out = np.float32(float(first) / float(second) * 2 / rng.choice([3, 5, 7, 9]))
    middle = 128 if dtype == "uint8" else 0
    a, b, y = (Spec((4, 256), dtype, scale, middle) for scale in (first, second, out))
    divisors = rng.choice([-3, -2, -1, 1, 2, 3], (4, 256))
    codes = [rng.integers(-20, 21, (4, 256)) + middle, divisors + middle]
    made = [array.astype(dtype) for array in codes]
    return build("DIV", [a, b], [y], {}, "DivOptions", version=2), made


def convolution(
    rng: np.random.Generator, op: str, dtype: str, size: int = 1, kernel: int = 1
) -> Made:
    """Biases alone, on which the two precisions differ."""
    bias = np.empty(0, np.int32)
    while bias.size < _LEAST_OUTPUTS:
        s1, s2, so = (np.float32(s) for s in rng.uniform([1e-3, 1e-4, 1.0], [0.1, 1e-2, 30.0]))
        reals = float(s1) * float(s2) / float(so), float(np.float32(s1 * s2)) / float(so)
        bias = telling_accumulators(*reals)[:_LEAST_OUTPUTS]
    channels = bias.size
    depthwise, transposed = op == "DEPTHWISE_CONV_2D", op == "TRANSPOSE_CONV"
    shape = (1, kernel, kernel, channels) if depthwise else (channels, kernel, kernel, 1)
    x = Spec((1, size, size, channels if depthwise else 1), dtype, s1, 128)
    w = Spec(shape, dtype, s2, 128, np.ones(shape, dtype))
    b = Spec((channels,), "int32", s1 * s2, 0, bias.astype(np.int32))
    y = Spec((1, size, size, channels), dtype, so, 128)
    fields = {"strideH": 1, "strideW": 1}
    if depthwise:
        fields["depthMultiplier"] = 1
    size = Spec((4,), "int32", data=np.array(y.shape, np.int32))
    inputs = [size, w, x, b] if transposed else [x, w, b]
    table = {"CONV_2D": "Conv2DOptions", "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions"}
    content = build(op, inputs, [y], fields, table.get(op, "TransposeConvOptions"), 3)
    return content, [np.full(x.shape, 128, dtype)]


def matrices(rng: np.random.Generator, dtype: str) -> Made:
    """One row of one code by many: products run through the codes."""
    first, second = (np.float32(rng.uniform(0.01, 1)) for _ in "ab")
    span, depth = (127, 4) if dtype == "int8" else (32767, 4)
    a, b = Spec((8, depth), dtype, first), Spec((depth, 128), dtype, second)
    half = float(rng.integers(3, 300 if dtype == "int8" else 30000))
    y = Spec((8, 128), dtype, np.float32(float(first) * float(second) * 2 * half))
    left = rng.integers(-span, span, a.shape).astype(dtype)
    right = rng.integers(-span, span, b.shape).astype(dtype)
    version = 2 if dtype == "int8" else 3
    return build("BATCH_MATMUL", [a, b], [y], {}, "BatchMatMulOptions", version), [left, right]


def connected(rng: np.random.Generator, dtype: str) -> Made:
    return models.fully_connected(rng, dtype=dtype, bias="int32", near_tie=True)


def svdf(rng: np.random.Generator, dtype: str) -> Made:
    return telling_svdf(rng, 400)


def activation(op: str, table: str | None = None, **fields: float) -> Callable[..., Made]:
    return partial(models.unary, op=op, table=table, **fields)


MODELS: Mapping[str, Callable[..., Made]] = {
    **{op: activation(op) for op in ("RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1")},
    "ABS": activation("ABS", "AbsOptions"),
    "LEAKY_RELU": activation("LEAKY_RELU", "LeakyReluOptions", alpha=0.3),
    "PRELU": partial(models.pairs, op="PRELU", table=None, product=True, version=1),
    "MUL": partial(models.pairs, op="MUL", table="MulOptions", product=True),
    "MUL optimized": product,
    "DIV": quotient,
    "SVDF": svdf,
    "FULLY_CONNECTED": connected,
    "BATCH_MATMUL": matrices,
    "FULLY_CONNECTED optimized@aarch64:cortex-a72": partial(lowest, batches=48, units=64),
    # aarch64's, by 3x3.
    "DEPTHWISE_CONV_2D optimized": partial(convolution, op="DEPTHWISE_CONV_2D", size=4, kernel=3),
    **{
        op: partial(convolution, op=op) for op in ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV")
    },
}


def four_bits() -> list[Case]:
    """float32 by int4, whose weights of -8 are packed rightly since then; there are none here."""
    cases = []
    for machine, kernels in (
        ("", (hybrid_four_bit, hybrid_four_bit_from_8)),
        (f"@{AARCH64}", (four_bit_on_aarch64, four_bit_from_8_on_aarch64)),
    ):
        before, since = (
            next(row for row in card("FULLY_CONNECTED").rows("optimized") if row.kernel is kernel)
            for kernel in kernels
        )
        sides = either_side(f"optimized{machine}", since.since, before, since)
        cases.append(case(f"FULLY_CONNECTED float32 by int4{machine}", by_four_bits, sides))
    return cases


def by_four_bits(rng: np.random.Generator) -> Made:
    units, depth = 12, 64
    nibbles = rng.integers(-7, 8, (units * depth // 2, 2)).astype(np.uint8) & 15
    w = Spec((units, depth), "int4", 0.1, 0, nibbles[:, 0] | nibbles[:, 1] << 4)
    x, y = Spec((8, depth), "float32"), Spec((8, units), "float32")
    content = build("FULLY_CONNECTED", [x, w, None], [y], {}, "FullyConnectedOptions", 9)
    return content, [random_floats(rng, x.shape)]
