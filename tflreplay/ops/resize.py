"""RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR.

Inputs are NHWC, and ``size`` is (height, width). Where a pixel of the output stands in the input,
``position``, depends on ``half_pixel_centers`` and ``align_corners``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Array, round_half_away
from tflreplay.ops.base import refusals
from tflreplay.ops.base.aarch64 import not_on_aarch64
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.conditions import Site, condition, every
from tflreplay.ops.base.ledger import Factor, Staged, Stages, Sum, Term
from tflreplay.ops.base.ported import others as ported
from tflreplay.ops.base.predicates import one_scale
from tflreplay.ops.base.raw_codes import COMPUTES, raw_codes
from tflreplay.ops.base.row import Row
from tflreplay.ops.base.step import (
    AWAY,
    TRUNCATED,
    UP,
    Step,
    given,
    plus,
    shifted,
    times,
    to_integer,
)
from tflreplay.ops.base.terms import Arrays, Index, sum_of_terms
from tflreplay.ops.base.types import BOOL, EIGHT_BITS, FLOAT, SIGNED, UINT8
from tflreplay.ops.base.words import OPTIMIZED_HEADER, OPTIMIZED_OPS, REFERENCE_OPS

_SHORT = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "float16", "float32", "bool")


@dataclass(frozen=True)
class _Taps:
    """Along one dimension, for each output: the two inputs it lies between, and where.

    ``position`` is that of the output in units of the kernel, of which ``one`` is an input's width.
    """

    lower: Array
    upper: Array
    position: Array
    one: int = 1

    @property
    def weight(self) -> Array:
        """Of the upper input; the lower one has the rest."""
        return np.asarray(self.position - self.lower.astype(self.position.dtype) * self.one)


def _taps(call: Call, x: Array, size: Array, along: Callable[..., _Taps]) -> tuple[_Taps, _Taps]:
    """The taps of the rows and of the columns.

    Raises:
        NotReplayed: ``align_corners`` together with ``half_pixel_centers``.
    """
    aligned, half = call.option("align_corners"), call.option("half_pixel_centers")
    if aligned and half:
        raise NotReplayed(f"{call.op.name} with both align_corners and half_pixel_centers")
    rows, columns = (
        along(inputs, outputs, aligned and outputs > 1, half)
        for inputs, outputs in zip(x.shape[1:3], size.tolist(), strict=True)
    )
    return rows, columns


def _corners(x: Array, rows: _Taps, columns: _Taps) -> tuple[Array, Array, Array, Array]:
    """The four inputs around each output: upper left, upper right, lower left, lower right."""
    upper, lower = x[:, rows.lower], x[:, rows.upper]
    return (
        upper[:, :, columns.lower],
        upper[:, :, columns.upper],
        lower[:, :, columns.lower],
        lower[:, :, columns.upper],
    )


# ---- reference kernels ------------------------------------------------------------------------


def resize_bilinear(call: Call, x: Array, size: Array) -> Array:
    """float32 or uint8: each corner times its row's weight, then its column's, in float32.

    The sum runs down the left column, then down the right one. uint8 adds 0.5 and is cut; float32
    adds 0, which is seen of -0.
    ``ResizeBilinear`` in ``tflite/kernels/internal/reference/resize_bilinear.h``.
    """
    rows, columns = _taps(call, x, size, _real_taps)
    dy, dx = rows.weight[:, None, None], columns.weight[:, None]
    near_y, near_x = 1 - dy, 1 - dx
    a, b, c, d = _corners(x, rows, columns)
    output = a * near_y * near_x + c * dy * near_x + b * near_y * dx + d * dy * dx
    return np.asarray(output + np.float32(0 if x.dtype == np.float32 else 0.5)).astype(x.dtype)


def resize_bilinear_fixed(call: Call, x: Array, size: Array) -> Array:
    """int8 or int16: exact sum of corners times weights of 10 bits, over 2**20, half away.

    ``ResizeBilinearInteger``, same file.
    """
    total = _weighted(call, x, size)
    magnitude = (np.abs(total) + (1 << 19)) >> 20
    return np.asarray(np.sign(total) * magnitude).astype(x.dtype)


def _weighted(call: Call, x: Array, size: Array) -> Array:
    """Corners times weights, times 2**20."""
    rows, columns = _taps(call, x, size, _fixed_taps)
    dy, dx = rows.weight[:, None, None], columns.weight[:, None]
    near_y, near_x = 1024 - dy, 1024 - dx
    a, b, c, d = _corners(x, rows, columns)
    return np.asarray((a * near_x + b * dx) * near_y + (c * near_x + d * dx) * dy)


def _tap(taps: _Taps, i: int) -> tuple[int, int, Any]:
    """The two inputs that one output lies between, and the weight of the upper."""
    return int(taps.lower[i]), int(taps.upper[i]), taps.weight[i]


def _fixed_sum(
    arrays: Arrays, index: Index, taps: tuple[_Taps, _Taps], bits: int, along: Callable[[Any], int]
) -> Sum:
    """The corners of one output times their weights of ``bits``, which ``along`` makes integers."""
    one, (n, i, j, c) = 1 << bits, index
    (top, bottom, dy), (left, right, dx) = _tap(taps[0], i), _tap(taps[1], j)
    dy, dx = along(dy), along(dx)
    total = sum_of_terms(
        "sum of x * w",
        *(
            Term((Factor("x", where, int(arrays[0][where]), None),), y * x)
            for y, row in ((one - dy, top), (dy, bottom))
            for x, column in ((one - dx, left), (dx, right))
            for where in [(n, row, column, c)]
        ),
        notes=(f"w = wy * wx; below: wy = {dy}, to the right: wx = {dx}, of {one}",),
    )
    return replace(total, bits=64)


def _fixed_stages(call: Call, arrays: Arrays, index: Index, shape: Index) -> Staged:
    """Of :func:`resize_bilinear_fixed`."""
    taps = _taps(call, arrays[0], arrays[1], _fixed_taps)
    return _rounded(call, _fixed_sum(arrays, index, taps, 10, int), 20, AWAY)


def _rounded(call: Call, total: Sum, bits: int, how: str) -> Staged:
    step = shifted("", total.total, bits, how)
    zero_point = call.output.zero_point
    exact = f"{step.formula} - {zero_point}", step.exact - zero_point
    return Staged((), (step,), total, zero_point, exact=exact)


def _real_stages(*products: str) -> Stages:
    """Of a uint8 kernel in float32: the sum of ``products`` plus 0.5, cut to an integer.

    A product names its factors: a corner ``a`` .. ``d``, and weights ``y``, ``Y``, ``x``, ``X`` of
    which the small letters are those of the upper and of the left corners. What stands in
    parentheses comes first.
    """

    def stages(call: Call, arrays: Arrays, index: Index, shape: Index) -> Staged:
        n, i, j, c = index
        rows, columns = _taps(call, arrays[0], arrays[1], _real_taps)
        (top, bottom, dy), (left, right, dx) = _tap(rows, i), _tap(columns, j)
        corners = (top, left), (top, right), (bottom, left), (bottom, right)
        steps: list[Step] = []
        values: dict[str, np.float32] = {}

        def tell(step: Step) -> np.float32:
            steps.append(step)
            return np.float32(step.result)

        for name, (row, column) in zip("abcd", corners, strict=True):
            code = int(arrays[0][n, row, column, c])
            values[name] = tell(given(name, f"x[{n},{row},{column},{c}]", code))
        for name, weight in (("y", dy), ("x", dx)):
            far = tell(given(f"w{name} far", f"position in the {_ALONG[name]}", float(weight)))
            values |= {name.upper(): far, name: tell(plus(f"w{name} near", np.float32(1), -far))}

        def product(name: str) -> np.float32:
            first, second, third = (values[letter] for letter in name.replace("(", ""))
            if "(" in name:
                return tell(times("", first, tell(times("", second, third))))
            return tell(times("", tell(times("", first, second)), third))

        total = product(products[0])
        for name in products[1:]:
            total = tell(plus("", total, product(name)))
        total = tell(plus("", total, np.float32(0.5)))
        steps.append(to_integer("out", total, TRUNCATED))
        return Staged((), tuple(steps), zero_point=call.output.zero_point)

    return Stages(stages)


_ALONG = {"y": "rows", "x": "columns"}


def _real_taps(inputs: int, outputs: int, aligned: bool, half: bool) -> _Taps:
    """``scale = inputs / outputs`` and ``position = i * scale``, in float32.

    ``ComputeInterpolationValues`` in ``tflite/kernels/internal/reference/resize_bilinear.h``.
    """
    scale = np.float32(inputs - aligned) / np.float32(outputs - aligned)
    i = np.arange(outputs, dtype=np.float32)
    position = (i + np.float32(0.5)) * scale - np.float32(0.5) if half else i * scale
    lower = np.maximum(np.floor(position).astype(np.int32), 0)
    upper = np.minimum(np.ceil(position).astype(np.int32), inputs - 1)
    return _Taps(lower, upper, position)


def _fixed_taps(inputs: int, outputs: int, aligned: bool, half: bool) -> _Taps:
    """As :func:`_real_taps`, with 10 fractional bits; ``scale`` is rounded half up.

    ``ComputeInterpolationValuesInteger``, same file.
    """
    steps = outputs - aligned
    scale = (1024 * (inputs - aligned) + steps // 2) // steps
    position = np.arange(outputs, dtype=np.int64) * scale
    if half:
        position += scale // 2 - 512
    # A position before the first input is cut toward it, as C divides.
    lower = np.maximum(position, 0) // 1024
    upper = np.minimum(np.maximum(position + 1023, 0) // 1024, inputs - 1)
    return _Taps(lower, upper, position, 1024)


def resize_nearest_neighbor(call: Call, x: Array, size: Array) -> Array:
    """``x[floor(position)]``, or the nearest, half away, where corners are aligned; in float32.

    ``tflite/kernels/internal/reference/resize_nearest_neighbor.h``.
    """
    aligned, half = call.option("align_corners"), call.option("half_pixel_centers")
    rows, columns = (
        _nearest(inputs, outputs, aligned, half)
        for inputs, outputs in zip(x.shape[1:3], size.tolist(), strict=True)
    )
    return x[:, rows[:, None], columns]


def _nearest(inputs: int, outputs: int, aligned: bool, half: bool) -> Array:
    fixed = aligned and outputs > 1
    scale = np.float32(inputs - fixed) / np.float32(outputs - fixed)
    position = (np.arange(outputs, dtype=np.float32) + np.float32(half / 2)) * scale
    index = (round_half_away if aligned else np.floor)(position).astype(np.int32)
    return np.minimum(index, inputs - 1)


# ---- optimized kernels ------------------------------------------------------------------------


def optimized_resize_bilinear(call: Call, x: Array, size: Array) -> Array:
    """float32 or uint8: each corner times its weight, which is rounded to float32 first.

    The sum runs row by row, in float32 from 0; uint8 adds 0.5 and is cut. float32 to twice the
    size, no option set: means of two corners, and of two such means. ``ResizeBilinearGeneric``,
    ``...SmallChannel`` and ``ResizeBilinearKernel2x2`` in
    ``tflite/kernels/internal/optimized/resize_bilinear.h``. Its code for uint8 to eight times the
    size gives the same, since all weights are exact there.
    """
    rows, columns = _taps(call, x, size, _real_taps)
    a, b, c, d = _corners(x, rows, columns)
    dy, dx = rows.weight[:, None, None], columns.weight[:, None]
    if x.dtype == np.float32 and _plain(call) and tuple(size) == (2 * x.shape[1], 2 * x.shape[2]):
        half = np.float32(0.5)
        left, right = np.where(dy > 0, (a + c) * half, a), np.where(dy > 0, (b + d) * half, b)
        return np.where(dx > 0, (left + right) * half, left)
    near_y, near_x = 1 - dy, 1 - dx
    output = a * (near_y * near_x) + b * (near_y * dx) + c * (dy * near_x) + d * (dy * dx)
    return np.asarray(output + np.float32(0 if x.dtype == np.float32 else 0.5)).astype(x.dtype)


def optimized_resize_nearest_neighbor(call: Call, x: Array, size: Array) -> Array:
    """8-bit types, no option set: ``x[(i * ((inputs << 16) // outputs + 1)) >> 16]``.

    ``ResizeNearestNeighbor`` in ``tflite/kernels/internal/optimized/optimized_ops.h``.
    """
    if not _plain(call):
        return resize_nearest_neighbor(call, x, size)
    rows, columns = (
        np.minimum(np.arange(outputs) * ((inputs << 16) // outputs + 1) >> 16, inputs - 1)
        for inputs, outputs in zip(x.shape[1:3], size.tolist(), strict=True)
    )
    return x[:, rows[:, None], columns]


def _plain(call: Call) -> bool:
    return not (call.option("align_corners") or call.option("half_pixel_centers"))


# ---- XNNPACK ----------------------------------------------------------------------------------
# Rounding by hand, one float32 operation at a time, as its x86 kernels do.

_BITS = 11


def xnnpack_resize_bilinear(call: Call, x: Array, size: Array) -> Array:
    """float32: ``left + (right - left) * weight`` of two columns, then of the two rows.

    ``src/f32-ibilinear/sse.c.in``.
    """
    rows, columns = _taps(call, x, size, _xnnpack_taps)
    a, b, c, d = _corners(x, rows, columns)
    dx = columns.weight[:, None]
    top, bottom = a + (b - a) * dx, c + (d - c) * dx
    return np.asarray(top + (bottom - top) * rows.weight[:, None, None])


def xnnpack_resize_bilinear_fixed(call: Call, x: Array, size: Array) -> Array:
    """8-bit types: the same with weights of 11 bits, rounded half to even; ties of the sum go up.

    ``src/s8-ibilinear/scalar.c.in``.
    """
    rows, columns = _taps(call, x, size, _xnnpack_taps)
    dy, dx = (np.rint(t.weight * 2**_BITS).astype(np.int32) for t in (rows, columns))
    a, b, c, d = (corner.astype(np.int32) for corner in _corners(x, rows, columns))
    top, bottom = ((p << _BITS) + (q - p) * dx[:, None] for p, q in ((a, b), (c, d)))
    total = (top << _BITS) + (bottom - top) * dy[:, None, None]
    return np.asarray((total + (1 << (2 * _BITS - 1))) >> (2 * _BITS)).astype(x.dtype)


def _xnnpack_stages(call: Call, arrays: Arrays, index: Index, shape: Index) -> Staged:
    """Of :func:`xnnpack_resize_bilinear_fixed`."""
    taps = _taps(call, arrays[0], arrays[1], _xnnpack_taps)

    def along(weight: Any) -> int:
        return int(np.rint(weight * 2**_BITS))

    return _rounded(call, _fixed_sum(arrays, index, taps, _BITS, along), 2 * _BITS, UP)


def _xnnpack_taps(inputs: int, outputs: int, aligned: bool, half: bool) -> _Taps:
    """Positions in float32, moved to the inputs; ``src/indirection.c``."""
    scale = np.float32(inputs - aligned) / np.float32(outputs - aligned)
    position = np.arange(outputs, dtype=np.float32) * scale
    if half:
        position += np.float32(0.5) * scale - np.float32(0.5)
    position = position.clip(0, inputs - 1)
    lower = position.astype(np.int32)
    return _Taps(lower, np.minimum(lower + 1, inputs - 1), position)


@condition
def constant_size(site: Site) -> bool:
    """a constant size"""
    return site.input(1).is_constant


@condition
def to_image(site: Site) -> bool:
    """output of rank 4"""
    return len(site.output.shape) == 4


@condition
def one_scale_each(site: Site) -> bool:
    """8-bit tensors each with one scale, on axis 0"""
    x, y = site.activation, site.output
    return all(tensor.dtype not in EIGHT_BITS or one_scale(tensor) for tensor in (x, y))


_taken = every(constant_size, to_image, one_scale_each)


def _bilinear(call: Call, x: Array, size: Array) -> Array:
    """As the reference kernels do it."""
    signed = x.dtype.name in SIGNED
    return (resize_bilinear_fixed if signed else resize_bilinear)(call, x, size)


def _rounded_down(call: Call, x: Array, size: Array) -> Array:
    return np.asarray(_weighted(call, x, size) >> 20).astype(x.dtype)


def _cut(call: Call, x: Array, size: Array) -> Array:
    total = _weighted(call, x, size)
    return np.asarray(np.sign(total) * (np.abs(total) >> 20)).astype(x.dtype)


CARDS = (
    Card(
        "RESIZE_BILINEAR",
        {
            "xnnpack": (
                not_on_aarch64(FLOAT, _taken),
                Row(
                    FLOAT,
                    xnnpack_resize_bilinear,
                    algorithm="float32, by columns, then by rows",
                    source="src/f32-ibilinear/",
                    when=_taken,
                ),
                Row(
                    EIGHT_BITS,
                    xnnpack_resize_bilinear_fixed,
                    algorithm="11-bit fixed point, ties up",
                    source="src/s8-ibilinear/",
                    when=_taken,
                    ledger=Stages(_xnnpack_stages),
                ),
            ),
            "optimized": (
                not_on_aarch64((*UINT8, *FLOAT)),
                Row(
                    (*UINT8, *FLOAT),
                    optimized_resize_bilinear,
                    algorithm="float32, product of weights first; twice as large: means; "
                    "uint8: half up",
                    source=f"{OPTIMIZED_OPS}resize_bilinear.h",
                    ledger=_real_stages("a(yx", "b(yX", "c(Yx", "d(YX"),
                    defects=(raw_codes(optimized_resize_bilinear, COMPUTES),),
                ),
            ),
            "reference": (
                not_on_aarch64((*UINT8, *FLOAT)),
                Row(
                    (*UINT8, *FLOAT),
                    resize_bilinear,
                    algorithm="float32; uint8: half up",
                    source=f"{REFERENCE_OPS}resize_bilinear.h",
                    ledger=_real_stages("ayx", "cYx", "byX", "dYX"),
                    defects=(raw_codes(resize_bilinear, COMPUTES),),
                ),
                Row(
                    SIGNED,
                    resize_bilinear_fixed,
                    algorithm="10-bit fixed point, half away",
                    source=f"{REFERENCE_OPS}resize_bilinear.h",
                    ledger=Stages(_fixed_stages),
                    defects=(raw_codes(resize_bilinear_fixed, COMPUTES),),
                ),
            ),
        },
        ported=(
            *ported.resized(_bilinear),
            *ported.bilinear(_cut, _rounded_down),
            ported.RATIOS_EXCHANGED,
            ported.other_resize(resize_nearest_neighbor, "nearest neighbour for bilinear"),
        ),
        refusals=refusals.MOVED,
    ),
    Card(
        "RESIZE_NEAREST_NEIGHBOR",
        {
            "optimized": (
                Row(
                    (*EIGHT_BITS, *BOOL),
                    optimized_resize_nearest_neighbor,
                    algorithm="16-bit fixed-point position; with an option set: float32",
                    source=OPTIMIZED_HEADER,
                    defects=(raw_codes(optimized_resize_nearest_neighbor),),
                ),
            ),
            "reference": (
                Row(
                    _SHORT,
                    resize_nearest_neighbor,
                    algorithm="float32 position",
                    source=f"{REFERENCE_OPS}resize_nearest_neighbor.h",
                    defects=(raw_codes(resize_nearest_neighbor),),
                ),
            ),
        },
        ported=(
            *ported.resized(resize_nearest_neighbor),
            *ported.NEAREST,
            ported.other_resize(_bilinear, "bilinear for nearest neighbour"),
        ),
    ),
)
