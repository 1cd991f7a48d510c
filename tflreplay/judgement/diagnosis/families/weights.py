"""Weights in fewer bits, without their sign, of the other 8-bit type, or left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.judgement.diagnosis.families.change import Change, of_array
from tflreplay.judgement.diagnosis.made import Arrays
from tflreplay.judgement.diagnosis.said import Said
from tflreplay.ops import card
from tflreplay.ops.base.call import Call

_READ = "read the weights' codes as the model's buffer has them"
_Changed = Callable[[Array], Array]
_WAYS: tuple[tuple[str, str, _Changed], ...] = (
    ("weights cut to -127 ... 127", "cut the weights' codes to -127 ... 127", lambda w: _cut(w, 7)),
    ("weights saturated to 7 bits", "saturate the weights' codes to 7 bits", lambda w: _cut(w, 6)),
    ("weights wrapped to 7 bits", "keep 7 bits of the weights' codes", lambda w: _wrap(w, 7)),
    ("weights saturated to 4 bits", "saturate the weights' codes to 4 bits", lambda w: _cut(w, 3)),
    ("weights wrapped to 4 bits", "keep 4 bits of the weights' codes", lambda w: _wrap(w, 4)),
    ("weights without their lowest bit", "drop the weights' lowest bit", lambda w: w & ~1),
    ("weights without their sign", "take the weights' magnitudes", np.abs),
    (
        "weights as sign and magnitude",
        "read the top bit of the weights as a sign, the rest as a magnitude",
        lambda w: np.where(w < 0, -(w & 127), w),
    ),
    ("weights negated", "change the weights' signs", lambda w: -w),
    (
        "weights of the other 8-bit type",
        "take weights 128 codes away, as of the other 8-bit type",
        lambda w: _wrap(w + 128, 8),
    ),
)


def changes(call: Call, arrays: Arrays) -> Iterator[Change]:
    weights = arrays[1] if len(arrays) > 1 else None
    if not card(call.op.name).weighted or weights is None or weights.dtype.kind == "f":
        return
    tensor = call.input(1)
    if weights.dtype == np.int8:
        for name, you, changed in _WAYS:
            yield Change(Said(name, you, _READ), of_array(1, _widened(changed)))
    zero = 0 if tensor.quantization is None or tensor.quantization.per_axis else tensor.zero_point
    said = Said(
        "sum left out",
        "give the bias alone, without the sum of products",
        "add the sum of products to the bias",
    )
    yield Change(said, of_array(1, lambda w: np.full_like(w, zero)))


def _widened(changed: _Changed) -> _Changed:
    return lambda w: changed(w.astype(np.int16))


def _cut(weights: Array, bits: int) -> Array:
    """Saturated, to this many bits beside the sign; of 7 bits, to a range without -128."""
    half = 1 << bits
    return weights.clip(-half + (bits == 7), half - 1)


def _wrap(weights: Array, bits: int) -> Array:
    half = 1 << (bits - 1)
    return ((weights + half) & (2 * half - 1)) - half
