"""expf and logf of glibc on arrays, bit for bit.

Both are ARM's optimized routines, which glibc has from 2.27 on: a table, a short polynomial in
float64, one rounding to float32. The C compiler fuses products with sums where the CPU can. That
changes no logf, and of expf two floats in all of its range: where a result lies that close to the
middle of two floats, it is computed as fused. aarch64, which rounds ``x * N / ln(2)`` before, gives
the neighbour for these two: 32.565125 and -63.099461.
"""

from __future__ import annotations

import math
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# ``__exp2f_data`` in ``sysdeps/ieee754/flt-32/e_exp2f_data.c``, for r in units of ln(2) / 32.
_N = 32
_SCALE = float.fromhex("0x1.71547652b82fep+0") * _N
_CUBE = float.fromhex("0x1.c6af84b912394p-5") / _N**3
_SQUARE = float.fromhex("0x1.ebfce50fac4f3p-3") / _N**2
_LINE = float.fromhex("0x1.62e42ff0c52d6p-1") / _N
_EXACT = Context(40)
_POWERS = np.array([float(_EXACT.power(Decimal(2), Decimal(i) / _N)) for i in range(_N)])
# Above the first a float32 overflows; below the second it is 0.
_HIGHEST = np.float32(float.fromhex("0x1.62e42ep6"))
_LOWEST = np.float32(float.fromhex("-0x1.9fe368p6"))
# A float64 result this near to the middle of two float32 numbers, in units of its last bit, may be
# rounded to the other one where operations are fused: those change its last few bits.
_DOUBT = 2**8


def expf(x: Array) -> Array:
    """``2**(k/32) * (1 + C2*r + C1*r**2 + C0*r**3)``, ``32/ln(2) * x = k + r``, k whole.

    x: float32 of any shape. ``__expf`` in ``sysdeps/ieee754/flt-32/e_expf.c``.
    """
    inside = (x >= _LOWEST) & (x <= _HIGHEST)
    known = np.where(inside, x, np.float32(0)).astype(np.float64)
    scaled = known * _SCALE
    whole = np.rint(scaled)
    r, k = scaled - whole, whole.astype(np.int64)
    power = _POWERS.view(np.int64)[k & (_N - 1)] + (k >> 5 << 52)
    y = ((_CUBE * r + _SQUARE) * (r * r) + (_LINE * r + 1)) * power.view(np.float64)
    with np.errstate(under="ignore", over="ignore"):
        found = y.astype(np.float32)
        cut = y.view(np.int64) & (2**29 - 1)  # the bits that float32 has not
        doubtful = np.abs(cut - 2**28) < _DOUBT
        for place in zip(*np.nonzero(doubtful), strict=True):
            found[place] = np.float32(_fused_exp(float(known[place])))
    outside = np.where(x > _HIGHEST, np.float32(np.inf), np.float32(0))
    return np.where(np.isnan(x), x, np.where(inside, found, outside)).astype(np.float32)


def _fused_exp(x: float) -> float:
    """One result before it is rounded to float32, as a CPU with fused operations has it."""
    k = round(_fused(_SCALE, x, 0.0))
    r = _fused(_SCALE, x, -k)
    y = _fused(_fused(_CUBE, r, _SQUARE), r * r, _fused(_LINE, r, 1.0))
    return y * math.ldexp(_POWERS[k % _N], k // _N)


def _fused(a: float, b: float, c: float) -> float:
    """``a * b + c``, rounded once."""
    return float(Fraction(a) * Fraction(b) + Fraction(c))


# ``__logf_data`` in ``sysdeps/ieee754/flt-32/e_logf_data.c``: 1/c and log(c) for 16 intervals.
_INVERSES = np.array(
    [
        *map(
            float.fromhex,
            (
                *("0x1.661ec79f8f3be", "0x1.571ed4aaf883d", "0x1.49539f0f010b0"),
                *("0x1.3c995b0b80385", "0x1.30d190c8864a5", "0x1.25e227b0b8ea0"),
                *("0x1.1bb4a4a1a343f", "0x1.12358f08ae5ba", "0x1.0953f419900a7"),
                *("0x1.0000000000000", "0x1.e608cfd9a47acp-1", "0x1.ca4b31f026aa0p-1"),
                *("0x1.b2036576afce6p-1", "0x1.9c2d163a1aa2dp-1", "0x1.886e6037841edp-1"),
                "0x1.767dcf5534862p-1",
            ),
        )
    ]
)
_LOGARITHMS = np.array(
    [
        *map(
            float.fromhex,
            (
                *("-0x1.57bf7808caadep-2", "-0x1.2bef0a7c06ddbp-2", "-0x1.01eae7f513a67p-2"),
                *("-0x1.b31d8a68224e9p-3", "-0x1.6574f0ac07758p-3", "-0x1.1aa2bc79c8100p-3"),
                *("-0x1.a4e76ce8c0e5ep-4", "-0x1.1973c5a611cccp-4", "-0x1.252f438e10c1ep-5"),
                *("0x0.0p+0", "0x1.aa5aa5df25984p-5", "0x1.c5e53aa362eb4p-4"),
                *("0x1.526e57720db08p-3", "0x1.bc2860d224770p-3", "0x1.1058bc8a07ee1p-2"),
                "0x1.4043057b6ee09p-2",
            ),
        )
    ]
)
_LN2 = float.fromhex("0x1.62e42fefa39efp-1")
_A0, _A1, _A2 = map(
    float.fromhex, ("-0x1.00ea348b88334p-2", "0x1.5575b0be00b6ap-2", "-0x1.ffffef20a4123p-2")
)
_OFFSET = 0x3F330000  # where the intervals begin, as a float32's bits


def logf(x: Array) -> Array:
    """``k*ln(2) + log(c) + r + A2*r**2 + A1*r**3 + A0*r**4``, ``x = 2**k * z``, ``r = z/c - 1``.

    x: float32 of any shape. ``__logf`` in ``sysdeps/ieee754/flt-32/e_logf.c``.
    """
    inside = (x > 0) & (x < np.inf)
    small = inside & (x < np.finfo(np.float32).tiny)
    scaled = np.where(small, x, np.float32(1)) * np.float32(2**23)
    normal = np.where(inside, np.where(small, scaled, x), np.float32(1))
    bits = np.ascontiguousarray(normal, np.float32).view(np.int32).astype(np.int64)
    k, interval = (bits - _OFFSET) >> 23, (bits - _OFFSET) >> 19 & 15
    z = (bits - (k << 23)).astype(np.int32).view(np.float32).astype(np.float64)
    r = z * _INVERSES[interval] - 1
    start = (k - 23 * small) * _LN2 + _LOGARITHMS[interval]
    y = ((_A0 * (r * r) + (_A1 * r + _A2)) * (r * r) + (start + r)).astype(np.float32)
    outside = np.where(x == 0, np.float32(-np.inf), np.where(x > 0, x, np.float32(np.nan)))
    return np.where(inside, y, outside).astype(np.float32)
