"""REDUCE_PROD, REDUCE_MAX, REDUCE_MIN, REDUCE_ANY and REDUCE_ALL; MEAN and SUM stand alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Array, Multiplier, reduced16, wrap32
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.conditions import Site, condition
from tflreplay.ops.base.ledger import Staged, Stages, wrapped
from tflreplay.ops.base.predicates import constant_axes
from tflreplay.ops.base.raw_codes import another_scale, raw_codes
from tflreplay.ops.base.reduction import (
    OPTIMIZED_REDUCE,
    REFERENCE_REDUCE,
    by,
    elements,
    rows_to_reduce,
)
from tflreplay.ops.base.row import Kernel, Row
from tflreplay.ops.base.step import UP, Step, given, rounded, shifted
from tflreplay.ops.base.terms import Arrays, Index
from tflreplay.ops.base.types import BOOL, FLOAT, RAW, SIGNED, UNQUANTIZED
from tflreplay.ops.base.words import XNNPACK_UNARY, ZEROS, finished

_PRODUCT_SCALES = "float64 si/so**(1/n), cut to 16 bits"

# ---- reference kernels ------------------------------------------------------------------------


def reduce_prod(call: Call, x: Array, axes: Array) -> Array:
    """``clamp(r(p) + zo)``; p is the first ``x - zi``, then ``r(p * (x - zi))`` with each next one.

    x: int8 or int16, in row-major order; r is single rounding by a 16-bit multiplier,
    ``si / so ** (1 / n)``. ``QuantizedReduceProd`` in
    ``tflite/kernels/internal/reference/reduce.h``.
    """
    ti, to = call.input(0), call.output
    rows, shape = rows_to_reduce(call, x, axes)
    centred = rows.astype(np.int64) - ti.zero_point
    multiplier = Multiplier.of(ti.scale / to.scale ** (1.0 / rows.shape[-1]))
    if multiplier.shift > 14:
        raise NotReplayed(f"REDUCE_PROD with the multiplier {multiplier.real:g}")
    product = centred[..., 0]
    for i in range(1, rows.shape[-1]):
        product = wrap32(reduced16(product * centred[..., i], multiplier))
    codes = wrap32(reduced16(product, multiplier)) + to.zero_point
    return codes.clip(*to.code_range).astype(to.numpy_dtype).reshape(shape)


_LAST = 6  # steps of a longer product that are told


def _stages(call: Call, arrays: Arrays, index: Index, shape: Index) -> Staged:
    """Of :func:`reduce_prod`; of a long product, the last ones."""
    ti, to = call.input(0), call.output
    where = elements(call, arrays, index)
    factors = [int(code) - ti.zero_point for code in arrays[0][tuple(where.T)]]
    count = len(factors)
    m = Multiplier.of(ti.scale / to.scale ** (1.0 / count))
    cut = shifted("multiplier", int(m.mantissa), 16, UP)
    if cut.result > 0x7FFF:
        cut = replace(cut, result=0x7FFF, how="at most 32767")
    right = 15 - int(m.shift)
    steps: list[Step] = []

    def rescaled(name: str, formula: str, product: int) -> int:
        exact = Fraction(product * cut.result, 2**right)
        step = rounded(name, f"{formula} * {cut.result} / 2**{right}", exact, UP)
        held = wrapped(step.result, 32)
        steps.append(step if held == step.result else replace(step, result=held, how="wraps"))
        return held

    value = factors[0]
    for i, factor in enumerate(factors[1:], start=1):
        value = rescaled(f"{i + 1} factors", f"{value} * {factor}", value * factor)
    rescaled("out", f"{value}", value)
    multipliers = ((f"si / so**(1/{count})", m),)
    if count > _LAST:
        note = f"the last {_LAST} of {count:,} steps are told"
        return Staged(multipliers, (cut, *steps[-_LAST:]), note=note)
    exact = (Fraction(ti.scale) ** count) * math.prod(factors) / Fraction(to.scale)
    words = f"{math.prod(factors)} * {ti.scale!r}**{count} / {to.scale!r}"
    return Staged(multipliers, (cut, *steps), exact=(words, exact))


def extreme(position: Callable[..., Array], last: bool = False) -> Kernel:
    """The kernel that takes the element at ``position``, the first or last of equal ones.

    Codes are compared raw, whatever the scales. Only 0 and -0 are equal and not the same.
    ``ReduceGeneric`` in ``tflite/kernels/internal/reference/reduce.h`` (the first) and
    ``.../optimized/reduce.h`` (the last).
    """

    def kernel(call: Call, x: Array, axes: Array) -> Array:
        rows, shape = rows_to_reduce(call, x, axes)
        rows = rows[..., ::-1] if last else rows
        found = np.expand_dims(position(rows, axis=-1), -1)
        return np.take_along_axis(rows, found, -1).reshape(shape)

    return kernel


# ---- optimized kernels ------------------------------------------------------------------------

# LiteRT 7e3668027. A product of one element left the output unwritten before.
_COPIES = {"litert": "2.2.0", "tensorflow": "2.22.0"}


def optimized_reduce_prod(call: Call, x: Array, axes: Array) -> Array:
    """As :func:`reduce_prod`, but a product of one element is that element's raw code.

    ``QuantizedReduceProd`` in ``tflite/kernels/internal/optimized/reduce.h``.
    """
    rows, shape = rows_to_reduce(call, x, axes)
    if rows.shape[-1] > 1:
        return reduce_prod(call, x, axes)
    if not call.engine.at_least(_COPIES):
        raise NotReplayed("REDUCE_PROD of one element")
    return rows.reshape(shape)


def _optimized_stages(call: Call, arrays: Arrays, index: Index, shape: Index) -> Staged:
    (first, *others) = elements(call, arrays, index)
    if others:
        return _stages(call, arrays, index, shape)
    copied = given("", "the only code", int(arrays[0][tuple(first)]))
    return Staged((), (copied,), zero_point=call.output.zero_point)


@condition
def another_scale_in_xnnpack(site: Site) -> bool:
    """an input of the output's type, of another scale or zero point, in XNNPACK"""
    # The other kernels refuse it (``tflite/kernels/reduce.cc``).
    return site.engine.name == "xnnpack" and another_scale(site)


