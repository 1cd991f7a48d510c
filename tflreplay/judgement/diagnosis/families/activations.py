"""Fused activations and bounds: left out on one side, of another kind, at a wrong code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from tflreplay.ground.rounding import Accumulation, Array
from tflreplay.judgement.diagnosis.families.change import Change, of_sums, quantized, with_scale
from tflreplay.judgement.diagnosis.made import Arrays, Form, Made, stored
from tflreplay.judgement.diagnosis.said import Said
from tflreplay.ops.base.call import FUSED, Call, activation_range, with_options

_BOUNDS = "the bounds are zero point + round(bound / output scale), cut to the type's"


def changes(call: Call, arrays: Arrays) -> Iterator[Change]:
    if not quantized(call.output):
        return
    low, high = call.output.code_range
    if "fused_activation_function" in call.op.options:
        right = call.op.options["fused_activation_function"]
        for kind in FUSED:
            if kind == right:
                continue
            name = f"{kind} instead of {right}" if right != "NONE" else f"{kind} added"
            you = f"clamp to the bounds of {kind}, where the op's fused activation is {right}"
            fix = f"the op's options say {right}"
            yield Change(Said(name, you, fix), _kind(kind))
        lower, upper = activation_range(call, right)
        if lower > low:
            said = Said("activation's lower bound left out", "clamp from above only", _BOUNDS)
            yield Change(said, of_sums(_clamp(low=low)))
        if upper < high:
            said = Said("activation's upper bound left out", "clamp from below only", _BOUNDS)
            yield Change(said, of_sums(_clamp(high=high)))
        if right != "NONE" and quantized(call.input(0)):
            scaled = replace(
                call, outputs=(with_scale(call.output, call.input(0).scale), *call.outputs[1:])
            )
            lower, upper = activation_range(scaled, right)
            said = Said(
                "activation's bounds of the input's scale",
                "divide the activation's bounds by the input's scale",
                _BOUNDS,
            )
            yield Change(said, of_sums(_clamp(lower, upper)))
    for name, you, clamp in (
        (
            "RELU at the code 0",
            "clamp the codes at 0, as if the zero point were 0",
            lambda a: replace(a, low=max(a.low, 0)),
        ),
        (
            "output cut at 127",
            "clamp the codes from above at 127",
            lambda a: replace(a, high=min(a.high, 127)),
        ),
    ):
        yield Change(Said(name, you, _BOUNDS), of_sums(clamp))
    said = Said(
        "codes of the other 8-bit type",
        "store the codes moved by 128, as the other 8-bit type has them",
        f"store {call.output.dtype}",
    )
    if call.output.numpy_dtype.itemsize == 1:
        yield Change(said, _other_type())
        other = "uint8" if call.output.dtype == "int8" else "int8"
        said = Said(
            f"codes clamped and stored as {other}",
            f"clamp to the range of {other} and store the bytes",
            f"store {call.output.dtype}, clamped to its own range",
        )
        yield Change(said, _clamped_as(np.dtype(other)))


def _kind(kind: str) -> Form:
    return lambda call, arrays: Made(with_options(call, fused_activation_function=kind), arrays)


def _clamp(
    low: int | None = None, high: int | None = None
) -> Callable[[Accumulation], Accumulation]:
    return lambda a: replace(
        a, low=a.low if low is None else low, high=a.high if high is None else high
    )


def _clamped_as(other: np.dtype[Any]) -> Form:
    info = np.iinfo(other)

    def store(values: Array, a: Accumulation) -> Array:
        codes = (values + a.zero_point).clip(info.min, info.max)
        return np.asarray(codes.astype(other).view(a.dtype))

    return lambda call, arrays: Made(call, arrays, store=store)


def _other_type() -> Form:
    def store(values: Array, a: Accumulation) -> Array:
        return (stored(values, a).view(np.uint8) ^ 0x80).view(a.dtype)

    return lambda call, arrays: Made(call, arrays, store=store)
