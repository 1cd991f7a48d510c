"""Values kept in too few bits: at the sum, before the bias, after rescaling, at the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from tflreplay.ground.rounding import Accumulation, Array
from tflreplay.judgement.diagnosis.families.change import Change, of_sums
from tflreplay.judgement.diagnosis.made import Arrays, Form, Made
from tflreplay.judgement.diagnosis.reals import computed_in_reals
from tflreplay.judgement.diagnosis.said import Said
from tflreplay.ops import card
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Slip

_WIDE = "accumulate in int32"
_NAMES = {"sum": "accumulator"}
_STORE = "clamp in int32, then convert"


def wrapped(bits: int) -> Callable[[Array], Array]:
    half = 1 << (bits - 1)
    return lambda x: ((x.astype(np.int64) + half) & (2 * half - 1)) - half


def saturated(bits: int) -> Callable[[Array], Array]:
    half = 1 << (bits - 1)
    return lambda x: x.astype(np.int64).clip(-half, half - 1)


_WAYS = {"wraps around": wrapped, "saturates": saturated}


_LISTED = {Slip.SUM, Slip.PRODUCT}  # in 16 bits
# Of accumulators: those of C, and of FPGAs and DSPs.
_BITS = (8, 12, 16, 18, 20, 24, 28, 32)


def changes(call: Call, arrays: Arrays) -> Iterator[Change]:
    known = card(call.op.name)
    what = known.accumulates
    if not computed_in_reals(call):
        for bits in _BITS:
            for how, narrow in _WAYS.items():
                if known.sums_once and not (bits == 16 and known.slips & _LISTED):
                    yield Change(
                        Said(
                            f"{_NAMES.get(what, what)} of {bits} bits that {how}",
                            f"keep the {what} in {bits} bits, where a large one {how}",
                            f"keep the {what} in {'int64' if bits == 32 else 'int32'}",
                        ),
                        of_sums(_narrow_sum(narrow(bits))),
                    )
                if known.weighted and bits < 32:
                    yield Change(
                        Said(
                            f"sum of {bits} bits that {how} before the bias",
                            f"sum in {bits} bits, where a large sum {how}, and then add the bias",
                            _WIDE,
                        ),
                        _before_bias(narrow(bits)),
                    )
    for bits in (8, 16):
        for how, narrow in _WAYS.items():
            yield Change(
                Said(
                    f"rescaled sum in {bits} bits that {how}",
                    f"keep the rescaled sum in {bits} bits, where it {how}, and then add the "
                    "zero point",
                    _STORE,
                ),
                _rescaled(narrow(bits)),
            )
    yield Change(
        Said(
            "zero point added in 8 bits",
            "add the zero point in 8 bits, where the sum wraps around, and then clamp",
            _STORE,
        ),
        _stored(_wrapped_then_clamped),
    )
    for name, you, store in (
        (
            "stored without its upper bound",
            "clamp from below only; what is too large wraps around in the conversion",
            _without_upper,
        ),
        (
            "stored without its lower bound",
            "clamp from above only; what is too small wraps around in the conversion",
            _without_lower,
        ),
    ):
        yield Change(Said(name, you, _STORE), _stored(store))


def _narrow_sum(narrow: Callable[[Array], Array]) -> Callable[[Accumulation], Accumulation]:
    return lambda a: replace(a, values=narrow(a.values))


def _before_bias(narrow: Callable[[Array], Array]) -> Form:
    def form(call: Call, arrays: Arrays) -> Made | None:
        bias = arrays[2] if len(arrays) > 2 else None
        if bias is None or not bias.any():
            return None
        added = bias.astype(np.int64)

        def changed(a: Accumulation) -> Accumulation:
            return replace(a, values=narrow(a.values.astype(np.int64) - added) + added)

        return Made(call, arrays, sums=changed)

    return form


def _rescaled(narrow: Callable[[Array], Array]) -> Form:
    return lambda call, arrays: Made(call, arrays, rescaled=narrow)


def _stored(store: Callable[[Array, Accumulation], Array]) -> Form:
    return lambda call, arrays: Made(call, arrays, store=store)


def _wrapped_then_clamped(values: Array, a: Accumulation) -> Array:
    codes = (values + a.zero_point).astype(a.dtype)
    return np.asarray(codes.astype(np.int64).clip(a.low, a.high).astype(a.dtype))


def _without_upper(values: Array, a: Accumulation) -> Array:
    return np.asarray(np.maximum(values + a.zero_point, a.low).astype(a.dtype))


def _without_lower(values: Array, a: Accumulation) -> Array:
    return np.asarray(np.minimum(values + a.zero_point, a.high).astype(a.dtype))
