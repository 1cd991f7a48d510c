"""LOGISTIC and TANH of int16 codes: a table of 256 entries of the logistic function."""

from __future__ import annotations

import functools
import math

import numpy as np

from tflreplay.ground.rounding import Array, wrap32
from tflreplay.kernels.call import Call, same_type
from tflreplay.kernels.lookup import centred_codes, look_up


def logistic(call: Call, x: Array) -> Array:
    """``logistic(si * x)`` in Q0.15, interpolated.

    x: int16 of any shape; the output's scale is 2**-15. ``Logistic`` in
    ``tflite/kernels/internal/reference/integer_ops/logistic.h``.
    """
    same_type(call)
    return look_up(x, interpolated_logistic(_scaled(call)))


def interpolated_logistic(scaled: Array) -> Array:
    """int16 Q0.15 of numbers on the scale ``1 / (3 * 4096)``."""
    result = _of_magnitude(scaled, 9, 0x7FFF << 10)
    result = np.where(scaled >= 0, result + 512, (1 << 25) - result + 511)
    return np.asarray((result >> 10).astype(np.int16))


def tanh(call: Call, x: Array) -> Array:
    """``tanh(si * x) = 2 * logistic(2 * si * x) - 1`` in Q0.15, interpolated.

    x: int16 of any shape; the output's scale is 2**-15. ``Tanh`` in
    ``tflite/kernels/internal/reference/integer_ops/tanh.h``.
    """
    same_type(call)
    return look_up(x, interpolated_tanh(_scaled(call)))


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


def power_of_two(scale: float) -> int | None:
    """The exponent of a scale that is a power of two, or nearly; else None: ``CheckedLog2``."""
    exponent = np.float32(math.log(scale)) * np.float32(1 / math.log(2))
    return round(exponent) if abs(exponent - np.rint(exponent)) < 1e-3 else None


def input_shift(call: Call) -> int | None:
    """How far a code is shifted left to become Q3.12, where that is all it takes; else None."""
    exponent = power_of_two(call.input(0).scale)
    most = 1 if call.op.name == "TANH" else 0
    return exponent + 12 if exponent is not None and 0 <= exponent + 12 <= most else None


def _scaled(call: Call) -> Array:
    """Every code on the scale ``1 / (3 * 4096)``, where 24 steps of the table make 1."""
    centred = centred_codes(call.input(0))
    left = input_shift(call)
    if left is not None:
        return centred * (3 << left)
    multiplier, shift = call.input(0).scale * 4096.0 * 3.0, 0
    while multiplier <= 32767.0 / 2.0 and shift <= 30:
        multiplier, shift = multiplier * 2, shift + 1
    return wrap32(centred * int(multiplier) + ((1 << shift) >> 1)) >> shift


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
