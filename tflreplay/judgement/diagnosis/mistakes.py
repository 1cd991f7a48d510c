"""Porting mistakes, each with what it computes: the second family of candidates.

A mistake is tried as one or more forms, since the same slip can be written in several ways. A form
takes an op as the kernel is handed it and gives it back with the mistake made (:class:`Made`), or
None where it does not apply or would change nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tflreplay.ground.rounding import INT32_MAX, INT32_MIN, Accumulation, Array, Multiplier, Rule
from tflreplay.ground.window import Window, window
from tflreplay.judgement.diagnosis import broken_rules, layouts
from tflreplay.judgement.diagnosis.made import Arrays, Made
from tflreplay.model import Tensor
from tflreplay.ops import CARDS, card
from tflreplay.ops.base.call import Call, activation_range, with_input, with_options
from tflreplay.ops.base.card import Card, Slip
from tflreplay.ops.base.precision import Precision

Form = Callable[[Call, Arrays], "Made | None"]


@dataclass(frozen=True)
class Mistake:
    """One porting mistake. ``probably`` completes "you probably ..."; ``fix`` is one sentence.

    ``same_as`` names the rule that it comes to: the mistake is then known by that rule.
    """

    name: str
    probably: str
    fix: str
    forms: tuple[Form, ...] = ()
    same_as: str = ""


@dataclass(frozen=True)
class _Only:
    """A form that is tried on the ops in which such a mistake can be made."""

    slip: Slip
    form: Form

    def __call__(self, call: Call, arrays: Arrays) -> Made | None:
        return self.form(call, arrays) if self.suits(card(call.op.name)) else None

    def suits(self, known: Card) -> bool:
        return self.slip in known.slips


def _rule(changed: Callable[[Rule], Rule | None]) -> Form:
    return lambda call, arrays: Made(call, arrays, rule=changed)


def _sums(changed: Callable[[Accumulation], Accumulation]) -> Form:
    return lambda call, arrays: Made(call, arrays, sums=changed)


def _input_zero_points(*positions: int) -> Form:
    """The zero points of these inputs left out, of the padding too."""

    def form(call: Call, arrays: Arrays) -> Made | None:
        found = [call.inputs[p] for p in positions if p < len(call.inputs)]
        if len(found) < len(positions) or not any(map(_has_zero_point, found)):
            return None
        for position, tensor in zip(positions, found, strict=True):
            assert tensor is not None
            call = with_input(call, position, _without_zero_point(tensor))
        return Made(call, arrays)

    return form


def _input_zero_point_after_padding(call: Call, arrays: Arrays) -> Made | None:
    """The input's zero point left out, though the padding has its code."""
    padded = _repadded(call, arrays, lambda w: (w.before, w.after), call.input(0).zero_point)
    if padded is None:
        return None
    return _input_zero_points(0)(padded.call, padded.arrays)


def _has_zero_point(tensor: Tensor | None) -> bool:
    return tensor is not None and tensor.quantization is not None and tensor.zero_point != 0


def _without_zero_point(tensor: Tensor) -> Tensor:
    assert tensor.quantization is not None
    zeros = np.zeros_like(tensor.quantization.zero_point)
    return replace(tensor, quantization=replace(tensor.quantization, zero_point=zeros))


def _weights_zero_point(call: Call, arrays: Arrays) -> Made | None:
    weights = call.input(1)
    if weights.quantization is None or weights.quantization.per_axis:
        return None
    return _input_zero_points(1)(call, arrays)


def _output_zero_point(call: Call, arrays: Arrays) -> Made | None:
    """Nothing added after rescaling; the activation range is right."""
    return Made(call, arrays, sums=lambda a: replace(a, zero_point=0))


def _output_zero_point_everywhere(call: Call, arrays: Arrays) -> Made | None:
    """Not in the activation range either."""
    if not _has_zero_point(call.output):
        return None
    outputs = (_without_zero_point(call.output), *call.outputs[1:])
    return Made(replace(call, outputs=outputs), arrays)


def _repadded(
    call: Call, arrays: Arrays, widths: Callable[[Window], tuple[int, int]], code: int
) -> Made | None:
    """The input padded beforehand by ``widths`` of its rows and columns, with ``code``."""
    if call.option("padding") != "SAME":
        return None
    x, weights = arrays[:2]
    assert x is not None
    assert weights is not None
    rows, columns = (
        window(
            x.shape[axis],
            weights.shape[axis],
            call.option(f"stride_{letter}"),
            call.option(f"dilation_{letter}_factor"),
            "SAME",
        )
        for axis, letter in ((1, "h"), (2, "w"))
    )
    around = ((0, 0), widths(rows), widths(columns), (0, 0))
    if not any(map(any, around)):
        return None
    padded = np.pad(x, around, constant_values=code)
    return Made(with_options(call, padding="VALID"), (padded, *arrays[1:]))


