"""The logistic function and tanh of 16-bit codes, from a table of 256 entries."""

from __future__ import annotations

import functools

import numpy as np

from tflreplay.ground.rounding import Array


def interpolated_logistic(scaled: Array) -> Array:
    """int16 Q0.15 of numbers on the scale ``1 / (3 * 4096)``."""
    result = _of_magnitude(scaled, 9, 0x7FFF << 10)
    result = np.where(scaled >= 0, result + 512, (1 << 25) - result + 511)
    return np.asarray((result >> 10).astype(np.int16))


def interpolated_tanh(scaled: Array) -> Array:
    """As :func:`interpolated_logistic`."""
    result = _of_magnitude(scaled, 8, 0xFFFF << 8) - (1 << 23)
    result = np.where(scaled >= 0, result + 128, 127 - result)
    return np.asarray((result >> 8).astype(np.int16))


def _of_magnitude(scaled: Array, bits: int, last: int) -> Array:
    """The table at ``|scaled|``, with ``bits`` more fractional bits than its entries.

    Linear between the entries, which are ``2**bits`` apart; ``last`` beyond them.
    """
    position = np.abs(scaled)
    table, step = _table(), position >> bits
    index = np.minimum(step, 254)
    low, high = table[index], table[index + 1]
    interpolated = (low << bits) + (position & ((1 << bits) - 1)) * (high - low)
    return np.where(step >= 255, last, interpolated)


@functools.cache
def _table() -> Array:
    """``logistic(k / 24)`` in Q0.16, each entry but the last moved by half the error of its step.

    ``sigmoid_table_uint16`` in ``tflite/kernels/internal/common.h``.
    """

    def sigmoid(k: Array) -> Array:
        return np.asarray(1 / (1 + np.exp(-k / 24)))

    k = np.arange(256)
    error = (sigmoid(k) + sigmoid(k + 1)) / 2 - sigmoid(k + 0.5)
    table = np.floor(65536 * (sigmoid(k) - error / 2) + 0.5).astype(np.int64)
    table[-1] = 65535
    return table
