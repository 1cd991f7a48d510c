"""expf and logf on arrays against this computer's C library, where that is glibc."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable

import numpy as np
import pytest

from tflreplay.ground import glibc
from tflreplay.ground.libm import c_function
from tflreplay.ground.machine import X86_64, this_machine

Array = np.ndarray
FUNCTIONS: dict[str, Callable[[Array], Array]] = {"expf": glibc.expf, "logf": glibc.logf}
# One in so many of all floats; and all that lie so near to the middle of two results that fusing
# a product with a sum decides.
STRIDE = 8191
FUSED = np.array([float.fromhex("0x1.04845ep+5"), float.fromhex("-0x1.f8cbb2p+5")], np.float32)

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or this_machine() not in X86_64, reason="not glibc on x86-64"
)


def bits(x: Array) -> Array:
    """NaNs are one."""
    return np.where(np.isnan(x), np.float32(np.nan), x).view(np.int32)


def by_the_library(name: str, x: Array) -> Array:
    function = c_function(name, ctypes.c_float, 1)
    return np.array([function(value) for value in x.tolist()], np.float32)


def assert_same(name: str, x: Array) -> None:
    ours, theirs = FUNCTIONS[name](x), by_the_library(name, x)
    assert ours.dtype == np.float32
    unlike = x[bits(ours) != bits(theirs)]
    assert unlike.size == 0, unlike[:5]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_floats_of_every_size(name: str) -> None:
    patterns = np.arange(0, 2**32, STRIDE, dtype=np.uint64).astype(np.uint32)
    assert_same(name, patterns.view(np.float32))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_ends(name: str) -> None:
    info = np.finfo(np.float32)
    values = [0.0, 1.0, info.tiny, info.smallest_subnormal, info.max, np.inf, np.nan]
    values += [88.72283, 88.72284, 103.27892, 103.27893, 103.97207, 103.97208]
    x = np.array([*values, *np.negative(values)], np.float32)
    with np.errstate(over="ignore", under="ignore"):
        around = [np.nextafter(x, np.float32(end)) for end in (-np.inf, np.inf)]
    assert_same(name, np.concatenate([x, *around]))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_tables_meet(name: str) -> None:
    """Every code of 16 bits, at scales and zero points of all sizes."""
    rng = np.random.default_rng(1)
    for _ in range(12):
        scale = np.float32(np.exp(rng.uniform(np.log(1e-6), np.log(1e-2))))
        codes = np.arange(-(2**15), 2**15) - rng.integers(-(2**15), 2**15)
        assert_same(name, scale * codes.astype(np.float32))


def test_where_fusing_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    assert_same("expf", FUSED)
    fused = glibc.expf(FUSED.reshape(2, 1))
    monkeypatch.setattr(glibc, "_DOUBT", 0)
    assert np.all(glibc.expf(FUSED.reshape(2, 1)) != fused)
