"""What C leaves undefined, as x86-64 and aarch64 compute it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tflreplay.ground.c import beyond, shift_count, to_int32


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_to_int32(dtype: type) -> None:
    lowest = -(2**31)
    numbers = [0.99, -0.99, -1.5, 2.0**30, -(2.0**31), 2.0**31, -(2.0**32), 1e30]
    expected = [0, 0, -1, 2**30, lowest, lowest, lowest, lowest]
    assert to_int32(np.array(numbers, dtype)).tolist() == expected
    assert to_int32(np.array([np.nan, np.inf, -np.inf], dtype)).tolist() == [lowest] * 3
    assert to_int32(np.array([2.0**31 - 0.5, -(2.0**31) - 0.5])).tolist() == [2**31 - 1, lowest]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_to_int32_on_aarch64(dtype: type) -> None:
    lowest, highest = -(2**31), 2**31 - 1
    numbers = [0.99, -1.5, 2.0**30, -(2.0**31), 2.0**31, -(2.0**32), 1e30, math.inf, -math.inf]
    expected = [0, -1, 2**30, lowest, highest, lowest, highest, highest, lowest]
    assert to_int32(np.array(numbers, dtype), saturating=True).tolist() == expected
    assert to_int32(np.array([math.nan], dtype), saturating=True).tolist() == [0]


def test_beyond_a_type() -> None:
    x = np.array([-129, -128.9, 0, 127.9, 128, math.nan, math.inf, -math.inf], np.float32)
    below, above = beyond(x, -128, 127)
    assert np.flatnonzero(below).tolist() == [0, 7]
    assert np.flatnonzero(above).tolist() == [4, 5, 6]


def test_shift_counts() -> None:
    by = np.array([0, 31, 32, 33, 63, 64, -1])
    assert shift_count(by).tolist() == [0, 31, 0, 1, 31, 0, 31]
    assert shift_count(by, 64).tolist() == [0, 31, 32, 33, 63, 0, 63]
