"""Multipliers of 2**31 and more, as scales of untrained layers make them: shifts past 32 bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.single_op import Spec, assert_exact, build, random_codes
from tflreplay.ground.engine import Engine

SHIFTS = (8, 29, 30, 31, 32, 33, 40, 62, 63, 64, 65, 100, 120)
LENGTH = 61  # a vector body and a tail


def elementwise(op: str, options: str | None, inputs: int = 2) -> Callable[[str, float], Any]:
    def made(dtype: str, scale: float) -> tuple[bytes, list[tuple[int, ...]]]:
        x = Spec((1, LENGTH), dtype, 1.0, 0 if dtype != "uint8" else 128)
        y = Spec((1, LENGTH), dtype, scale, 3 if dtype != "int16" else 0)
        content = build(op, [x] * inputs, [y], {} if options else None, options)
        return content, [x.shape] * inputs

    return made


def weighted(op: str) -> Callable[[str, float], Any]:
    def made(dtype: str, scale: float) -> tuple[bytes, list[tuple[int, ...]]]:
        rng = np.random.default_rng(1)
        channels = 3 if op != "DEPTHWISE_CONV_2D" else 19
        shape = {
            "CONV_2D": (channels, 1, 1, 2),
            "DEPTHWISE_CONV_2D": (1, 1, 1, channels),
            "FULLY_CONNECTED": (channels, 2),
        }[op]
        depth = channels if op == "DEPTHWISE_CONV_2D" else 2
        ones, zeros = np.ones(channels, np.float32), np.zeros(channels, np.int64)
        per_channel = op != "FULLY_CONNECTED"
        quantized = (ones, zeros) if per_channel else (1.0, 0)
        axis = 3 if op == "DEPTHWISE_CONV_2D" else 0
        w = Spec(shape, "int8", *quantized, data=rng.integers(-3, 4, shape, np.int8), axis=axis)
        b = Spec((channels,), "int32", *quantized, data=rng.integers(-9, 9, channels, np.int32))
        wide = op != "FULLY_CONNECTED"
        x = Spec((1, 5, 5, depth) if wide else (5, depth), dtype, 1.0, 0)
        y = Spec((1, 5, 5, channels) if wide else (5, channels), dtype, scale, 3)
        options: dict[str, Any] = {}
        if wide:
            options = {"strideH": 1, "strideW": 1, "padding": 1}
            options |= {"dilationHFactor": 1, "dilationWFactor": 1}
        if op == "DEPTHWISE_CONV_2D":
            options["depthMultiplier"] = 1
        table = {"CONV_2D": "Conv2D", "DEPTHWISE_CONV_2D": "DepthwiseConv2D"}
        name = f"{table.get(op, 'FullyConnected')}Options"
        return build(op, [x, w, b], [y], options, name), [x.shape]

    return made


CASES = {
    ("MUL", "int8"): elementwise("MUL", "MulOptions"),
    ("MUL", "uint8"): elementwise("MUL", "MulOptions"),
    ("MUL", "int16"): elementwise("MUL", "MulOptions"),
    ("QUANTIZE", "int8"): elementwise("QUANTIZE", "QuantizeOptions", 1),
    ("QUANTIZE", "int16"): elementwise("QUANTIZE", "QuantizeOptions", 1),
    ("RELU", "int8"): elementwise("RELU", None, 1),
    ("LEAKY_RELU", "int8"): elementwise("LEAKY_RELU", "LeakyReluOptions", 1),
    ("CONV_2D", "int8"): weighted("CONV_2D"),
    ("DEPTHWISE_CONV_2D", "int8"): weighted("DEPTHWISE_CONV_2D"),
    ("FULLY_CONNECTED", "int8"): weighted("FULLY_CONNECTED"),
}


@pytest.mark.parametrize("small", [True, False])
@pytest.mark.parametrize(("op", "dtype"), CASES)
def test_shifts_past_the_accumulator(op: str, dtype: str, small: bool, engine: Engine) -> None:
    rng = np.random.default_rng(0)
    compared = 0
    for shift in SHIFTS:
        content, shapes = CASES[op, dtype](dtype, float(np.float32(0.6)) * 2.0**-shift)
        middle = 128 if dtype == "uint8" else 0
        inputs = [
            (rng.integers(-4, 5, shape) + middle).astype(dtype)
            if small
            else random_codes(rng, shape, dtype)
            for shape in shapes
        ]
        compared += assert_exact(content, inputs, engine)
    assert compared or engine.name == "xnnpack"
