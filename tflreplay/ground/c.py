"""How C casts, shifts and converts, where the language leaves the result undefined.

Each function names the C expression, what C leaves undefined of it, and what x86-64 and aarch64
compute there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def to_int32(x: Array, saturating: bool = False) -> Array:
    """``(int32_t)x`` of a float or double: x cut to a whole number, as int64.

    Undefined of NaN and of whole numbers that int32 does not hold. x86-64 gives -2**31 for all of
    these (``cvttss2si``, ``cvttsd2si``). Where ``saturating``, as on aarch64 (``fcvtzs``), it is
    the end of int32 that is nearer, and 0 for NaN.
    """
    if saturating:
        known = np.where(np.isnan(x), 0, x).astype(np.float64)  # which holds both ends
        return known.clip(-(2.0**31), 2.0**31 - 1).astype(np.int64)
    return np.where(np.abs(x) < 2.0**31, x, -(2.0**31)).astype(np.int64)


def beyond(x: Array, low: int, high: int) -> tuple[Array, Array]:
    """Where ``(T)x`` of a float or double is undefined, T an integer type of ``low`` to ``high``.

    x, cut to a whole number, is below the type; or it is above the type, or NaN. x86-64 gives
    whatever the chosen instruction leaves in the type's bits, which differs from loop to loop.
    aarch64 saturates and gives 0 for NaN; of types below 32 bits that is not known.
    """
    whole = np.trunc(x.astype(np.float64))
    return whole < low, ~(whole < high + 1)


def shift_count(by: Array, bits: int = 32) -> Array:
    """By how many bits ``x << by`` and ``x >> by`` shift, x an integer of 32 or 64 ``bits``.

    Undefined of counts below 0 and from ``bits`` on. x86-64 takes the remainder of ``bits``, and so
    does aarch64 for a count from ``bits`` on. Lanes of a vector hold 0 after a left shift by 32 or
    more, on both; where aarch64 shifts lanes by a negative count, the result is another.
    """
    return by & (bits - 1)
