"""Real numbers made codes: cut, not clamped, by another scale, of pixels prepared otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.judgement.diagnosis.families.change import Change, of_array, quantized, with_scale
from tflreplay.judgement.diagnosis.made import Arrays, Form, Made
from tflreplay.judgement.diagnosis.said import Said
from tflreplay.model import Tensor
from tflreplay.ops import card
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Slip
from tflreplay.ops.base.ported.quantizing import NUMBERS, Quantizer

_SCALES = {"1/255": 1 / 255, "1/256": 1 / 256, "2/255": 2 / 255, "1/128": 1 / 128, "1/127": 1 / 127}
_ROUND = "round to nearest, and clamp: round(x / scale) + zero_point"
_OTHER = {"int8": ("uint8", (0, 255)), "uint8": ("int8", (-128, 127))}
_ADD = "add the input's own zero point once, after the division"
_OWN = "divide by the input tensor's own scale"


def changes(call: Call, arrays: Arrays) -> Iterator[Change]:
    x = arrays[0] if arrays else None
    if Slip.REALS not in card(call.op.name).slips or x is None or x.dtype.kind != "f":
        return
    if not quantized(call.output):
        return
    yield from _roundings(call.output)
    yield from _parameters(call.output)
    yield from _pixels(call.output, x)


def _half_then_cut(x: Array) -> Array:
    return np.asarray(np.trunc(x + x.dtype.type(0.5)))


_ROUNDINGS: tuple[tuple[str, str, Callable[[Array], Array], bool], ...] = (
    ("quotient cut toward zero", "cut x / scale toward zero, as a cast does", np.trunc, False),
    (
        "code cut toward zero",
        "cut x / scale + zero_point toward zero, as a cast does",
        np.trunc,
        True,
    ),
    ("quotient rounded down", "round x / scale down", np.floor, False),
    ("quotient rounded up", "round x / scale up", np.ceil, False),
    (
        "quotient cut after adding one half",
        "add 0.5 to x / scale and cut it toward zero, which rounds negative values up",
        _half_then_cut,
        False,
    ),
    (
        "code cut after adding one half",
        "add 0.5 to x / scale + zero_point and cut it toward zero, which rounds negative codes up",
        _half_then_cut,
        True,
    ),
)


def _roundings(to: Tensor) -> Iterator[Change]:
    for title, you, rounded, first in _ROUNDINGS:
        said = Said("real number not rounded to nearest", you, _ROUND, title)
        for number in NUMBERS:
            kernel = replace(number, rounded=rounded, zero_point_first=first)
            yield Change(said, _kernel(_clamped_alike(kernel)))
    said = Said(
        "code not clamped",
        "convert without a clamp, and what does not fit the type wraps around",
        "clamp to the type's range before the conversion",
    )
    yield Change(said, _kernel(lambda q: replace(q, clamps=False)))
    other = _OTHER.get(to.dtype)
    if other is not None:
        name, bounds = other
        said = Said(
            f"codes clamped and stored as {name}",
            f"clamp to the range of {name} and store the bytes",
            f"store {to.dtype}, clamped to its own range",
        )
        yield Change(said, _kernel(lambda q: replace(q, bounds=bounds)))


def _clamped_alike(kernel: Quantizer) -> Callable[[Quantizer], Quantizer]:
    return lambda other: replace(kernel, clamps=other.clamps, bounds=other.bounds)


def _kernel(changed: Callable[[Quantizer], Quantizer]) -> Form:
    """Made in another of these mistakes, where that is there already."""

    def form(call: Call, arrays: Arrays) -> Made:
        kernel = call.row.kernel
        start = kernel if isinstance(kernel, Quantizer) else Quantizer()
        return Made(replace(call, row=replace(call.row, kernel=changed(start))), arrays)

    return form


def _parameters(to: Tensor) -> Iterator[Change]:
    scales = {
        ("multiplied by the scale", "multiply by the scale instead of dividing"): 1 / to.scale,
    } | {
        (f"scale {name}", f"divide by {name} instead of the input's scale"): value
        for name, value in _SCALES.items()
    }
    for (name, you), scale in scales.items():
        if abs(scale / to.scale - 1) > 1e-6:
            yield Change(Said(name, you, _OWN), _output(scale=scale))
    right = to.zero_point
    low, high = to.code_range
    found = {right, 0}  # one that is left out is listed
    for name, you, value in (
        ("zero point subtracted", "subtract the zero point instead of adding it", -right),
        ("zero point added twice", "add the zero point twice", 2 * right),
        ("zero point of the other 8-bit type", "take a zero point of {}", right + 128),
        ("zero point of the other 8-bit type", "take a zero point of {}", right - 128),
        ("zero point at the lowest code", "take a zero point of {}", low),
        ("zero point in the middle", "take a zero point of {}", (low + high + 1) // 2),
    ):
        if value not in found:
            found.add(value)
            yield Change(Said(name, you.format(value), _ADD), _output(zero_point=value))


def _output(scale: float | None = None, zero_point: int | None = None) -> Form:
    def form(call: Call, arrays: Arrays) -> Made:
        to = call.output
        assert to.quantization is not None
        if zero_point is not None:
            zeros = np.full_like(to.quantization.zero_point, zero_point)
            to = replace(to, quantization=replace(to.quantization, zero_point=zeros))
        if scale is not None:
            to = with_scale(to, scale)
        return Made(replace(call, outputs=(to, *call.outputs[1:])), arrays)

    return form


# ---- pixels -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Prepared:
    """``value = pixel * by + plus``, each a number or one for each of three channels."""

    by: Array
    plus: Array

    def values(self, pixels: Array) -> Array:
        return np.asarray((pixels * self.by + self.plus).astype(np.float32))

    def pixels(self, values: Array) -> Array | None:
        """None of values that are no whole pixels of 0 to 255."""
        found = (values.astype(np.float64) - self.plus) / self.by
        whole = np.rint(found)
        if not found.size or np.abs(found - whole).max() > 0.01:
            return None
        return whole if whole.min() >= 0 and whole.max() <= 255 else None


def _prepared(by: object, plus: object) -> _Prepared:
    return _Prepared(np.asarray(by, np.float64), np.asarray(plus, np.float64))


_MEAN, _STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
_PREPARED = {
    "0..1": _prepared(1 / 255, 0),
    "-1..1": _prepared(1 / 127.5, -1),
    "0..255": _prepared(1, 0),
    "-128..127": _prepared(1, -128),
    "-0.5..0.5": _prepared(1 / 255, -0.5),
    "ImageNet's mean and standard deviation": _prepared(1 / (255 * _STD), -_MEAN / _STD),
}


def _pixels(to: Tensor, x: Array) -> Iterator[Change]:
    """Where the values are pixels prepared in one way: the same pixels in another, or as codes."""
    colours = x.ndim > 1 and x.shape[-1] == 3
    ways = {name: way for name, way in _PREPARED.items() if colours or way.by.ndim == 0}
    right = next((name for name, way in ways.items() if way.pixels(x) is not None), "")
    if not right:
        return
    for name, other in ways.items():
        if name != right:
            said = Said(
                f"pixels as {name} instead of {right}",
                f"quantize pixels as {name}, where the input given has them as {right}",
                f"prepare the pixels as {right} before they are quantized",
            )
            yield Change(said, of_array(0, _again(ways[right], other)))
    for zero_point in (0, -128) if to.dtype == "int8" else (0,):
        what = "pixels minus 128" if zero_point else "pixels"
        said = Said(
            f"{what} as codes",
            f"take {what} for the codes",
            f"quantize what the pixels stand for, which is {right}",
        )
        yield Change(said, _codes(ways[right], zero_point))


def _again(way: _Prepared, other: _Prepared) -> Callable[[Array], Array]:
    def changed(x: Array) -> Array:
        pixels = way.pixels(x)
        # Another mistake may have left no pixels.
        return x if pixels is None else other.values(pixels)

    return changed


def _codes(way: _Prepared, zero_point: int) -> Form:
    as_pixels = of_array(0, _again(way, _PREPARED["0..255"]))
    unscaled = _output(1.0, zero_point)

    def form(call: Call, arrays: Arrays) -> Made | None:
        made = as_pixels(call, arrays) or Made(call, arrays)
        return unscaled(made.call, made.arrays)

    return form
