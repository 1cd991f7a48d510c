"""Requantization rules: how an integer accumulator becomes an output code.

Pure arithmetic: knows no op and no graph. A rule takes exact accumulators and a
:class:`Multiplier` and returns ``round(acc * multiplier)`` in its own way of rounding, before the
output zero point and the clamp. All rules are vectorized over numpy int64 and agree bit for bit
with the C++ they name; ``tests/test_rounding.py`` holds literal transcriptions as oracles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from tflreplay.ground.c import shift_count, to_int32

Array = np.ndarray[Any, Any]

INT32_MIN = -(2**31)
INT32_MAX = 2**31 - 1


@dataclass(frozen=True)
class Multiplier:
    """A real multiplier and its Q31 form: ``real ~ mantissa * 2**(shift - 31)``.

    ``real`` is float64 and ``mantissa``, ``shift`` are int64; all have shape ``()`` for one
    multiplier a tensor, or ``(channels,)`` for one for each index of the last axis.
    """

    real: Array
    mantissa: Array
    shift: Array

    @classmethod
    def of(cls, real: Any) -> Multiplier:
        """The Q31 form that ``QuantizeMultiplier`` gives."""
        real = np.asarray(real, np.float64)
        return cls(real, *quantize_multiplier(real))

    def tiled(self, length: int) -> Multiplier:
        """The per-channel values repeated to ``length``, a multiple of their number."""
        if self.real.ndim == 0:
            return self
        times = length // self.real.size
        return Multiplier(
            np.tile(self.real, times), np.tile(self.mantissa, times), np.tile(self.shift, times)
        )

    def __getitem__(self, key: slice | Array) -> Multiplier:
        if self.real.ndim == 0:
            return self
        return Multiplier(self.real[key], self.mantissa[key], self.shift[key])


@dataclass(frozen=True)
class Accumulation:
    """What stands between a kernel's two halves: exact sums, and how they become codes.

    ``values`` holds exact integers in any dtype that holds them (int32, int64, or float32 when
    below 2**24), in the output's shape. The output is
    ``clamp(rule(values, multiplier) + zero_point, low, high)`` as ``dtype``.

    ``cuts`` says where the last axis was cut into parts, one a thread; a vector rule starts anew
    in each. ``bits`` is the width of the register that holds a sum.
    """

    values: Array
    multiplier: Multiplier
    zero_point: int
    low: int
    high: int
    dtype: np.dtype[Any]
    cuts: tuple[int, ...] = ()
    bits: int = 32


def quantize_multiplier(real: Array) -> tuple[Array, Array]:
    """Q31 mantissa and power-of-two exponent of non-negative real multipliers.

    ``QuantizeMultiplier`` in ``tflite/kernels/internal/quantization_util.cc``:
    ``fraction, shift = frexp(real)``, ``mantissa = round_half_away(fraction * 2**31)``; a mantissa
    of 2**31 is halved with ``shift + 1``; below 2**-31 both are 0.
    """
    fraction, exponent = np.frexp(np.asarray(real, np.float64))
    mantissa = np.floor(np.abs(fraction) * 2.0**31 + 0.5).astype(np.int64)
    mantissa = np.where(fraction < 0, -mantissa, mantissa)
    shift = exponent.astype(np.int64)
    carried = np.abs(mantissa) == 2**31
    mantissa = np.where(carried, mantissa // 2, mantissa)
    shift = shift + carried
    tiny = (shift < -31) | (mantissa == 0)
    return np.where(tiny, 0, mantissa), np.where(tiny, 0, shift)


def wrap32(values: Array) -> Array:
    """int64 reduced to the int32 value that a wrapping 32-bit register would hold."""
    return values.astype(np.int32).astype(np.int64)


def high_mul(a: Array, b: Array | int) -> Array:
    """``SaturatingRoundingDoublingHighMul`` of gemmlowp ``fixedpoint/fixedpoint.h`` on int32.

    The C++ adds a nudge that depends on the product's sign and divides, which truncates toward
    zero. Both branches come to ``(a * b + 2**30) >> 31`` with a flooring shift: ties go up.
    """
    product: Array = a * b
    product += 2**30
    product >>= 31
    # Only INT32_MIN * INT32_MIN reaches 2**31.
    return np.asarray(np.minimum(product, INT32_MAX))


def rounding_divide_by_pot(x: Array, exponent: Array | int) -> Array:
    """``RoundingDivideByPOT`` of gemmlowp ``fixedpoint/fixedpoint.h``: ties away from zero."""
    exponent = np.asarray(exponent)
    half = (1 << exponent) >> 1
    negative = (x >> 63) & -(exponent > 0).astype(np.int64)
    return np.asarray((x + half + negative) >> exponent)


def shifted_left(acc: Array, m: Multiplier) -> Array:
    """``acc * (1 << shift)`` in int32 for the positive shifts, acc for the others.

    As scalar C++ code does it: see :func:`~tflreplay.ground.c.shift_count` for 32 bits and more.
    """
    left = shift_count(np.maximum(m.shift, 0))
    return wrap32(acc << left) if left.any() else acc


def double(acc: Array, m: Multiplier) -> Array:
    """Double rounding: high-mul (ties up), then a right shift with ties away from zero.

    ``MultiplyByQuantizedMultiplier(int32_t, ...)`` in ``tflite/kernels/internal/common.cc``, built
    without ``TFLITE_SINGLE_ROUNDING``.
    """
    high = high_mul(shifted_left(acc, m), m.mantissa)
    return rounding_divide_by_pot(high, np.maximum(-m.shift, 0))


def double_up(acc: Array, m: Multiplier) -> Array:
    """Double rounding with both ties up: ``(high_mul(...) + 2**(right - 1)) >> right``.

    The vector code: ``MultiplyByQuantizedMultiplier4Rows`` in ``tflite/kernels/internal/common.cc``
    and ruy's SIMD kernels. It differs from :func:`double` where the second step is a negative tie.
    """
    left, right = np.maximum(m.shift, 0), np.maximum(-m.shift, 0)
    x = wrap32(acc << left) if left.any() else acc
    return np.asarray((high_mul(x, m.mantissa) + ((1 << right) >> 1)) >> right)


def single(acc: Array, m: Multiplier) -> Array:
    """Single rounding: one 64-bit product, one right shift, ties up.

    ``MultiplyByQuantizedMultiplier`` built with ``TFLITE_SINGLE_ROUNDING``:
    ``(acc * mantissa + 2**(30 - shift)) >> (31 - shift)``.
    """
    total = 31 - m.shift
    return np.asarray((acc * m.mantissa + (1 << (total - 1))) >> total)


def ruy_neon(acc: Array, m: Multiplier) -> Array:
    """Single rounding, ties up; the accumulator is shifted by one bit more before it.

    ``(floor(w32(acc << (shift + r)) * mantissa / 2**31) + 2**(r - 1)) >> r`` with
    ``r = max(-shift, 1)``: the product is cut, not rounded, since r is never 0. ``w32`` keeps the
    low 32 bits, 0 after a shift by 32 or more. ruy's ``kernel_arm64.cc``, all ``Kernel8bitNeon*``:
    ``sshl``, ``sqdmulh``, ``srshl``.
    """
    right = np.maximum(-m.shift, 1)
    left = m.shift + right
    x = wrap32(np.where(left < 32, acc << np.minimum(left, 31), 0))
    return _rounding_shift((x * m.mantissa) >> 31, right)


def double_up_late(acc: Array, m: Multiplier) -> Array:
    """As :func:`double_up`, but what is shifted left is the product, and it saturates.

    ``h = high_mul(acc, mantissa)``; a positive shift gives ``sat32(h << shift)``, so a multiple of
    ``2**shift``. ``DepthwiseConvWindowPerChannel`` in
    ``tflite/kernels/internal/optimized/integer_ops/depthwise_conv_3x3_filter.h``.
    """
    left, right = np.maximum(m.shift, 0), np.maximum(-m.shift, 0)
    return _rounding_shift(_sat32(high_mul(acc, m.mantissa) << left), right)


def rndnu(acc: Array, m: Multiplier) -> Array:
    """``floor(acc * s + 1/2)``, s the float32 multiplier, exactly; acc is not rounded to float32.

    A multiplier from 1/2 on shifts acc to the left before, saturating to int32:
    ``(floor(sat32(acc << pre) * mantissa / 2**31) + 2**(post - 1)) >> post``, the mantissa that of
    float32, 24 bits wide, times 2**7. XNNPACK's ``rndnu_neon`` in ``src/microparams-init.c`` and
    ``src/qs8-gemm/neon-mlal-lane.c.in``.
    """
    mantissa, pre, post = _rndnu(m)
    return _rounding_shift((_sat32(acc << pre) * mantissa) >> 31, post)


def rndnu_wrapping(acc: Array, m: Multiplier) -> Array:
    """As :func:`rndnu`, but the shift to the left keeps the low 32 bits.

    XNNPACK's ``src/qu8-dwconv/unipass-neon-mul8.c.in``: ``vshlq`` in the place of ``vqshlq``.
    """
    mantissa, pre, post = _rndnu(m)
    return _rounding_shift((wrap32(acc << pre) * mantissa) >> 31, post)


def _rndnu(m: Multiplier) -> tuple[Array, Array, Array]:
    """The Q31 mantissa of the float32 multiplier, and the shifts before and after the product."""
    fraction, exponent = np.frexp(m.real.astype(np.float32))
    mantissa = (fraction.astype(np.float64) * 2.0**31).astype(np.int64)
    post = np.maximum(-exponent.astype(np.int64), 1)
    return mantissa, post + exponent, post


def rndnu16(acc: Array, m: Multiplier) -> Array:
    """A product of 16 bits, ties up: ``(sat16(acc shifted by e) * q + 2**14) >> 15``.

    The multiplier is ``q * 2**(e - 15)``, q rounded to 16 bits. acc is shifted right rounding ties
    up, or left saturating to int32. XNNPACK's ``init_qu8_gemm_config`` in
    ``src/configs/gemm-config.c`` chooses it for some CPUs (``XNN_ENABLE_RNDNU16``).
    """
    fraction, exponent = np.frexp(m.real.astype(np.float32))
    q = ((fraction.astype(np.float64) * 2.0**24).astype(np.int64) + 2**8) >> 9
    carried = q == 2**15
    q, e = np.where(carried, 2**14, q), exponent.astype(np.int64) + carried
    x = _rounding_shift(_sat32(acc << np.maximum(e, 0)), np.maximum(-e, 0))
    return np.asarray(np.minimum((_sat16(x) * q + 2**14) >> 15, 2**15 - 1))


def _rounding_shift(x: Array, right: Array) -> Array:
    """``x >> right`` with ties up."""
    return np.asarray((x + ((1 << right) >> 1)) >> right)


def _sat16(x: Array) -> Array:
    return x.clip(-(2**15), 2**15 - 1)


def _sat32(x: Array) -> Array:
    return x.clip(INT32_MIN, INT32_MAX)


def single_away(acc: Array, m: Multiplier) -> Array:
    """Single rounding with ties away from zero: one 64-bit product, one rounding right shift.

    No engine here computes it; ports do, that hand the whole shift to ``RoundingDivideByPOT``.
    """
    return rounding_divide_by_pot(acc * m.mantissa, 31 - m.shift)


def reduced16(acc: Array, m: Multiplier) -> Array:
    """Single rounding by the mantissa cut to 16 bits, ties up.

    ``MultiplyByQuantizedMultiplier(int64_t, ...)`` in ``tflite/kernels/internal/common.cc``:
    ``r = (mantissa + 2**15) >> 16``, at most 0x7FFF; ``(acc * r + 2**(14 - shift)) >> (15 -
    shift)``.
    """
    total = 15 - m.shift
    return np.asarray((acc * reduced_mantissa(m.mantissa) + (1 << (total - 1))) >> total)


def reduced16_wrapping(acc: Array, m: Multiplier) -> Array:
    """As :func:`reduced16`, but the product keeps 32 bits before its last one is rounded away.

    ``w32((w32((acc * r) >> (14 - shift)) + 1)) >> 1``, which is :func:`reduced16` while the
    quotient lies in [-2**30, 2**30). ``arm_nn_requantize_s64`` in CMSIS-NN's
    ``Include/arm_nnsupportfunctions.h``.
    """
    kept = wrap32((acc * reduced_mantissa(m.mantissa)) >> (14 - m.shift))
    return np.asarray(wrap32(kept + 1) >> 1)


def reduced_mantissa(mantissa: Array) -> Array:
    """A Q31 mantissa cut to 16 bits, as :func:`reduced16` multiplies by it."""
    return np.where(mantissa < 0x7FFF0000, (mantissa + (1 << 15)) >> 16, 0x7FFF)


def float_away64(acc: Array, m: Multiplier) -> Array:
    """float64 product, halves away from zero, then a C cast to int32.

    ``reference_integer_ops::FullyConnected`` in
    ``tflite/kernels/internal/reference/integer_ops/fully_connected.h`` (LiteRT 1.3.0 on).
    """
    return to_int32(round_half_away(_float64_product(acc, m)))


def float_away64_saturating(acc: Array, m: Multiplier) -> Array:
    """As :func:`float_away64` on aarch64, where the cast saturates."""
    return to_int32(round_half_away(_float64_product(acc, m)), saturating=True)


def float_even32(acc: Array, m: Multiplier) -> Array:
    """float32 product, halves to even. The accumulator too is rounded to float32, above 2**24.

    XNNPACK's ``fp32`` requantization, ``src/xnnpack/requantization.h``. The result saturates far
    outside every output type, so that adding a zero point cannot wrap.
    """
    return _saturated(np.rint(_float32_product(acc, m)))


def float_even32_wrapping(acc: Array, m: Multiplier) -> Array:
    """As :func:`float_even32`, but a product below int32 becomes INT32_MIN.

    There a negative zero point wraps around and gives the highest code: XNNPACK's int8 GEMM kernels
    for AVX-512, which cut the product from above only.
    """
    return np.rint(_float32_product(acc, m)).clip(INT32_MIN, 2.0**30).astype(np.int64)


def float_even32_kleidi(acc: Array, m: Multiplier) -> Array:
    """As :func:`float_even32`, saturating to int32 only.

    There a zero point wraps around, above as well as below: KleidiAI's kernels for SME, which
    XNNPACK takes in ``init_pqs8_qc8w_gemm_config``, ``src/configs/gemm-config.c``.
    """
    return _sat32(np.rint(_float32_product(acc, m)).astype(np.float64)).astype(np.int64)


def float_even64(acc: Array, m: Multiplier) -> Array:
    """float64 product, halves to even: ``round`` of Python and numpy."""
    return _saturated(np.rint(_float64_product(acc, m)))


def float_up64(acc: Array, m: Multiplier) -> Array:
    """float64 product, halves up: ``floor(x + 0.5)``."""
    return _saturated(np.floor(_float64_product(acc, m) + 0.5))


def float_away32(acc: Array, m: Multiplier) -> Array:
    """float32 product, halves away from zero."""
    return _saturated(round_half_away(_float32_product(acc, m)))


def float_up32(acc: Array, m: Multiplier) -> Array:
    """float32 product, halves up: ``floor(x + 0.5)``."""
    return _saturated(np.floor(_float32_product(acc, m) + np.float32(0.5)))


def _saturated(rounded: Array) -> Array:
    return rounded.clip(-(2.0**30), 2.0**30).astype(np.int64)


def _float64_product(acc: Array, m: Multiplier) -> Array:
    return np.asarray(acc.astype(np.float64) * m.real)


def _float32_product(acc: Array, m: Multiplier) -> Array:
    return np.asarray(acc.astype(np.float32) * m.real.astype(np.float32))


def round_half_away(x: Array) -> Array:
    """C ``round``: nearest integer, halves away from zero, in x's own float type."""
    whole = np.trunc(x)
    return np.asarray(whole + np.copysign(np.abs(x - whole) >= 0.5, x).astype(x.dtype))