def _padding_with_zero(call: Call, arrays: Arrays) -> Made | None:
    if not _has_zero_point(call.input(0)):
        return None
    return _repadded(call, arrays, lambda w: (w.before, w.after), 0)


def _padding_split(call: Call, arrays: Arrays) -> Made | None:
    """The larger half before instead of after: symmetric padding comes to the same."""
    return _repadded(call, arrays, lambda w: (w.after, w.before), call.input(0).zero_point)


def _bias(arrays: Arrays) -> Array | None:
    bias = arrays[2] if len(arrays) > 2 else None
    return bias if bias is not None and bias.any() else None


def _no_bias(call: Call, arrays: Arrays) -> Made | None:
    bias = _bias(arrays)
    return None if bias is None else Made(call, (*arrays[:2], np.zeros_like(bias)))


def _bias_rescaled_apart(call: Call, arrays: Arrays) -> Made | None:
    """Sum and bias each rounded, then added."""
    made, bias = _no_bias(call, arrays), _bias(arrays)
    if made is None or bias is None:
        return None

    def changed(rule: Rule) -> Rule:
        def apply(acc: Array, m: Multiplier) -> Array:
            return rule(acc, m) + rule(bias.astype(np.int64), m)

        return broken_rules.named(rule.name, apply)

    return replace(made, rule=changed)


def _bias_as_it_is(call: Call, arrays: Arrays) -> Made | None:
    """The bias added to the output as if it were in output codes."""
    made, bias = _no_bias(call, arrays), _bias(arrays)
    if made is None or bias is None:
        return None
    return replace(made, rescaled=lambda values: values + bias.astype(np.int64))


def _one_scale(choose: Callable[[Array], float]) -> Form:
    """One of the weights' scales used for every channel."""

    def form(call: Call, arrays: Arrays) -> Made | None:
        weights = call.input(1)
        if weights.quantization is None or not weights.quantization.per_axis:
            return None
        scale = weights.quantization.scale
        same = np.full_like(scale, choose(scale))
        if np.array_equal(same, scale):
            return None
        quantization = replace(weights.quantization, scale=same)
        return Made(with_input(call, 1, replace(weights, quantization=quantization)), arrays)

    return form


def _no_activation(call: Call, arrays: Arrays) -> Made | None:
    if call.op.options.get("fused_activation_function", "NONE") == "NONE":
        return None
    return Made(with_options(call, fused_activation_function="NONE"), arrays)


def _unclamped(a: Accumulation) -> Accumulation:
    """What does not fit the type wraps around."""
    return replace(a, low=INT32_MIN, high=INT32_MAX)


def _clamp_before_zero_point(limit: Callable[[Accumulation], Accumulation]) -> Form:
    """Clamped by the activation range before the zero point is added, then by ``limit``."""

    def form(call: Call, arrays: Arrays) -> Made | None:
        if not _has_zero_point(call.output):
            return None
        activation = call.op.options.get("fused_activation_function", "NONE")
        low, high = activation_range(call, activation)
        return Made(call, arrays, sums=limit, rescaled=lambda values: values.clip(low, high))

    return form


def _type_range(a: Accumulation) -> Accumulation:
    info = np.iinfo(a.dtype)
    return replace(a, low=int(info.min), high=int(info.max))


def _bounds_without_zero_point(call: Call, arrays: Arrays) -> Made | None:
    """The activation's bounds as real numbers over the scale, the zero point not added to them."""
    activation = call.op.options.get("fused_activation_function", "NONE")
    if activation == "NONE" or not _has_zero_point(call.output):
        return None
    bare = replace(call, outputs=(_without_zero_point(call.output), *call.outputs[1:]))
    low, high = activation_range(bare, activation)
    return Made(call, arrays, sums=lambda a: replace(a, low=low, high=high))


def _weights_unsigned(call: Call, arrays: Arrays) -> Made | None:
    weights = arrays[1]
    if weights is None or weights.dtype != np.int8 or (weights >= 0).all():
        return None
    return Made(call, (arrays[0], weights.view(np.uint8).astype(np.int16), *arrays[2:]))


def _wrapped16(a: Accumulation) -> Accumulation:
    return replace(a, values=a.values.astype(np.int64).astype(np.int16))


def _saturated16(a: Accumulation) -> Accumulation:
    return replace(a, values=a.values.clip(-(2**15), 2**15 - 1))


def _symmetric_range(call: Call, arrays: Arrays) -> Made | None:
    if call.output.dtype != "int8":
        return None
    return Made(call, arrays, sums=lambda a: replace(a, low=max(a.low, -127)))


