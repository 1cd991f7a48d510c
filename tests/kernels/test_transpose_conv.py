"""TRANSPOSE_CONV against the engine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.schema_py_generated import Padding

from tests.kernels.common import reason_not_replayed
from tests.kernels.test_conv import (
    ACTIVATIONS,
    OUTPUTS,
    bias_spec,
    filter_spec,
    output_scale,
    random_bias_type,
    zero_point,
)
from tests.kernels.test_hybrid import bias_spec as float_bias
from tests.kernels.test_hybrid import random_floats, random_weights
from tests.single_op import Spec, assert_exact, build, random_codes, random_scale
from tflreplay.ground.engine import Engine


def output_size(rng: np.random.Generator, size: int, kernel: int, stride: int, padding: int) -> int:
    """One of the sizes that the convolution back leads from to ``size``."""
    if padding == Padding.SAME:
        return int(rng.integers((size - 1) * stride + 1, size * stride, endpoint=True))
    return (size - 1) * stride + kernel + int(rng.integers(stride))


def random_model(
    rng: np.random.Generator, dtype: str, **chosen: Any
) -> tuple[bytes, list[np.ndarray]]:
    """A model and its inputs. ``chosen``: constant (the output's shape), bias."""
    padding = int(rng.choice([Padding.SAME, Padding.VALID]))
    kernel, stride, size = (tuple(int(n) for n in rng.integers(1, top, 2)) for top in (6, 4, 10))
    sides = [output_size(rng, *sizes, padding) for sizes in zip(size, kernel, stride, strict=True)]
    batch, depth, channels = (int(rng.integers(1, top)) for top in (3, 16, 24))
    shape = np.array([batch, *sides, channels], np.int32)
    x = Spec((batch, *size, depth), dtype, random_scale(rng), zero_point(rng, dtype))
    weights = "uint8" if dtype == "uint8" else "int8"
    w = filter_spec(rng, weights, (channels, *kernel, depth), 0, rng.random() < 0.7)
    bias_type, declaration = random_bias_type(rng, dtype)
    has_bias = chosen.get("bias", rng.random() < 0.7)
    b = bias_spec(rng, x, w, channels, bias_type) if has_bias else None
    y = Spec(
        tuple(shape.tolist()),
        dtype,
        output_scale(rng, x, w, max(depth * int(np.prod(kernel)) // int(np.prod(stride)), 1)),
        zero_point(rng, dtype),
    )
    constant = chosen.get("constant", rng.random() < 0.8)
    fields = {
        "padding": padding,
        "strideH": stride[0],
        "strideW": stride[1],
        "fusedActivationFunction": int(rng.choice(ACTIVATIONS)),
        **declaration,
    }
    size_spec = Spec((4,), "int32", data=shape if constant else None)
    inputs = [size_spec, w, x, *([b] if b else [])]
    content = build("TRANSPOSE_CONV", inputs, [y], fields, "TransposeConvOptions", version=3)
    codes = random_codes(rng, x.shape, dtype)
    return content, [codes] if constant else [shape, codes]


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
def test_random(engine: Engine, dtype: str) -> None:
    rng = np.random.default_rng(1)
    total = 0
    while total < OUTPUTS:
        content, inputs = random_model(rng, dtype)
        total += assert_exact(content, inputs, engine)


def test_hybrid(engine: Engine) -> None:
    rng = np.random.default_rng(2)
    total = 0
    while total < OUTPUTS:
        padding = int(rng.choice([Padding.SAME, Padding.VALID]))
        kernel, stride, size = (
            tuple(int(n) for n in rng.integers(1, top, 2)) for top in (6, 4, 10)
        )
        sides = [
            output_size(rng, *each, padding) for each in zip(size, kernel, stride, strict=True)
        ]
        batch, depth, channels = (int(rng.integers(1, top)) for top in (4, 16, 24))
        shape = np.array([batch, *sides, channels], np.int32)
        scales = str(rng.choice(["one", "equal", "different"]))
        w = random_weights(rng, "int8", (channels, *kernel, depth), 0, scales)
        bias = [float_bias(rng, channels)] if rng.random() < 0.7 else []
        x = Spec((batch, *size, depth), "float32")
        constant = rng.random() < 0.8
        size_spec = Spec((4,), "int32", data=shape if constant else None)
        fields = {
            "padding": padding,
            "strideH": stride[0],
            "strideW": stride[1],
            "fusedActivationFunction": int(rng.choice(ACTIVATIONS)),
        }
        y = Spec(tuple(shape.tolist()), "float32")
        inputs = [size_spec, w, x, *bias]
        content = build("TRANSPOSE_CONV", inputs, [y], fields, "TransposeConvOptions", 3)
        values = random_floats(rng, x.shape)
        total += assert_exact(content, [values] if constant else [shape, values], engine)


def test_accumulator_wraps_like_int32(engine: Engine) -> None:
    x = Spec((1, 3, 3, 64), "int8", 0.5, -128)
    w = Spec((2, 2, 2, 64), "int8", [0.5], 0, np.full((2, 2, 2, 64), 127, np.int8))
    b = Spec((2,), "int32", [0.25], 0, np.array([2**31 - 5, -(2**31)], np.int32))
    y = Spec((1, 4, 4, 2), "int8", 2.0**23, 3)
    shape = Spec((4,), "int32", data=np.array(y.shape, np.int32))
    fields = {"padding": Padding.VALID, "strideH": 1, "strideW": 1}
    content = build("TRANSPOSE_CONV", [shape, w, x, b], [y], fields, "TransposeConvOptions", 3)
    assert_exact(content, [random_codes(np.random.default_rng(3), x.shape, "int8")], engine)


def test_not_replayed() -> None:
    rng = np.random.default_rng(4)
    shape = Spec((4,), "int32", data=np.array([1, 9, 9, 2], np.int32))
    x = Spec((1, 4, 4, 3), "int8", 0.5, 1)
    data = random_codes(rng, (2, 3, 3, 3), "int8")
    w = Spec(data.shape, "int8", 0.5, 0, data)
    y = Spec((1, 9, 9, 2), "int8", 2.0, 0)
    fields = {"padding": Padding.VALID, "strideH": 2, "strideW": 2}
    codes = [random_codes(rng, x.shape, "int8")]

    def reason(*inputs: Spec) -> str:
        content = build("TRANSPOSE_CONV", inputs, [y], fields, "TransposeConvOptions", 3)
        return reason_not_replayed(content, codes)

    other = Spec((4,), "int32", data=np.array([1, 6, 9, 2], np.int32))
    assert reason(other, w, x) == "TRANSPOSE_CONV to 6x9 from 4x4"
    packed = replace(w, dtype="int4", data=random_codes(rng, (27,), "uint8"))
    assert reason(shape, packed, x) == "TRANSPOSE_CONV of int8 activations by int4 weights"
    unsigned = replace(w, dtype="uint8")
    assert reason(shape, unsigned, x) == "TRANSPOSE_CONV of int8 activations by uint8 weights"


def test_undeclared_int32_bias() -> None:
    x = Spec((1, 2, 2, 3), "int16", 0.5)
    w = Spec((2, 1, 1, 3), "int8", 0.5, 0, np.ones((2, 1, 1, 3), np.int8))
    b = Spec((2,), "int32", 0.25, 0, np.ones(2, np.int32))
    y = Spec((1, 2, 2, 2), "int16", 2.0)
    shape = Spec((4,), "int32", data=np.array(y.shape, np.int32))
    fields = {"padding": Padding.VALID, "strideH": 1, "strideW": 1}
    content = build("TRANSPOSE_CONV", [shape, w, x, b], [y], fields, "TransposeConvOptions", 3)
    reason = reason_not_replayed(content, [np.ones(x.shape, np.int16)])
    assert reason.endswith("but no quantized_bias_type: the runtime reads the bias as int64")
