"""Fused activations and bounds: left out on one side, of another kind, at a wrong code."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from tflreplay.ground.rounding import Accumulation, Array
from tflreplay.judgement.diagnosis.families.change import Change, of_sums, quantized, with_scale
from tflreplay.judgement.diagnosis.made import Arrays, Form, Made, stored
from tflreplay.judgement.diagnosis.said import Said
from tflreplay.ops import card
from tflreplay.ops.base.call import ACTIVATION_BOUNDS, FUSED, Call, activation_range, with_options

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
        if right != "NONE":
            yield from _bounds(call, right)
    if call.output.dtype != "int16":
        yield from _ends(low, high)
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


_OF_ACTIVATION = "wrong bounds of the activation"


def _bounds(call: Call, right: str) -> Iterator[Change]:
    """The bounds as codes, multiplied by the scale, cut; and the activation before the bias."""
    low, high = ACTIVATION_BOUNDS[right]
    to, (first, last) = call.output, call.output.code_range
    ways: tuple[tuple[str, str, Callable[[float], int]], ...] = (
        (
            "activation's bounds as codes",
            "clamp the codes to the activation's bounds as if these were codes",
            int,
        ),
        (
            "activation's bounds as codes past the zero point",
            "clamp to the zero point + the activation's bounds, which are not divided by the scale",
            lambda bound: to.zero_point + int(bound),
        ),
        (
            "activation's bounds times the scale",
            "multiply the activation's bounds by the scale, where they must be divided by it",
            lambda bound: to.zero_point + round(bound * float(to.scale)),
        ),
        (
            "activation's bounds rounded down",
            "cut bound / scale instead of rounding it",
            lambda bound: to.zero_point + math.floor(bound / float(to.scale)),
        ),
        (
            "activation's bounds rounded up",
            "round bound / scale up",
            lambda bound: to.zero_point + math.ceil(bound / float(to.scale)),
        ),
        (
            "activation's bounds of the other 8-bit type",
            "take bounds as of the other 8-bit type, 128 codes away",
            lambda bound: (
                to.zero_point
                + round(bound / float(to.scale))
                + (128 if to.dtype == "int8" else -128)
            ),
        ),
    )
    for name, you, code in ways:
        if "8-bit" in name and to.dtype == "int16":
            continue
        lower = first if low is None else max(code(low), first)
        upper = last if high is None else min(code(high), last)
        said = Said(_OF_ACTIVATION, you, _BOUNDS, name)
        yield Change(said, of_sums(_clamp(lower, upper)))
    if high is not None:
        upper = min(to.zero_point + round(high / float(to.scale)), last)
        said = Said(
            _OF_ACTIVATION,
            "clamp the codes from above at the activation's bound as if that were a code",
            _BOUNDS,
            "activation's upper bound as a code",
        )
        yield Change(said, of_sums(_clamp(high=int(high))))
        for by in (-1, 1):
            if upper + by <= last:
                yield _off_by_one("above", "upper", by, _clamp(high=upper + by))
    if low is not None:
        lower = max(to.zero_point + round(low / float(to.scale)), first)
        for by in (-1, 1):
            if lower + by >= first:
                yield _off_by_one("below", "lower", by, _clamp(low=lower + by))
    if card(call.op.name).weighted:
        said = Said(
            "activation before the bias",
            "apply the activation to the sum before the bias is added",
            "add the bias first",
        )
        yield Change(said, _before_bias)


def _off_by_one(
    side: str, end: str, by: int, clamped: Callable[[Accumulation], Accumulation]
) -> Change:
    way = "low" if by < 0 else "high"
    said = Said(
        _OF_ACTIVATION,
        f"clamp from {side} at one code too {way}",
        _BOUNDS,
        f"activation's {end} bound off by one, {way}",
    )
    return Change(said, of_sums(clamped))


def _before_bias(call: Call, arrays: Arrays) -> Made | None:
    bias = arrays[2] if len(arrays) > 2 else None
    if bias is None or not bias.any():
        return None
    added = bias.astype(np.int64)

    def changed(a: Accumulation) -> Accumulation:
        return replace(a, values=np.maximum(a.values.astype(np.int64) - added, 0) + added)

    return Made(call, arrays, sums=changed)


def _ends(low: int, high: int) -> Iterator[Change]:
    """Ranges of codes that are smaller than the type's."""
    fix = f"the type's range is {low} to {high}"
    ranges = {
        (low, high - 1): f"output cut at {high - 1}",
        (low + 1, high): f"output cut at {low + 1}",
        (low + 1, high - 1): f"output cut at {low + 1} and {high - 1}",
        (low // 2, high // 2): f"output cut at {low // 2} and {high // 2}",
    }
    for (lower, upper), name in ranges.items():
        if (lower, upper) == (-127, 127):
            continue  # listed
        you = f"clamp the codes to {lower} ... {upper}"
        said = Said("output cut to a smaller range", you, fix, name)
        yield Change(said, of_sums(_narrower(lower, upper)))


def _narrower(low: int, high: int) -> Callable[[Accumulation], Accumulation]:
    return lambda a: replace(a, low=max(a.low, low), high=min(a.high, high))


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
