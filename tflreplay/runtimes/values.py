"""What the values of a file are, as a tensor has them: in its type, its shape and its codes.

What had to be guessed is told; what may be two things is refused, with what to type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from math import prod

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.model import Tensor
from tflreplay.runtimes.formats import Found, Kind
from tflreplay.runtimes.hints import NO_HINT, Hint
from tflreplay.runtimes.layouts import place

# How far a real number may be from a code, in steps of the scale: float32 leaves it nearer.
_NEAR = 1e-3
# And one that was printed or kept with few digits: half way to where two codes meet.
_FAR = 0.25


class Misfit(Exception):
    """Why an array is not taken, in words."""


@dataclass(frozen=True)
class Reading:
    """One way to take an array: its values, what was done in words, and the hint that says so.

    ``reals`` are the real numbers of which codes were made.
    """

    array: Array = field(repr=False)
    how: tuple[str, ...] = ()
    hint: Hint = NO_HINT
    reals: Array | None = field(default=None, repr=False)


Convert = Callable[[Tensor, Array, Found, Hint], list[Reading]]


def fit(tensor: Tensor, found: Found, hint: Hint, convert: Convert) -> Reading:
    """``found`` as an array of the tensor's type and shape.

    Args:
        hint: what somebody says of it.
        convert: makes the tensor's values of values in its shape, in every way that is possible.

    Raises:
        Misfit: there is no such way, or more than one.
    """
    problems: list[str] = []
    readings: list[Reading] = []
    placed = False
    for typed, type_name in _typed(tensor, found, hint):
        for at in place(_shape(tensor, typed, hint), typed, hint.layout, found.shaped):
            placed = True
            try:
                made = convert(tensor, at.array, replace(found, values=typed), hint)
            except Misfit as misfit:
                problems.append(str(misfit))
                continue
            said = replace(hint, layout=at.layout, type=hint.type or type_name)
            for each in made:
                order = "high byte first" if np.dtype(said.type or "u1").byteorder == ">" else ""
                how = tuple(filter(None, (*each.how, order, at.how)))
                told = replace(said, values=each.hint.values)
                readings.append(replace(each, how=how, hint=told))
        if placed and not type_name:
            break  # it is the tensor's own type
    if not placed:
        raise Misfit(_wrong_size(tensor, found, hint))
    if not readings:
        raise Misfit(problems[0])
    first, *others = readings
    different = [each for each in others if not np.array_equal(each.array, first.array)]
    if different:
        raise Misfit(_ambiguous(found, [first, *different]))
    return first


def _shape(tensor: Tensor, array: Array, hint: Hint) -> tuple[int, ...]:
    """The tensor's shape; where it is dynamic, the array's."""
    signature = tensor.shape_signature
    if hint.layout in ("", "NHWC"):
        for shape in (array.shape, (1, *array.shape)):
            if len(shape) == len(signature) and all(
                want in (-1, size) for want, size in zip(signature, shape, strict=True)
            ):
                return shape
    return tensor.shape


def _typed(tensor: Tensor, found: Found, hint: Hint) -> Iterator[tuple[Array, str]]:
    """The values in every type that they may have, and its name unless it is the tensor's own."""
    own = tensor.numpy_dtype
    values = found.values
    if found.kind in (Kind.TYPED, Kind.NUMBERS):
        yield values, ""
        return
    if hint.type:
        dtype = np.dtype(hint.type)
        if found.kind is Kind.WORDS and dtype.itemsize != values.itemsize:
            raise Misfit(f"words of {8 * values.itemsize} bits are no {hint.type}")
        if values.nbytes % dtype.itemsize:
            raise Misfit(f"{values.nbytes} bytes are no whole number of {hint.type}")
        yield values.view(dtype), ""
        return
    raw = found.kind is Kind.BYTES
    if values.nbytes % own.itemsize == 0 and (raw or values.itemsize == own.itemsize):
        yield values.view(own.newbyteorder("<") if raw else own), ""
    if not raw and values.itemsize < own.itemsize:
        yield values, values.dtype.name
    orders = "<>" if raw else "="
    for kind in "if" if own.kind in "iu" else "f":
        for size in (1, 2, 4, 8) if kind == "i" else (2, 4, 8):
            fits = raw or size == values.itemsize
            if fits and size != own.itemsize and values.nbytes % size == 0:
                for order in orders if size > 1 else "=":
                    dtype = np.dtype(f"{order}{kind}{size}")
                    yield values.view(dtype), dtype.name if order == "=" else dtype.str