def _multiplier(precision: Precision) -> Form:
    """The real multiplier of weights computed in another precision."""

    def form(call: Call, arrays: Arrays) -> Made | None:
        if call.row.multiplier == precision:
            return None
        changed = replace(call.row, multiplier=precision)
        return Made(replace(call, row=changed), arrays)

    return form


def _quotient32(call: Call, arrays: Arrays) -> Made | None:
    """MEAN's ``si / so`` rounded to float32."""
    quotient = np.float32(call.input(0).scale / call.output.scale)
    call = with_input(call, 0, _with_scale(call.input(0), quotient))
    outputs = (_with_scale(call.output, np.float32(1)),)
    return Made(replace(call, outputs=outputs), arrays)


def _with_scale(tensor: Tensor, scale: np.float32) -> Tensor:
    assert tensor.quantization is not None
    scales = np.full_like(tensor.quantization.scale, scale)
    return replace(tensor, quantization=replace(tensor.quantization, scale=scales))


def _product64(call: Call, arrays: Arrays) -> Made | None:
    """MUL's ``s1 * s2 / so`` in float64."""
    a, b, y = call.input(0).scale, call.input(1).scale, call.output.scale
    multiplier = Multiplier.of(a * b / y)
    return Made(call, arrays, sums=lambda acc: replace(acc, multiplier=multiplier))


# As many as the card with most has.
_REREADINGS = tuple(
    layouts.WeightsReread(number)
    for number in range(max(len(known.rereadings) for known in CARDS.values()))
)

