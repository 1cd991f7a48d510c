"""MEAN and SUM, in the ways that XNNPACK has computed them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tflreplay.ground.rounding import Array, round_half_away
from tflreplay.kernels.call import Call


def mean(call: Call, x: Array, axes: Array) -> Array:
    """``clamp(round_half_even(sum(x) * m + z))``, each operation rounded to float32.

    x: int8 or uint8, summed as raw codes; axes: int32; n: elements in each sum.
    ``m = float32(si / so) * float32(1 / n)`` and ``z = zo - (n * zi) * m``.
    ``xnn_reshape_reduce_nd`` in ``src/operators/reduce-nd.c``, ``quantize`` in
    ``src/xnnpack/reference-utils.h``.
    """
    return _mean(call, x, axes, np.rint)


def mean_half_away(call: Call, x: Array, axes: Array) -> Array:
    """As :func:`mean`, but rounded half away from zero."""
    return _mean(call, x, axes, round_half_away)


def spatial_mean(call: Call, x: Array, axes: Array) -> Array:
    """``clamp(round_half_even((sum(x) - n * zi) * m) + zo)`` with ``m = float32 si / (so * n)``.

    A global average pool over axes 1 and 2, ``src/operators/global-average-pooling-nwc.c``.
    """
    ti, to = call.input(0), call.output
    sums, count = _sums(call, x, axes)
    multiplier = np.float32(ti.scale) / (np.float32(to.scale) * np.float32(count))
    centred = (sums - count * ti.zero_point).astype(np.float32)
    codes = np.rint(centred * multiplier) + np.float32(to.zero_point)
    return np.asarray(codes.clip(*to.code_range).astype(to.numpy_dtype))


def sum_(call: Call, x: Array, axes: Array) -> Array:
    """As :func:`mean`, with ``m = float32(si / so)``."""
    return _total(call, x, axes, np.rint)


def sum_half_away(call: Call, x: Array, axes: Array) -> Array:
    """As :func:`sum_`, but rounded half away from zero."""
    return _total(call, x, axes, round_half_away)


def _mean(call: Call, x: Array, axes: Array, rounded: Callable[[Array], Array]) -> Array:
    sums, count = _sums(call, x, axes)
    return _quantized(call, sums, count, np.float32(1) / np.float32(count), rounded)


def _total(call: Call, x: Array, axes: Array, rounded: Callable[[Array], Array]) -> Array:
    return _quantized(call, *_sums(call, x, axes), np.float32(1), rounded)


def _quantized(
    call: Call, sums: Array, count: int, share: np.float32, rounded: Callable[[Array], Array]
) -> Array:
    ti, to = call.input(0), call.output
    multiplier = np.float32(ti.scale) / np.float32(to.scale) * share
    zero_point = np.float32(to.zero_point) - np.float32(count * ti.zero_point) * multiplier
    codes = rounded(sums.astype(np.float32) * multiplier + zero_point)
    return np.asarray(codes.clip(*to.code_range).astype(to.numpy_dtype))


def _sums(call: Call, x: Array, axes: Array) -> tuple[Array, int]:
    axis = tuple(sorted({int(a) % x.ndim for a in np.ravel(axes)}))
    keep = bool(call.option("keep_dims"))
    return (
        np.asarray(x.sum(axis=axis, dtype=np.int64, keepdims=keep)),
        math.prod(x.shape[a] for a in axis),
    )
