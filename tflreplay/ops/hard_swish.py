"""HARD_SWISH: x * relu6(x + 3) / 6."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.machine import AARCH64
from tflreplay.ground.rounding import Array, Multiplier, rounding_divide_by_pot
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.ledger import Staged, Stages
from tflreplay.ops.base.lookup import centred_codes, look_up
from tflreplay.ops.base.loops import vector_body
from tflreplay.ops.base.plain import elementwise
from tflreplay.ops.base.plain_rows import xnnpack_approximated
from tflreplay.ops.base.ported import activations as ported
from tflreplay.ops.base.row import Row
from tflreplay.ops.base.step import (
    AWAY,
    DOWN,
    TRUNCATED,
    UP,
    Step,
    rounded,
    saturated,
)
from tflreplay.ops.base.terms import Arrays, Index, input_code
from tflreplay.ops.base.types import EIGHT_BITS, FLOAT
from tflreplay.ops.base.words import (
    APPROXIMATED,
    APPROXIMATELY,
    EXACT,
    MEASURED,
    OPTIMIZED_HEADER,
    REFERENCE_OPS,
    finished,
)

_SCALES = "float32 si/128/so, float32 si/128/(3/32768), cut to 16 bits"
_INT16 = _INT16_MIN, _INT16_MAX = -(2**15), 2**15 - 1


# ---- reference kernels ------------------------------------------------------------------------


def hard_swish(call: Call, x: Array) -> Array:
    """``x * relu6(x + 3) / 6`` in 16-bit fixed point.

    x: int8 or uint8 of any shape. With ``hires = (x - zi) << 7`` on the scale ``h = si / 128``::

        value = high_mul16(hires, mantissa(h / so))
        gate  = (saturate(hires rescaled by h / (3 / 32768)) + 32768) >> 1
        out   = clamp(rounding_divide_by_pot(trunc(gate * value / 32768), -shift(h / so)) + zo)

    The scales are float32, the mantissas cut to 16 bits. ``HardSwish`` in
    ``tflite/kernels/internal/reference/hard_swish.h``, ``HardSwishPrepare`` in
    ``tflite/kernels/activations.cc``.
    """
    ti, to = call.input(0), call.output
    (value_mantissa, value_shift), (gate_mantissa, gate_shift) = map(
        _in_16_bits, _multipliers(call)
    )
    hires = centred_codes(ti) << 7
    value = _high_mul16(hires, value_mantissa)
    if gate_shift > 0:
        # All but the last bit of the left shift comes first, where saturation cannot show.
        gate = _high_mul16(_saturate16(hires << (gate_shift - 1)), gate_mantissa)
        gate = _saturate16(gate << 1)
    else:
        gate = rounding_divide_by_pot(_high_mul16(hires, gate_mantissa), -gate_shift)
    gate = (gate + 2**15) >> 1
    product = gate * value
    product = np.sign(product) * (np.abs(product) >> 15)
    code = rounding_divide_by_pot(product, -value_shift) + to.zero_point
    code = code.astype(np.int16)  # the sum wraps in a 16-bit register
    return look_up(x, np.clip(code, *to.code_range).astype(to.numpy_dtype))


def _multipliers(call: Call) -> tuple[Multiplier, Multiplier]:
    """Of the value and of the gate.

    Raises:
        NotReplayed: the types differ, or a shift is none that the kernel takes.
    """
    ti, to = call.input(0), call.output
    if ti.dtype != to.dtype:
        raise NotReplayed(f"HARD_SWISH from {ti.dtype} to {to.dtype}")
    hires_scale = np.float32(1 / 128) * np.float32(ti.scale)
    value = Multiplier.of(hires_scale / np.float32(to.scale))
    gate = Multiplier.of(hires_scale / np.float32(3 / 32768))
    if not -15 <= value.shift <= 0 or gate.shift < -15:
        raise NotReplayed(f"HARD_SWISH with scales {ti.scale:g} and {to.scale:g}")
    return value, gate


def _in_16_bits(multiplier: Multiplier) -> tuple[int, int]:
    """Q15 mantissa and shift: ``DownScaleInt32ToInt16Multiplier`` of the Q31 form."""
    return min((int(multiplier.mantissa) + 2**15) >> 16, _INT16_MAX), int(multiplier.shift)


def _high_mul16(a: Array, b: int) -> Array:
    """``SaturatingRoundingDoublingHighMul`` on int16; b is not negative."""
    return (a * b + 2**14) >> 15


def _saturate16(x: Array) -> Array:
    return np.clip(x, _INT16_MIN, _INT16_MAX)


def _stages(call: Call, arrays: Arrays, index: Index, shape: Index) -> Staged:
    """Of :func:`hard_swish`, in exact numbers."""
    return _staged(call, arrays, index, AWAY, TRUNCATED)


def _neon_stages(call: Call, arrays: Arrays, index: Index, shape: Index) -> Staged:
    """Of :func:`optimized_hard_swish_neon`."""
    if _in_vectors(shape)[index]:
        return _staged(call, arrays, index, UP, DOWN)
    return _stages(call, arrays, index, shape)


def _staged(call: Call, arrays: Arrays, index: Index, ties: str, cut: str) -> Staged:
    """``ties``: where right shifts send them; ``cut``: how the product becomes an integer."""
    x, (value, gate) = input_code(call, arrays, index).value, _multipliers(call)
    cuts = [_cut(name, m) for name, m in (("value", value), ("gate", gate))]
    by_value, by_gate = (cut.result for cut in cuts)
    hires = x << 7
    steps = [Step(f"{x} * 2**7", Fraction(hires), hires, label="hires")]
    scaled = _product("value", hires, by_value, UP)
    steps += [scaled, *_gate_stages(hires, by_gate, int(gate.shift), ties)]
    opened = steps[-1].result + 2**15
    half = rounded("gate", f"{opened} / 2", Fraction(opened, 2), DOWN)
    product = _product("out", half.result, scaled.result, cut)
    right = -int(value.shift)
    last = Fraction(product.result, 2**right)
    steps += [
        Step(f"{opened - 2**15} + 2**15", Fraction(opened), opened, label="gate"),
        half,
        product,
        rounded("out", f"{product.result} / 2**{right}", last, ties),
    ]
    multipliers = ("value: si/128/so", value), ("gate: si/128/(3/32768)", gate)
    return Staged(multipliers, (*cuts, *steps), bits=16)  # the sum wraps in a 16-bit register


def _cut(name: str, multiplier: Multiplier) -> Step:
    mantissa = int(multiplier.mantissa)
    step = rounded(f"{name} mantissa", f"{mantissa} / 2**16", Fraction(mantissa, 2**16), UP)
    if step.result > _INT16_MAX:
        step = replace(step, result=_INT16_MAX, how=f"limited to {_INT16_MAX}")
    return step


def _product(name: str, a: int, b: int, how: str) -> Step:
    return rounded(name, f"{a} * {b} / 2**15", Fraction(a * b, 2**15), how)


def _gate_stages(hires: int, mantissa: int, shift: int, ties: str) -> Iterator[Step]:
    """``hires`` rescaled to the scale 3 / 32768."""
    if shift <= 0:
        yield (product := _product("gate", hires, mantissa, UP))
        quotient = Fraction(product.result, 2**-shift)
        yield rounded("gate", f"{product.result} / 2**{-shift}", quotient, ties)
        return
    left = hires << (shift - 1)
    yield (start := saturated("gate", f"{hires} * 2**{shift - 1}", left, *_INT16))
    yield (product := _product("gate", start.result, mantissa, UP))
    yield saturated("gate", f"{product.result} * 2", product.result * 2, *_INT16)


@elementwise
def hard_swish_float(x: Array) -> Array:
    """``x * min(6, max(0, x + 3)) / 6``: ``.../internal/reference/hard_swish.h``."""
    three, six = np.float32(3), np.float32(6)
    return np.asarray(x * np.minimum(six, np.maximum(np.float32(0), x + three)) / six)


# ---- optimized kernels ------------------------------------------------------------------------


def optimized_hard_swish_neon(call: Call, x: Array) -> Array:
    """As :func:`hard_swish`, but for whole vectors of 8: right shifts send ties up there, the
    product of value and gate is floored, and so is nothing else.

    ``HardSwish`` under ``__ARM_NEON``, ``tflite/kernels/internal/optimized/optimized_ops.h``.
    """
    ti, to = call.input(0), call.output
    (value_mantissa, value_shift), (gate_mantissa, gate_shift) = map(
        _in_16_bits, _multipliers(call)
    )
    hires = centred_codes(ti) << 7
    value = _saturate16(_high_mul16(hires, value_mantissa))
    gate = _saturate16(hires << max(gate_shift - 1, 0))
    gate = _saturate16(_high_mul16(gate, gate_mantissa))
    if gate_shift > 0:
        gate = _saturate16(gate << 1)
    gate = (_half_up(gate, max(-gate_shift, 0)) + 2**15) >> 1
    product = np.minimum((gate * value) >> 15, _INT16_MAX)
    code = (_half_up(product, -value_shift) + to.zero_point).astype(np.int16)
    body = look_up(x, np.clip(code, *to.code_range).astype(to.numpy_dtype))
    return np.where(_in_vectors(x.shape), body, hard_swish(call, x))


def _in_vectors(shape: tuple[int, ...]) -> Array:
    """Which elements are in whole vectors of 8."""
    return vector_body(shape, 8, math.prod(shape))


def _half_up(x: Array, right: int) -> Array:
    """``x >> right`` with ties up."""
    return np.asarray((x + ((1 << right) >> 1)) >> right)


def optimized_hard_swish_float(call: Call, x: Array) -> Array:
    """``(x * (1/6)) * min(6, max(0, x + 3))``; the last ``size % 4`` multiply by 1/6 last.

    ``HardSwish`` in ``tflite/kernels/internal/optimized/optimized_ops.h``.
    """
    sixth, reluish = np.float32(1 / 6), np.clip(x + np.float32(3), np.float32(0), np.float32(6))
    body = vector_body(x.shape, 4, x.size)
    return np.where(body, (x * sixth) * reluish, (x * reluish) * sixth)


def _optimized(since: dict[str, str], tolerance: float) -> Row:
    return Row(
        FLOAT,
        optimized_hard_swish_float,
        algorithm="float32; body: product with 1/6 first; tail: last",
        source=OPTIMIZED_HEADER,
        since=since,
        tolerance=tolerance,
    )


CARDS = (
    Card(
        "HARD_SWISH",
        {
            "xnnpack": (xnnpack_approximated(hard_swish_float, APPROXIMATELY),),
            "optimized": (
                _optimized(MEASURED, 0.0),
                _optimized({}, APPROXIMATED),
                Row(
                    EIGHT_BITS,
                    optimized_hard_swish_neon,
                    multiplier=_SCALES,
                    algorithm="16-bit fixed point; body: ties up, product floored",
                    source=OPTIMIZED_HEADER,
                    on=AARCH64,
                    ledger=Stages(_neon_stages),
                ),
            ),
            "reference": (
                finished(FLOAT, hard_swish_float, EXACT, "activations.cc"),
                Row(
                    EIGHT_BITS,
                    hard_swish,
                    multiplier=_SCALES,
                    algorithm="16-bit fixed point",
                    source=f"{REFERENCE_OPS}hard_swish.h",
                    ledger=Stages(_stages),
                ),
            ),
        },
        unary=True,
        function=(
            "real * relu6(real + 3) / 6",
            lambda real: real * min(max(real + 3, 0), 6) / 6,
        ),
        ported=ported.HARD_SWISH,
    ),
)
