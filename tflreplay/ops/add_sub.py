"""ADD and SUB: inputs brought to a common scale, then their sum or difference to the output's."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import (
    Accumulation,
    Array,
    Multiplier,
    Rule,
    high_mul,
    requantize,
    rounding_divide_by_pot,
)
from tflreplay.model import Tensor
from tflreplay.ops.base import refusals
from tflreplay.ops.base.call import Call, accumulation, activation_range, operands
from tflreplay.ops.base.card import PAIR, Card, Form, Slip, Worst
from tflreplay.ops.base.cmsis_nn import CMSIS_NN, equal_shapes
from tflreplay.ops.base.conditions import Site, condition, every
from tflreplay.ops.base.ledger import RescaledInputs, Staged, Stages, Sum, Term, Terms
from tflreplay.ops.base.lines import of_pair
from tflreplay.ops.base.loops import Loop, inner_loop, narrowed, vector_body
from tflreplay.ops.base.plain import elementwise, with_activation
from tflreplay.ops.base.plain_rows import xnnpack_flushed
from tflreplay.ops.base.ported import pairs as ported
from tflreplay.ops.base.predicates import binary, ratio
from tflreplay.ops.base.rescaling import (
    Rescale,
    common_scale,
    left_shift,
    power_of_two,
    twice_largest_scale,
)
from tflreplay.ops.base.row import Clamp, Defect, NotModelled, Row
from tflreplay.ops.base.smallest import pair
from tflreplay.ops.base.step import (
    AWAY,
    DOWN,
    Step,
    doubled,
    multiplied,
    rounded,
    saturated,
    shifted,
)
from tflreplay.ops.base.terms import Arrays, Index, operand, sum_of_terms
from tflreplay.ops.base.types import EIGHT_BITS, INT8, INT16, UNQUANTIZED
from tflreplay.ops.base.words import (
    INTEGER_OPS,
    MICRO,
    MICRO_FLOAT64,
    OPTIMIZED_INTEGER_OPS,
    REFERENCE_OPS,
    finished,
)

_SCALES, _SCALES_16 = (
    f"float64 s/(2*max(s1, s2)); float64 2*max(s1, s2)/(float32 {shifted}*so)"
    for shifted in ("2**20", "2**15")
)
_MICRO_SCALES, _MICRO_SCALES_16 = (
    f"float32 s/(2*max(s1, s2)); float32 2*max(s1, s2)/({shifted}*so)"
    for shifted in ("2**20", "2**15")
)
_XNNPACK_SCALES = "float32 s/so, to 21 bits"


# ---- reference kernels ------------------------------------------------------------------------


def add(call: Call, a: Array, b: Array) -> Accumulation:
    """``requantize(rescale(a - za) + rescale(b - zb))``, the inputs broadcast.

    a, b: int8, uint8 or int16. ``AddElementwise`` in
    ``tflite/kernels/internal/reference/integer_ops/add.h`` and ``.../reference/add.h``.
    """
    return _rescaled_sum(call, a, b, call.rule)


def sub(call: Call, a: Array, b: Array) -> Accumulation:
    """``requantize(rescale(a - za) - rescale(b - zb))``, the inputs broadcast.

    a, b: int8, uint8 or int16. ``SubElementwise`` in ``tflite/kernels/internal/reference/sub.h``.
    """
    left, right = _rescaled(call, a, b, call.rule)
    return _on_common_scale(call, left - right)


def _rescaled_sum(call: Call, a: Array, b: Array, rescale: Rescale) -> Accumulation:
    """The sum of both inputs on their common scale, each brought there by ``rescale``."""
    left, right = _rescaled(call, a, b, rescale)
    return _on_common_scale(call, left + right)


def _rescaled(call: Call, a: Array, b: Array, by: Rescale) -> tuple[Array, Array]:
    """Both inputs on the common scale ``2 * max(s1, s2) / 2**left_shift``, as int64."""
    ta, tb = operands(call)
    twice, shift = twice_largest_scale(ta, tb), left_shift(ta)
    return common_scale(ta, a, twice, shift, by), common_scale(tb, b, twice, shift, by)


def _on_common_scale(call: Call, values: Array) -> Accumulation:
    ta, tb = operands(call)
    unit = float(np.float32(2.0 ** left_shift(ta)) * np.float32(call.output.scale))
    multiplier = Multiplier.of(twice_largest_scale(ta, tb) / unit)
    return accumulation(call, values, multiplier, call.option("fused_activation_function"))


def add_power_of_two(call: Call, a: Array, b: Array) -> Array:
    """``clamp(saturate16(a * s1 / so + b * s2 / so))``, the scales powers of two.

    a, b: int16 of one shape. One of the ratios is 1; the other is a right shift, rounded half away
    from zero. ``Add`` in ``tflite/kernels/internal/reference/add.h``.
    """
    if a.shape != b.shape:
        raise NotReplayed("ADD of power-of-two scales, broadcast: the kernel aborts")
    return _sum_of_power_of_two(call, a, b, 1)


def sub_power_of_two(call: Call, a: Array, b: Array) -> Array:
    """As :func:`add_power_of_two`, the second input subtracted; the inputs are broadcast.

    ``Sub16`` in ``tflite/kernels/internal/reference/sub.h``.
    """
    return _sum_of_power_of_two(call, a, b, -1)


def _sum_of_power_of_two(call: Call, a: Array, b: Array, sign: int) -> Array:
    shift_a, shift_b = _power_of_two_shifts(*operands(call), call.output)
    left = rounding_divide_by_pot(a.astype(np.int64), shift_a)
    right = rounding_divide_by_pot(b.astype(np.int64), shift_b)
    total = (left + sign * right).clip(-(2**15), 2**15 - 1)
    low, high = activation_range(call, call.option("fused_activation_function"))
    return np.asarray(total.clip(low, high).astype(np.int16))


def _power_of_two_shifts(a: Tensor, b: Tensor, y: Tensor) -> tuple[int, int]:
    """How far each input is shifted right to the output's scale, all three powers of two.

    Raises:
        NotReplayed: both are shifted, or one to the left, which the runtime refuses to run.
    """
    of_a, of_b, of_y = (round(math.log2(tensor.scale)) for tensor in (a, b, y))
    shifts = of_y - of_a, of_y - of_b
    if min(shifts) != 0:
        raise NotReplayed(f"int16 of the scales 2**{of_a}, 2**{of_b} and 2**{of_y}")
    return shifts


def _power_stages(sign: int) -> Stages:
    """Of :func:`add_power_of_two`, whose codes have no zero point."""

    def stages(call: Call, arrays: Arrays, index: Index, shape: Index) -> Staged:
        shifts = _power_of_two_shifts(*operands(call), call.output)
        codes = (operand(call, arrays, position, index).code for position in (0, 1))
        a, b = (
            rounded(name, f"{code} / 2**{shift}", Fraction(code, 2**shift), AWAY)
            for name, code, shift in zip("ab", codes, shifts, strict=True)
        )
        formula = f"{a.result} {'+' if sign > 0 else '-'} {b.result}"
        total = saturated("sum", formula, a.result + sign * b.result, -(2**15), 2**15 - 1)
        return Staged((), (a, b, total), zero_point=0)

    return Stages(stages)


@condition
def powers_of_two(site: Site) -> bool:
    """all scales powers of two, pot_scale_int16 set"""
    scales = [tensor.scale for tensor in (*site.inputs, *site.outputs)]
    exact = all(power_of_two(scale) is not None for scale in scales)
    return bool(site.op.options.get("pot_scale_int16")) and exact


add_unquantized = with_activation(np.add)
sub_unquantized = with_activation(np.subtract)


# ---- optimized kernels ------------------------------------------------------------------------


def optimized_add(call: Call, a: Array, b: Array) -> Array:
    """As :func:`add`, but for the vector body: ``narrow(rescale(a - za) + rescale(b - zb))``.

    a, b: int8 or uint8, broadcast. The body rescales its inputs with one rounding: the right shift
    comes before the product in the int8 kernel, 16 elements wide, and is cut off after it in the
    uint8 and the scalar-broadcast kernels, 8 wide. See :func:`~tflreplay.ops.base.loops.narrowed`
    for the rest.
    ``AddElementwiseInt8`` and ``AddScalarBroadcast`` in
    ``tflite/kernels/internal/optimized/integer_ops/add.h``, ``AddElementwise`` and
    ``AddScalarBroadcast`` in ``.../optimized/optimized_ops.h``.
    """
    tail = requantize(add(call, a, b), call.rule)
    loop = inner_loop(a.shape, b.shape)
    if loop is None:
        return tail
    wide = a.dtype == np.int8 and not loop.scalar
    rescale = _shift_then_multiply if wide else _multiply_then_shift
    body = narrowed(_rescaled_sum(call, a, b, rescale), call.rule, saturate=False)
    return np.where(loop.body(tail.shape, 16 if wide else 8), body, tail)


def optimized_add_int16(call: Call, a: Array, b: Array) -> Array:
    """As :func:`add`, but for the vector body, which rescales its inputs with one rounding.

    a, b: int16; the body is 16 elements wide. The reference kernel takes what is broadcast.
    ``AddElementwiseInt16`` in ``tflite/kernels/internal/optimized/integer_ops/add.h``.
    """
    tail = requantize(add(call, a, b), call.rule)
    if inner_loop(a.shape, b.shape) != Loop(a.size):
        return tail
    body = requantize(_rescaled_sum(call, a, b, _shift_then_multiply), call.rule)
    return np.where(vector_body(tail.shape, 16, tail.size), body, tail)


def _shift_then_multiply(acc: Array, m: Multiplier) -> Array:
    return high_mul(acc >> -m.shift, m.mantissa)


def _multiply_then_shift(acc: Array, m: Multiplier) -> Array:
    return np.asarray(high_mul(acc, m.mantissa) >> -m.shift)


def _optimized_stages(call: Call, arrays: Arrays, index: Index, shape: Index) -> Staged:
    """Of :func:`optimized_add` and :func:`optimized_add_int16`."""
    ta, tb = operands(call)
    loop, narrow = inner_loop(arrays[0].shape, arrays[1].shape), ta.dtype != "int16"
    if not narrow and loop != Loop(arrays[0].size):
        loop = None
    wide = ta.dtype != "uint8" and not (loop is not None and loop.scalar)
    body, note = (False, "") if loop is None else loop.place(index, shape, 16 if wide else 8)
    shift, twice = left_shift(ta), twice_largest_scale(ta, tb)
    steps: list[Step] = []
    scales: list[tuple[str, Multiplier]] = []
    parts: list[int] = []
    for position, (name, tensor) in enumerate((("a", ta), ("b", tb))):
        code, m = operand(call, arrays, position, index).value, Multiplier.of(tensor.scale / twice)
        start = Step(f"{code} * 2**{shift}", Fraction(code << shift), code << shift, label=name)
        rescale = doubled if not body else _shift_first if wide else _multiply_first
        steps += [start, *rescale(name, start.result, int(m.mantissa), int(m.shift))]
        scales.append((f"s{position + 1} / (2 * max(s1, s2))", m))
        parts.append(steps[-1].result)
    a, b = parts
    unit = float(np.float32(2.0**shift) * np.float32(call.output.scale))
    m = Multiplier.of(twice / unit)
    scales.append((f"2 * max(s1, s2) / (2**{shift} * so)", m))
    steps.append(Step(f"{a} + {b}", Fraction(a + b), a + b, label="sum"))
    steps += doubled("out", a + b, int(m.mantissa), int(m.shift))
    return Staged(tuple(scales), tuple(steps), bits=16 if body and narrow else 32, note=note)


def _shift_first(label: str, acc: int, mantissa: int, shift: int) -> Iterator[Step]:
    yield (right := shifted(label, acc, -shift, DOWN))
    yield multiplied(label, right.result, mantissa)


def _multiply_first(label: str, acc: int, mantissa: int, shift: int) -> Iterator[Step]:
    yield (product := multiplied(label, acc, mantissa))
    yield shifted(label, product.result, -shift, DOWN)


# ---- XNNPACK ----------------------------------------------------------------------------------


def xnnpack_add(call: Call, a: Array, b: Array) -> Accumulation:
    """``acc = (a - za) * ma + (b - zb) * mb``, requantized by ``2**-shift``, the inputs broadcast.

    a, b: int8 or uint8. With the float32 ratios ``ra = s1 / so`` and ``rb = s2 / so``:
    ``shift = 20 - floor(log2(max(ra, rb)))``, ``ma = round_half_even(ra * 2**shift)``, mb likewise.
    ``xnn_init_qs8_add_scalar_params`` in ``src/microparams-init.c``.
    """
    return _xnnpack_sum(call, a, b, 1)


def xnnpack_sub(call: Call, a: Array, b: Array) -> Accumulation:
    """As :func:`xnnpack_add`, with mb negated."""
    return _xnnpack_sum(call, a, b, -1)


def _xnnpack_sum(call: Call, a: Array, b: Array, sign: int) -> Accumulation:
    tensors = call.input(0), call.input(1)
    ratios = [np.float32(t.scale) / np.float32(call.output.scale) for t in tensors]
    shift = 21 - int(np.frexp(max(ratios))[1])
    left, right = (
        # 9 bits by 22: two such products fit an int32.
        (codes.astype(np.int32) - tensor.zero_point) * np.int32(np.rint(np.ldexp(ratio, shift)))
        for codes, tensor, ratio in zip((a, b), tensors, ratios, strict=True)
    )
    return accumulation(
        call,
        left + sign * right,
        Multiplier.of(2.0**-shift),
        call.option("fused_activation_function"),
    )


def _xnnpack_add_terms(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    return _xnnpack_terms(call, arrays, index, "+")


def _xnnpack_sub_terms(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    return _xnnpack_terms(call, arrays, index, "-")


def _xnnpack_terms(call: Call, arrays: Arrays, index: Index, sign: str) -> Sum:
    so = np.float32(call.output.scale)
    ratios = [np.float32(call.input(i).scale) / so for i in (0, 1)]
    shift = 21 - math.frexp(max(ratios))[1]
    ma, mb = (round(float(ratio) * 2.0**shift) for ratio in ratios)
    a, b = (operand(call, arrays, i, index) for i in (0, 1))
    return sum_of_terms(
        f"(a - z1) * ma {sign} (b - z2) * mb",
        Term((a,), ma),
        Term((b,), mb if sign == "+" else -mb),
        notes=(
            f"ma = round(s1/so * 2**{shift}) = {ma}",
            f"mb = round(s2/so * 2**{shift}) = {mb}",
        ),
    )


@condition
def sum_ratios(site: Site) -> bool:
    """2**-10 <= s1/so, s2/so < 256"""
    ratios = (ratio(site.input(position), site.output) for position in (0, 1))
    return all(2.0**-10 <= each < 256 for each in ratios)


_xnnpack_ratios = every(binary, sum_ratios)


# ---- TFLM -------------------------------------------------------------------------------------

tflm_add_int32 = elementwise(np.add)


def tflm_sub(call: Call, a: Array, b: Array) -> Accumulation:
    """As :func:`sub`, every multiplier a float32 quotient.

    ``CalculateOpDataSub`` in ``tensorflow/lite/micro/kernels/sub_common.cc`` until October 2026.
    """

    def rescale(acc: Array, multiplier: Multiplier) -> Array:
        return call.rule.apply(acc, _in_float32(multiplier))

    by_float32: Rule = replace(call.rule, apply=rescale)
    difference = sub(replace(call, rule=by_float32), a, b)
    return replace(difference, multiplier=_in_float32(difference.multiplier))


def _in_float32(multiplier: Multiplier) -> Multiplier:
    # A quotient of float32 values rounded to float64 and then to float32 is rounded correctly.
    return Multiplier.of(multiplier.real.astype(np.float32))


# -----------------------------------------------------------------------------------------------

_ADD_POWERS_OF_TWO = Row(
    INT16,
    add_power_of_two,
    algorithm="16-bit saturating sum",
    source=f"{REFERENCE_OPS}add.h",
    when=powers_of_two,
    ledger=_power_stages(1),
)


def _tflm_sub(types: tuple[str, ...], newer: str, older: str) -> tuple[Row, Row]:
    """The rows of the newer and of the older wheels, and how each computes the multipliers."""
    source = f"{MICRO}sub_common.cc"
    return (
        Row(
            types,
            sub,
            "double",
            newer,
            source=source,
            pairwise=True,
            since=MICRO_FLOAT64,
            ledger=RescaledInputs(-1),
        ),
        Row(
            types,
            tflm_sub,
            "double",
            older,
            source=source,
            pairwise=True,
            ledger=RescaledInputs(-1, np.float32),
        ),
    )


@condition
def multiplier_of_one(site: Site) -> bool:
    """2*max(s1, s2) of 2**20 (int16: 2**15) times so or more"""
    a, b = site.input(0), site.input(1)
    with np.errstate(all="ignore"):
        unit = float(np.float32(2.0 ** left_shift(a)) * np.float32(site.output.scale))
        return twice_largest_scale(a, b) >= unit


def _aborts(site: Site) -> str:
    return f"{site.op.name} with a multiplier of 1 or more: the kernel aborts"


_ADD_ABORTS = NotModelled(
    (*EIGHT_BITS, *INT16),
    _aborts,
    when=multiplier_of_one,
    defects=(
        Defect(
            "aborts the process for an output multiplier of 1 or more",
            multiplier_of_one,
            aborts=True,
            report="https://github.com/tensorflow/tensorflow/issues/60815",
        ),
    ),
)

CARDS = (
    Card(
        "ADD",
        {
            "xnnpack": (
                xnnpack_flushed(np.add, "sum"),
                Row(
                    EIGHT_BITS,
                    xnnpack_add,
                    "single",
                    _XNNPACK_SCALES,
                    "fixed point",
                    "src/microparams-init.c",
                    pairwise=True,
                    when=_xnnpack_ratios,
                    clamp=Clamp.HALF_EVEN,
                    ledger=Terms(_xnnpack_add_terms),
                    factors=True,
                ),
            ),
            "optimized": (
                _ADD_POWERS_OF_TWO,
                _ADD_ABORTS,
                Row(
                    INT16,
                    optimized_add_int16,
                    multiplier=_SCALES_16,
                    algorithm="double; body: inputs rescaled with one rounding",
                    source=f"{OPTIMIZED_INTEGER_OPS}add.h",
                    ledger=Stages(_optimized_stages),
                ),
                Row(
                    EIGHT_BITS,
                    optimized_add,
                    multiplier=_SCALES,
                    algorithm="double; body: inputs rescaled with one rounding, 16-bit sum",
                    source=f"{OPTIMIZED_INTEGER_OPS}add.h",
                    ledger=Stages(_optimized_stages),
                ),
            ),
            "reference": (
                _ADD_POWERS_OF_TWO,
                _ADD_ABORTS,
                Row(
                    INT16,
                    add,
                    "double",
                    _SCALES_16,
                    source=f"{REFERENCE_OPS}add.h",
                    ledger=RescaledInputs(1),
                ),
                finished(UNQUANTIZED, add_unquantized, "sum", f"{REFERENCE_OPS}add.h"),
                Row(
                    EIGHT_BITS,
                    add,
                    "double",
                    _SCALES,
                    source=f"{INTEGER_OPS}add.h",
                    pairwise=True,
                    ledger=RescaledInputs(1),
                ),
            ),
            "tflm": (
                finished(
                    ("int32",), tflm_add_int32, "sum, the activation ignored", f"{MICRO}add.cc"
                ),
            ),
            "cmsis-nn": (
                _ADD_ABORTS,
                *(
                    Row(
                        types,
                        add,
                        "double",
                        scales,
                        source=f"{CMSIS_NN}BasicMathFunctions/arm_elementwise_add_s8.c",
                        pairwise=True,
                        when=equal_shapes,
                        ledger=RescaledInputs(1),
                    )
                    for types, scales in ((INT8, _SCALES), (INT16, _SCALES_16))
                ),
            ),
        },
        operands=PAIR,
        slips=frozenset({Slip.SECOND_INPUT, Slip.RESCALED_INPUTS}),
        worst=Worst.AT_ENDS,
        rescales=("input 0", "input 1", "output"),
        sign=1,
        left_shift=left_shift,
        lines=of_pair,
        ported=ported.ADD,
        smallest=pair("AddOptions"),
        form=Form.SUM,
    ),
    Card(
        "SUB",
        {
            "xnnpack": (
                xnnpack_flushed(np.subtract, "difference"),
                Row(
                    EIGHT_BITS,
                    xnnpack_sub,
                    "single",
                    _XNNPACK_SCALES,
                    "fixed point",
                    "src/microparams-init.c",
                    pairwise=True,
                    when=_xnnpack_ratios,
                    clamp=Clamp.HALF_EVEN,
                    ledger=Terms(_xnnpack_sub_terms),
                    factors=True,
                ),
            ),
            "reference": (
                Row(
                    INT16,
                    sub_power_of_two,
                    algorithm="16-bit saturating sum",
                    source=f"{REFERENCE_OPS}sub.h",
                    when=powers_of_two,
                    ledger=_power_stages(-1),
                ),
                Row(
                    INT16,
                    sub,
                    "double",
                    _SCALES_16,
                    source=f"{REFERENCE_OPS}sub.h",
                    ledger=RescaledInputs(-1),
                ),
                finished(UNQUANTIZED, sub_unquantized, "difference", f"{REFERENCE_OPS}sub.h"),
                Row(
                    EIGHT_BITS,
                    sub,
                    "double",
                    _SCALES,
                    source=f"{REFERENCE_OPS}sub.h",
                    pairwise=True,
                    ledger=RescaledInputs(-1),
                ),
            ),
            "tflm": tuple(
                row
                for types, newer, older in (
                    (INT8, _SCALES, _MICRO_SCALES),
                    (INT16, _SCALES_16, _MICRO_SCALES_16),
                )
                for row in _tflm_sub(types, newer, older)
            ),
        },
        operands=PAIR,
        slips=frozenset({Slip.SECOND_INPUT, Slip.RESCALED_INPUTS}),
        worst=Worst.AT_ENDS,
        rescales=("input 0", "input 1", "output"),
        sign=-1,
        left_shift=left_shift,
        lines=of_pair,
        ported=ported.SUB,
        smallest=pair("SubOptions"),
        form=Form.DIFFERENCE,
        refusals=(
            refusals.Refusal(
                (*INT8, *INT16),
                multiplier_of_one,
                refusals.LARGER_OUTPUT,
                "sub.cc",
                refusals.IN_TFLM,
                aborts=True,
            ),
        ),
    ),
)