def _extreme(op: str, position: Callable[..., Array], what: str) -> Card:
    """REDUCE_MAX or REDUCE_MIN; ``what`` is the word for it."""
    first = extreme(position)
    return Card(
        op,
        {
            "xnnpack": (
                Row(
                    FLOAT,
                    extreme(position),
                    algorithm=f"{what}, 0 or -0",
                    source="src/operators/reduce-nd.c",
                    when=constant_axes,
                    since=XNNPACK_UNARY,
                    tolerance=ZEROS,
                ),
            ),
            "optimized": (
                finished(FLOAT, extreme(position, last=True), f"last {what}", OPTIMIZED_REDUCE),
            ),
            "reference": (
                Row(
                    RAW,
                    first,
                    algorithm=f"first {what} of raw codes",
                    source="reduce.cc",
                    defects=(raw_codes(first, when=another_scale_in_xnnpack),),
                ),
            ),
        },
    )


CARDS = (
    Card(
        "REDUCE_PROD",
        {
            "optimized": (
                Row(
                    SIGNED,
                    optimized_reduce_prod,
                    multiplier=_PRODUCT_SCALES,
                    algorithm="single rounding after each product; one element: copy",
                    source=OPTIMIZED_REDUCE,
                    ledger=Stages(_optimized_stages),
                ),
            ),
            "reference": (
                Row(
                    SIGNED,
                    reduce_prod,
                    multiplier=_PRODUCT_SCALES,
                    algorithm="single rounding after each product",
                    source=REFERENCE_REDUCE,
                    ledger=Stages(_stages),
                ),
                finished(UNQUANTIZED, by(np.multiply), "product in order", "reduce.cc"),
            ),
        },
    ),
    _extreme("REDUCE_MAX", np.argmax, "maximum"),
    _extreme("REDUCE_MIN", np.argmin, "minimum"),
    Card(
        "REDUCE_ANY",
        {"reference": (finished(BOOL, by(np.logical_or), "or", "reduce.cc"),)},
    ),
    Card(
        "REDUCE_ALL",
        {"reference": (finished(BOOL, by(np.logical_and), "and", "reduce.cc"),)},
    ),
)