@dataclass(frozen=True)
class Rule:
    """A way of rounding ``acc * multiplier`` to an integer.

    ``apply(acc, multiplier)`` takes int64 accumulators and returns int64, both of any one shape;
    a per-channel multiplier broadcasts along the last axis. ``slack(multiplier)``, of the
    multiplier's shape, bounds how far from a tie, in output codes, the rule may still differ from
    rounding the real product to the nearest integer. ``bits`` is the width of the accumulators that
    engines hand to it.
    """

    name: str
    apply: Callable[[Array, Multiplier], Array]
    slack: Callable[[Multiplier], Array]
    bits: int = field(default=32, kw_only=True)

    def __call__(self, acc: Array, multiplier: Multiplier) -> Array:
        return self.apply(acc, multiplier)


@dataclass(frozen=True)
class VectorRule(Rule):
    """The rule of a loop whose body is vector code and whose tail rounds in another way.

    ``apply`` and ``slack`` are the body's, which takes the first ``width * (length // width)``
    elements of the last axis or, where ``flat``, of the whole output; ``tail`` takes the rest. What
    a value becomes depends on where it stands, so accumulators must be given whole.
    """

    tail: Rule
    width: int
    flat: bool = False

    def __call__(self, acc: Array, multiplier: Multiplier) -> Array:
        values = self.loops(acc)
        codes = np.empty(values.shape, np.int64)
        for part, rule in self.parts(values.shape[-1]):
            codes[..., part] = rule(values[..., part], multiplier.tiled(values.shape[-1])[part])
        return codes.reshape(acc.shape)

    def loops(self, acc: Array) -> Array:
        """View of ``acc`` whose last axis is what one loop runs over."""
        return acc.reshape(-1) if self.flat else np.atleast_1d(acc)

    def parts(self, length: int, cuts: tuple[int, ...] = ()) -> Iterator[tuple[slice, Rule]]:
        """The stretches of a loop over ``length`` elements, each with its rule."""
        body = Rule(self.name, self.apply, self.slack)
        for start, stop in pairwise((0, *cuts, length)):
            middle = stop - (stop - start) % self.width
            if start < middle:
                yield slice(start, middle), body
            if middle < stop:
                yield slice(middle, stop), self.tail