def _wrong_size(tensor: Tensor, found: Found, hint: Hint) -> str:
    values = found.values
    shape = list(tensor.shape_signature)
    label = f"tensor {tensor.label}, which is {tensor.dtype}{shape}"
    size = prod(tensor.shape)
    if found.kind is Kind.BYTES:
        label += f", {size * tensor.numpy_dtype.itemsize} bytes"
        said = f"{values.size} bytes do not fit {label}"
    elif found.shaped:
        said = f"shape {list(values.shape)} does not fit {label}"
    else:
        said = f"{values.size} values do not fit {label}, {size} values"
    if hint.layout:
        return f"{said}, in the layout {hint.layout}"
    if found.shaped and values.size == size:
        said += ": its axes are in another order; transpose it, or give --layout"
    return said


def _ambiguous(found: Found, readings: list[Reading]) -> str:
    """What to type, one line for each way to read it."""
    hints = [each.hint for each in readings]
    if len({hint.layout for hint in hints}) == len(hints):
        return (
            f"may be in several layouts: give {' or '.join(f'--layout {h.layout}' for h in hints)}"
        )
    lines = []
    for hint in hints:
        keys = ("layout", "type", "values")
        said = [f'{key} = "{getattr(hint, key)}"' for key in keys if _varies(hints, key)]
        lines.append(f'"{found.name or "*"}" = {{{", ".join(said)}}}')
    return f"may be read in several ways: say which in a file given to --map: {' or '.join(lines)}"


def _varies(hints: list[Hint], key: str) -> bool:
    return len({getattr(hint, key) for hint in hints}) > 1


def as_dumped(tensor: Tensor, array: Array, found: Found, hint: Hint) -> list[Reading]:
    """The values of a tensor that somebody dumped: of an integer tensor its codes.

    They may be in any type that holds them, written as unsigned numbers, or as the real numbers
    that they stand for, ``scale * (code - zero_point)``; these are turned back, and must be near
    the codes' own.

    Raises:
        Misfit: they are none of that; the text names the first wrong value and its index.
    """
    wanted = tensor.numpy_dtype
    given = array.dtype
    if given.newbyteorder("=") == wanted and not hint.values:
        return [Reading(array.astype(wanted))]
    if wanted.kind in "iu" and given.kind in "biuf":
        return _codes(tensor, array, found, hint)
    if wanted.kind == "b" and given.kind in "iu":
        _check(tensor, array, (array == 0) | (array == 1), "is no bool")
        return [Reading(array.astype(wanted))]
    if wanted.kind == "f" and given.kind == "f":
        return [_floats(array, wanted, found)]
    if wanted.kind == "f" and given.kind in "iu" and found.kind is Kind.NUMBERS:
        return [_floats(array.astype(np.float64), wanted, found)]
    if wanted.kind == "f" and given.kind == "u" and given.itemsize == wanted.itemsize:
        return [Reading(array.view(wanted), (f"{given}, its bits taken as {wanted}",))]
    raise Misfit(f"{given}, but tensor {tensor.index} is {tensor.dtype}")


def _floats(array: Array, wanted: np.dtype[np.generic], found: Found) -> Reading:
    with np.errstate(over="ignore"):
        made = array.astype(wanted)
    if found.kind is Kind.NUMBERS:
        return Reading(made, (f"decimals, the nearest {wanted} taken",))
    same = np.array_equal(made.astype(np.float64), array.astype(np.float64), equal_nan=True)
    return Reading(made, (f"{array.dtype.name}{'' if same else f', rounded to {wanted}'}",))


