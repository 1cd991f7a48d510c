"""FULLY_CONNECTED on integer codes: its sums, and the terms of one of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Accumulation, Array
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.fields import Field
from tflreplay.ops.base.ledger import Sum
from tflreplay.ops.base.lines import Arrays as Handed
from tflreplay.ops.base.sums import (
    accumulator_bits,
    check_types,
    check_version,
    exact_matmul,
    weighted_accumulation,
)
from tflreplay.ops.base.terms import Arrays, Index, weighted_sum
from tflreplay.ops.fully_connected.batches import rows, with_batches

_FOUR_BIT_SUMS = 28  # bits of XNNPACK's accumulator by 4-bit weights


# ---- reference, optimized and TFLM kernels ----------------------------------------------------


def fully_connected(
    call: Call, x: Array, weights: Array, bias: Array | None = None
) -> Accumulation:
    """``out[b, o] = sum_i (x[b, i] - zx) * (w[o, i] - zw) + bias[o]``.

    x: int8, uint8 or int16 of any shape that flattens to ``(batches, depth)``; weights ``(units,
    depth)``, uint8 for uint8, else int8 or int4; bias ``(units,)``, int32 or, for int16, int64. The
    accumulator is as wide as the bias. ``FullyConnected`` in
    ``tflite/kernels/internal/reference/integer_ops/fully_connected.h`` and
    ``.../reference/fully_connected.h``; a per-channel weight zero point is not looked at.
    """
    bits = accumulator_bits(call, call.input(0), bias)
    return product(call, x, _centred_weights(call, weights), bias, bits)


def fully_connected_in_32_bits(
    call: Call, x: Array, weights: Array, bias: Array | None = None
) -> Accumulation:
    """As :func:`fully_connected` with an int32 accumulator, whatever the options declare.

    ``FullyConnected`` in ``tflite/kernels/internal/optimized/integer_ops/fully_connected.h``.
    """
    return product(call, x, _centred_weights(call, weights), bias)


def _centred_weights(call: Call, weights: Array) -> Array:
    """int16 weights, less a zero point that all share.

    Raises:
        NotReplayed: no kernel takes weights of this type or format.
    """
    x, w = call.input(0), call.input(1)
    if call.option("weights_format") != "DEFAULT":
        raise NotReplayed(f"FULLY_CONNECTED with weights format {call.option('weights_format')}")
    check_types(call, x, w)
    centred = weights.astype(np.int16)
    per_axis = w.quantization is not None and w.quantization.per_axis
    if per_axis and x.dtype == "int16":
        check_version(call, "of int16 by weights of several scales")
    return centred if per_axis else centred - np.int16(w.zero_point)


def product(
    call: Call, x: Array, weights: Array, bias: Array | None, bits: int = 32
) -> Accumulation:
    """``sum_i (x[b, i] - zx) * w[o, i] + bias[o]``, the weights less their zero point."""
    values = exact_matmul(rows(x, weights), weights.T, call.input(0).zero_point, bias, bits)
    return weighted_accumulation(call, call.input(0), with_batches(call, x, values), bits)


# ---- XNNPACK ----------------------------------------------------------------------------------


def xnnpack_ignoring_zero_point(
    call: Call, x: Array, weights: Array, bias: Array | None = None
) -> Accumulation:
    """``out[b, o] = sum_i (x[b, i] - zx) * w[o, i] + bias[o]``: the weights' zero point is lost.

    x: int8; weights int8 ``(units, depth)``. Corrected by LiteRT 45dd41fd2.
    """
    return product(call, x, weights.astype(np.int16), bias)


def xnnpack_four_bit(
    call: Call, x: Array, weights: Array, bias: Array | None = None
) -> Accumulation:
    """As :func:`fully_connected`, in an accumulator of 28 bits: it holds 16 times the sum in 32.

    x: int8; weights int4 ``(units, depth)``, of even depth. ``src/qs8-qc4w-gemm``.
    """
    sums = product(call, x, weights.astype(np.int16), bias)
    values = sums.values.astype(np.int64)
    return replace(sums, values=(values + 2**27) % 2**28 - 2**27, bits=_FOUR_BIT_SUMS)


# ---- for tools --------------------------------------------------------------------------------


def connected_terms(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    """Of :func:`fully_connected`: the weights' zero point is subtracted where there is one."""
    quantization = call.input(1).quantization
    assert quantization is not None
    return _terms(call, arrays, index, shape, centred=not quantization.per_axis)


def uncentred_terms(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    """Of XNNPACK's kernels, which do not look at the weights' zero point."""
    return _terms(call, arrays, index, shape, centred=False)


def _terms(call: Call, arrays: Arrays, index: Index, shape: Index, centred: bool) -> Sum:
    x, weights = arrays[:2]
    unit, depth = index[-1], weights.shape[1]
    row = int(np.ravel_multi_index(index[:-1], shape[:-1])) if index[:-1] else 0
    inputs = np.arange(depth)
    return weighted_sum(
        call,
        arrays,
        np.stack(np.unravel_index(row * depth + inputs, x.shape), axis=1),
        np.stack([np.full_like(inputs, unit), inputs], axis=1),
        unit,
        taps=depth,
        centred=centred,
    )


def connected_lines(call: Call, arrays: Handed, lines: Array) -> tuple[Call, Handed]:
    """The same op on a few of its rows."""
    x, weights = arrays[:2]
    assert x is not None
    assert weights is not None
    return call, (rows(x, weights)[lines], *arrays[1:])


def connected_fields(call: Call, places: Array, weights: Array) -> Iterator[Field]:
    """Every row is a field that all units see."""
    units = dict(enumerate(weights))
    for taps in rows(places, weights):
        yield Field(taps, units)