def _double_slack(m: Multiplier) -> Array:
    # The first of the two roundings moves the value by up to half a unit of its 2**shift.
    return np.asarray(np.exp2(np.minimum(m.shift, 0) - 1.0))


def _no_slack(m: Multiplier) -> Array:
    return np.zeros(m.real.shape)


def _any_slack(m: Multiplier) -> Array:
    return np.full(m.real.shape, np.inf)


_DOUBLE = Rule("double", double, _double_slack)

RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        _DOUBLE,
        Rule("double-up", double_up, _double_slack),
        VectorRule("neon8", double_up, _double_slack, _DOUBLE, 8),
        VectorRule("neon16", double_up, _double_slack, _DOUBLE, 16),
        VectorRule("neon16-flat", double_up, _double_slack, _DOUBLE, 16, flat=True),
        Rule("double-up-late", double_up_late, _double_slack),
        Rule("single", single, _no_slack),
        Rule("ruy-neon", ruy_neon, _no_slack),
        Rule("rndnu", rndnu, _no_slack),
        Rule("rndnu-wrapping", rndnu_wrapping, _no_slack),
        Rule("rndnu16", rndnu16, _any_slack),
        Rule("float-away64", float_away64, _no_slack),
        Rule("float-away64-saturating", float_away64_saturating, _no_slack),
        # The short cut of requantize() computes this very product, so no element can differ.
        Rule("float-even32", float_even32, _no_slack),
        Rule("float-even32-wrapping", float_even32_wrapping, _no_slack),
        Rule("float-even32-kleidi", float_even32_kleidi, _no_slack),
        Rule("reduced16", reduced16, _any_slack, bits=64),
        Rule("reduced16-wrapping", reduced16_wrapping, _any_slack, bits=64),
        # What other runtimes and ports compute; no table here names them.
        Rule("single-away", single_away, _no_slack),
        Rule("float-even64", float_even64, _no_slack),
        Rule("float-up64", float_up64, _no_slack),
        Rule("float-away32", float_away32, _no_slack),
        Rule("float-up32", float_up32, _no_slack),
    )
}