def _codes(tensor: Tensor, array: Array, found: Found, hint: Hint) -> list[Reading]:
    if array.dtype.kind == "f":
        _check(tensor, array, np.isfinite(array), "is no code")
    readings: list[Reading] = []
    problems: list[Misfit] = []
    for values, read in (("codes", _as_codes), ("real", _as_reals)):
        if hint.values not in ("", values) and (hint.values, values) != ("unsigned", "codes"):
            continue
        if values == "real" and array.dtype.kind != "f" and hint.values != "real":
            continue
        try:
            codes, how = read(tensor, array, found, hint)
        except Misfit as misfit:
            problems.append(misfit)
        else:
            readings.append(Reading(codes, (how,), Hint(values=values)))
    if not readings:
        raise problems[-1]
    return readings


def _as_codes(tensor: Tensor, array: Array, found: Found, hint: Hint) -> tuple[Array, str]:
    """Integers, in whatever type: those of the tensor, or the same bits with another sign."""
    low, high = tensor.code_range
    span = high - low + 1
    whole = array == np.trunc(array) if array.dtype.kind == "f" else np.ones(array.shape, bool)
    in_range = whole & (array >= low) & (array <= high)
    name = "" if found.kind is Kind.NUMBERS else array.dtype.name
    if in_range.all() and hint.values != "unsigned":
        return array.astype(tensor.numpy_dtype), name and f"{name} codes"
    other = (array >= 0) & (array < span) if low else (array >= -span // 2) & (array < span // 2)
    if (whole & other).all() and hint.values in ("", "unsigned"):
        numbers = array.astype(np.int64)
        codes = np.where(numbers > high, numbers - span, numbers) if low else numbers % span
        words = "unsigned" if low else "signed"
        told = f"{name or 'numbers'}, {words}, their bits taken as {tensor.dtype}"
        return codes.astype(tensor.numpy_dtype), told
    _check(tensor, array, in_range, f"is no code of {low} to {high}")
    raise Misfit(f"{array.dtype} values are not the bits of {tensor.dtype}")


def _as_reals(tensor: Tensor, array: Array, found: Found, hint: Hint) -> tuple[Array, str]:
    """Real numbers turned back to the codes that they stand for."""
    found_scales = tensor.quantization
    if found_scales is None or found_scales.per_axis or not tensor.scale > 0:
        raise Misfit(f"real numbers, and tensor {tensor.index} has not one scale to turn them back")
    steps = array.astype(np.float64) / tensor.scale
    codes = np.rint(steps)
    kept = 2.0 * np.finfo(array.dtype).eps if array.dtype.kind == "f" else 0.0
    printed = found.step / 2 / tensor.scale
    allowed = np.minimum(np.maximum(_NEAR, kept * np.abs(steps)), _FAR)
    if printed <= _FAR:
        allowed = np.maximum(allowed, printed)
    low, high = tensor.code_range
    codes += tensor.zero_point
    near = np.abs(steps + tensor.zero_point - codes) <= allowed
    digits = "" if printed <= _FAR else "; too few digits were printed, print with %.9g"
    _check(
        tensor, array, near & (codes >= low) & (codes <= high),
        f"is no code of scale {tensor.scale:.6g} and zero point {tensor.zero_point}{digits}",
    )  # fmt: skip
    return codes.astype(tensor.numpy_dtype), (
        f"{array.dtype.name} real numbers, turned back to {tensor.dtype} by scale and zero point"
    )


def _check(tensor: Tensor, array: Array, right: Array, wrong: str) -> None:
    """Raise a :class:`Misfit` that names the first value that is not right."""
    if not right.all():
        first = np.unravel_index(int(np.argmin(right)), right.shape)
        value = array[first]
        place = list(map(int, first))
        raise Misfit(f"{value:.9g} at {place} {wrong}, tensor {tensor.label}")