MISTAKES = (
    Mistake(
        "floor instead of truncate in the high-mul",
        "wrote SaturatingRoundingDoublingHighMul with Python's // or >>, which floor, where C++ "
        "division truncates toward zero: with the same nudge, negative products come out one too "
        "low",
        "divide toward zero, or go on flooring and add 2**30 whatever the sign: "
        "(a * b + 2**30) >> 31",
        (_rule(broken_rules.floored_high_mul),),
    ),
    Mistake(
        "missing nudge in the high-mul",
        "took the high half of the product without adding 2**30 first",
        "round it: (a * b + 2**30) >> 31",
        (_rule(broken_rules.no_nudge), _rule(broken_rules.no_nudge_truncated)),
    ),
    Mistake(
        "rounding shift without the negative threshold",
        "left out the part of RoundingDivideByPOT that moves the threshold for negative values, so "
        "negative ties go up",
        "round ties away from zero: threshold = (mask >> 1) + (1 if x < 0 else 0)",
        same_as="double-up",
    ),
    Mistake(
        "half-even round in QuantizeMultiplier",
        "quantized the multiplier with Python's or numpy's round(), which takes ties to even",
        "use floor(fraction * 2**31 + 0.5), as C's round() does for positive numbers",
        (_rule(broken_rules.half_even_mantissa),),
    ),
    Mistake(
        "real multiplier computed in float32",
        "computed input scale * filter scale / output scale in float32",
        "convert the scales to float64 before multiplying",
        (
            _Only(Slip.WEIGHTS, _multiplier(Precision.FLOAT32)),
            _Only(Slip.WEIGHTS, _multiplier(Precision.FLOAT32_PRODUCT)),
            _Only(Slip.RESCALED_INPUTS, _rule(broken_rules.float32_multiplier)),
            _Only(Slip.QUOTIENT, _quotient32),
        ),
    ),
    Mistake(
        "real multiplier computed in float64",
        "computed the scales' product and quotient in float64, where this kernel rounds to float32",
        "round to float32 where the kernel does; tflreplay rules prints its multiplier",
        (_Only(Slip.PRODUCT, _product64), _Only(Slip.WEIGHTS, _multiplier(Precision.FLOAT64))),
    ),
    Mistake(
        "arithmetic shift instead of a rounding shift",
        "shifted right with >> and nothing added, which rounds down",
        "add half of the divisor before shifting (ties away from zero for RoundingDivideByPOT)",
        (_rule(broken_rules.arithmetic_shift), _rule(broken_rules.truncating_shift)),
    ),
    Mistake(
        "left shift after the high-mul",
        "multiplied by 2**shift after the high-mul, where a positive shift comes before it",
        "shift the accumulator left first: high_mul(acc << shift, multiplier)",
        (_rule(broken_rules.late_left_shift),),
    ),
    Mistake(
        "product not rounded",
        "converted the floating-point product to an integer without rounding it",
        "round to nearest before the conversion, as the rule in force says",
        (_rule(broken_rules.truncated_product), _rule(broken_rules.floored_product)),
    ),
    Mistake(
        "zero point of the input left out",
        "multiplied the input's codes without subtracting its zero point",
        "subtract it from every code: (x - zero_point) * weight",
        (
            _input_zero_points(0),
            _Only(Slip.PADDING, _input_zero_point_after_padding),
            _Only(Slip.SECOND_INPUT, _input_zero_points(1)),
            _Only(Slip.SECOND_INPUT, _input_zero_points(0, 1)),
        ),
    ),
    Mistake(
        "zero point of the weights left out",
        "took the weights' codes as they are",
        "subtract the weights' zero point from every weight",
        (_Only(Slip.WEIGHTS, _weights_zero_point),),
    ),
    Mistake(
        "zero point of the output left out",
        "did not add the output's zero point after rescaling",
        "add it after rescaling and before the clamp",
        (_output_zero_point, _output_zero_point_everywhere),
    ),
    Mistake(
        "padding with 0 instead of the zero point",
        "padded the input with the code 0",
        "pad with the input's zero point, which is the code of the real number 0",
        (_Only(Slip.PADDING, _padding_with_zero),),
    ),
    Mistake(
        "SAME padding split the wrong way round",
        "padded more before than after, or alike on both sides",
        "pad total // 2 before and the rest after",
        (_Only(Slip.PADDING, _padding_split),),
    ),
    Mistake(
        "bias left out",
        "did not add the bias",
        "add the int32 bias to the accumulator before rescaling",
        (_Only(Slip.WEIGHTS, _no_bias),),
    ),
    Mistake(
        "bias added after rescaling",
        "rescaled the sum first and added the bias to the result",
        "add the int32 bias to the accumulator, then rescale once",
        (_Only(Slip.WEIGHTS, _bias_rescaled_apart), _Only(Slip.WEIGHTS, _bias_as_it_is)),
    ),
    Mistake(
        "per-tensor scale on per-channel weights",
        "used one weight scale for all output channels",
        "compute a multiplier and shift for each output channel from that channel's scale",
        tuple(
            _Only(Slip.WEIGHTS, _one_scale(choose))
            for choose in (lambda scale: scale[0], np.max, np.mean)
        ),
    ),
    Mistake(
        "clamp left out",
        "stored the result without clamping it: what does not fit wraps around, or the fused "
        "activation is missing",
        "clamp to the activation's range, cut to the type's, before the conversion",
        (_no_activation, _sums(_unclamped)),
    ),
    Mistake(
        "clamp applied before the zero point",
        "clamped before adding the zero point, or with bounds that lack it",
        "add the zero point first; the bounds are zero point + round(bound / scale)",
        (
            _clamp_before_zero_point(_type_range),
            _clamp_before_zero_point(_unclamped),
            _bounds_without_zero_point,
        ),
    ),
    Mistake(
        "layout swapped",
        "read the weights or the input in another memory order",
        "TFLite's order is NHWC for activations, OHWI for CONV_2D weights, 1HW(C*multiplier) for "
        "DEPTHWISE_CONV_2D, (units, depth) for FULLY_CONNECTED",
        (*_REREADINGS, _Only(Slip.WEIGHTS, layouts.input_as_nchw)),
    ),
    Mistake(
        "depthwise channel multiplier order",
        "counted the output's channels as k * C + c, in the input, the weights or the output",
        "output channel c * multiplier + k belongs to input channel c, here and in the weights",
        tuple(_Only(Slip.CHANNEL_ORDER, form) for form in layouts.CHANNEL_ORDERS),
    ),
    Mistake(
        "int8 weights read as uint8",
        "read the weights' bytes as unsigned: negative ones are 256 too large",
        "read the buffer as int8",
        (_Only(Slip.WEIGHTS, _weights_unsigned),),
    ),
    Mistake(
        "accumulator of 16 bits",
        "summed in 16 bits, where large sums wrap around or saturate",
        "accumulate in int32",
        (_Only(Slip.SUM, _sums(_wrapped16)), _Only(Slip.SUM, _sums(_saturated16))),
    ),
    Mistake(
        "saturation at -127",
        "clamped int8 outputs to -127 ... 127",
        "let activations use -128; only weights are symmetric",
        (_symmetric_range,),
    ),
)


def tried_on(known: Card) -> tuple[Mistake, ...]:
    """The mistakes that are tried on an op: on those that some engine requantizes by a rule."""
    if not any(row.rule for row in known.rows()):
        return ()
    return tuple(
        mistake for mistake in MISTAKES if any(_suits(form, known) for form in mistake.forms)
    )


def _suits(form: Form, known: Card) -> bool:
    return not isinstance(form, _Only | layouts.WeightsReread) or form.suits(known)