# Elements requantized at a time: the temporaries stay in the second-level cache.
_BLOCK = 32768
# A float32 product of an 8-bit op's accumulator is off by less than this, in output codes: three
# roundings of 2**-24 each on a value that matters only up to 512.
_FLOAT32_ERROR = 2.0**-13
# Above this, too many elements lie near a tie for the float32 short cut to pay.
_MOST_DOUBT = 0.15


def requantize(accumulation: Accumulation, rule: Rule) -> Array:
    """The second half of a kernel: accumulators to codes of ``accumulation.dtype``.

    Every rule rounds to the nearest integer except near a tie, so a float32 product decides the
    elements that lie further from one than the rule's slack and the product's error together; the
    rule itself decides the rest. Where the slack is large, or the sum with the zero point could
    wrap, the rule decides all.
    """
    a = accumulation
    if isinstance(rule, VectorRule):
        return _requantize_parts(a, rule)
    values = np.ascontiguousarray(a.values).reshape(-1)
    codes = np.empty(values.shape, a.dtype)
    doubt = rule.slack(a.multiplier) + _FLOAT32_ERROR
    wraps = bool((np.abs(a.multiplier.real) >= 0.5).any())
    if doubt.mean() < _MOST_DOUBT and not wraps and a.dtype.itemsize == 1:
        doubtful = _round_to_nearest(a, values, doubt, codes)
        multiplier = a.multiplier[doubtful % max(doubt.size, 1)]
        codes[doubtful] = _by_rule(a, values[doubtful], multiplier, rule)
    else:
        multiplier = a.multiplier.tiled(_block(a, values.size))
        for part in _blocks(a, values.size):
            acc = values[part]
            codes[part] = _by_rule(a, acc, multiplier[: acc.size], rule)
    return codes.reshape(a.values.shape)


def _requantize_parts(a: Accumulation, rule: VectorRule) -> Array:
    values = rule.loops(a.values)
    multiplier = a.multiplier.tiled(values.shape[-1])
    codes = np.empty(values.shape, a.dtype)
    for part, rule_of_part in rule.parts(values.shape[-1], a.cuts):
        piece = replace(a, values=values[..., part], multiplier=multiplier[part])
        codes[..., part] = requantize(piece, rule_of_part)
    return codes.reshape(a.values.shape)


def _by_rule(a: Accumulation, acc: Array, multiplier: Multiplier, rule: Rule) -> Array:
    code = wrap32(rule(acc.astype(np.int64), multiplier) + a.zero_point)
    return code.clip(a.low, a.high, out=code)


def _round_to_nearest(a: Accumulation, values: Array, doubt: Array, codes: Array) -> Array:
    """Fill ``codes`` by a float32 product; the indices of elements within ``doubt`` of a tie."""
    block = _block(a, values.size)
    times = block // doubt.size
    real = np.tile(a.multiplier.real.astype(np.float32), times)
    certain = np.tile((0.5 - doubt).astype(np.float32), times)
    doubtful = []
    for part in _blocks(a, values.size):
        acc = values[part]
        product = acc.astype(np.float32, copy=False) * real[: acc.size]
        nearest = np.rint(product)
        product -= nearest
        np.abs(product, out=product)
        doubtful.append(np.flatnonzero(product >= certain[: acc.size]) + part.start)
        nearest += a.zero_point
        codes[part] = nearest.clip(a.low, a.high, out=nearest)
    return np.concatenate(doubtful) if doubtful else np.empty(0, np.intp)


def _block(a: Accumulation, size: int) -> int:
    """Elements in a block: whole runs of channels, so that one tiled multiplier serves all."""
    channels = max(a.multiplier.real.size, 1)
    return min(max(_BLOCK // channels, 1) * channels, max(size, channels))


def _blocks(a: Accumulation, size: int) -> Iterator[slice]:
    block = _block(a, size)
    return (slice(start, start + block) for start in range(0, size, block))
