"""Porting mistakes, each with what it computes: the second family of candidates.

A mistake is tried as one or more forms, since the same slip can be written in several ways. A form
takes an op as the kernel is handed it and gives it back with the mistake made (:class:`Made`), or
None where it does not apply or would change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from tflreplay.ground.rounding import INT32_MAX, INT32_MIN, Accumulation, Array, Multiplier, Rule
from tflreplay.ground.window import Window
from tflreplay.judgement.diagnosis import broken_rules, layouts
from tflreplay.judgement.diagnosis.made import Arrays, Made
from tflreplay.judgement.diagnosis.windows import windows_of
from tflreplay.model import Tensor
from tflreplay.ops import CARDS, card
from tflreplay.ops.base.call import Call, activation_range, with_input, with_options
from tflreplay.ops.base.card import Card, Slip
from tflreplay.ops.base.precision import Precision

Form = Callable[[Call, Arrays], "Made | None"]


@dataclass(frozen=True)
class Way:
    """One way of writing a mistake. ``you`` completes "you ...", and ``fix`` is one sentence.

    It is tried on the ops in which a mistake of the family ``only`` can be made, or on all.
    ``title`` names it where the mistake's own name would not be true of it.
    """

    form: Form
    you: str
    fix: str
    only: Slip | None = None
    title: str = ""

    def made(self, call: Call, arrays: Arrays) -> Made | None:
        return self.form(call, arrays) if self.suits(card(call.op.name)) else None

    def suits(self, known: Card) -> bool:
        if isinstance(self.form, layouts.WeightsReread):
            return self.form.suits(known)
        return self.only is None or self.only in known.slips


@dataclass(frozen=True)
class Mistake:
    """One porting mistake, in the ways in which it can be written.

    ``same_as`` names the rule that it comes to: the mistake is then known by that rule, and ``you``
    and ``fix`` are of it. ``scrambles`` is true of one that puts elements elsewhere.
    """

    name: str
    ways: tuple[Way, ...] = ()
    same_as: str = ""
    you: str = ""
    fix: str = ""
    scrambles: bool = False


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
    rows, columns = windows_of(call, x, weights)
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
    return None if bias is None else Made(call, (*arrays[:2], np.zeros_like(bias), *arrays[3:]))


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


_ADD_NUDGE = "round it: (a * b + 2**30) >> 31"
_ADD_HALF = "add half of the divisor before shifting (ties away from zero for RoundingDivideByPOT)"
_WIDEN = "convert the scales to float64 before multiplying"
_NARROW = "round to float32 where the kernel does; tflreplay rules prints its multiplier"
_ROUND = "round to nearest before the conversion, as the rule in force says"
_CENTRE = "subtract it from every code that is read, so that the padding counts as 0"
_ADD_LAST = "add it after rescaling and before the clamp"
_PADDED = "pad total // 2 before and the rest after"
_ADD_BIAS = "add the int32 bias to the accumulator, then rescale once"
_EACH_SCALE = "compute a multiplier and shift for each output channel from that channel's scale"
_CLAMP = "clamp to the activation's range, cut to the type's, before the conversion"
_ADD_FIRST = "add the zero point first; the bounds are zero point + round(bound / scale)"
_ORDER = "output channel c * multiplier + k belongs to input channel c, here and in the weights"
_WIDE_SUM = "accumulate in int32"
_WIDE_PRODUCT = "keep the product in int32"

# What each way of reading weights wrongly is called depends on the op: by number, its words.
_REREADINGS = tuple(
    Way(layouts.WeightsReread(number), "", "")
    for number in range(max(len(known.rereadings) for known in CARDS.values()))
)

MISTAKES = (
    Mistake(
        "floor instead of truncate in the high-mul",
        (
            Way(
                _rule(broken_rules.floored_high_mul),
                "floor where C++ truncates, in the high-mul: Python's // and >> make negative "
                "products one too low",
                "divide toward zero, or go on flooring and add 2**30 whatever the sign: "
                "(a * b + 2**30) >> 31",
            ),
        ),
    ),
    Mistake(
        "missing nudge in the high-mul",
        (
            Way(
                _rule(broken_rules.no_nudge),
                "take the high half of the product without adding 2**30 first",
                _ADD_NUDGE,
            ),
            Way(
                _rule(broken_rules.no_nudge_truncated),
                "divide the product by 2**31 without adding 2**30 first, which cuts toward zero",
                _ADD_NUDGE,
            ),
        ),
    ),
    Mistake(
        "rounding shift without the negative threshold",
        same_as="double-up",
        you="leave out the part of RoundingDivideByPOT that moves the threshold for negative "
        "values, so negative ties go up",
        fix="round ties away from zero: threshold = (mask >> 1) + (1 if x < 0 else 0)",
    ),
    Mistake(
        "half-even round in QuantizeMultiplier",
        (
            Way(
                _rule(broken_rules.half_even_mantissa),
                "quantize the multiplier with Python's or numpy's round(), which takes ties to "
                "even",
                "use floor(fraction * 2**31 + 0.5), as C's round() does for positive numbers",
            ),
        ),
    ),
    Mistake(
        "real multiplier computed in float32",
        (
            Way(
                _multiplier(Precision.FLOAT32),
                "compute input scale * filter scale / output scale in float32",
                _WIDEN,
                Slip.WEIGHTS,
            ),
            Way(
                _multiplier(Precision.FLOAT32_PRODUCT),
                "compute input scale * filter scale in float32",
                _WIDEN,
                Slip.WEIGHTS,
            ),
            Way(
                _rule(broken_rules.float32_multiplier),
                "compute the quotients of the inputs' and the output's scales in float32",
                "convert the scales to float64 before dividing",
                Slip.RESCALED_INPUTS,
            ),
            Way(
                _quotient32,
                "compute input scale / output scale in float32",
                "convert the scales to float64 before dividing",
                Slip.QUOTIENT,
            ),
        ),
    ),
    Mistake(
        "real multiplier computed in float64",
        (
            Way(
                _product64,
                "compute the product of both input scales over the output scale in float64, where "
                "this kernel rounds to float32",
                _NARROW,
                Slip.PRODUCT,
            ),
            Way(
                _multiplier(Precision.FLOAT64),
                "compute input scale * filter scale / output scale in float64, where this kernel "
                "rounds to float32",
                _NARROW,
                Slip.WEIGHTS,
            ),
        ),
    ),
    Mistake(
        # One name for all of these: where nothing was rounded before, they come to the same.
        "rescaled sum not rounded",
        (
            Way(
                _rule(broken_rules.arithmetic_shift),
                "shift right with >> and add nothing, which rounds down",
                _ADD_HALF,
                title="arithmetic shift instead of a rounding shift",
            ),
            Way(
                _rule(broken_rules.truncating_shift),
                "divide by a power of two in C and add nothing, which cuts toward zero",
                _ADD_HALF,
                title="truncation toward zero instead of a rounding shift",
            ),
            Way(
                _rule(broken_rules.truncated_product),
                "convert the floating-point product to an integer with a cast, which cuts toward "
                "zero",
                _ROUND,
                title="product not rounded",
            ),
            Way(
                _rule(broken_rules.floored_product),
                "round the floating-point product down",
                _ROUND,
                title="product rounded down",
            ),
        ),
    ),
    Mistake(
        "left shift after the high-mul",
        (
            Way(
                _rule(broken_rules.late_left_shift),
                "multiply by 2**shift after the high-mul, where a positive shift comes before it",
                "shift the accumulator left first: high_mul(acc << shift, multiplier)",
            ),
        ),
    ),
    Mistake(
        "zero point of the input left out",
        (
            Way(
                _input_zero_points(0),
                "leave out the input's zero point, which is not subtracted from its codes",
                _CENTRE,
            ),
            Way(
                _input_zero_point_after_padding,
                "leave out the input's zero point, though the padding has its code",
                _CENTRE,
                Slip.PADDING,
            ),
            Way(
                _input_zero_points(1),
                "leave out the second input's zero point, which is not subtracted from its codes",
                _CENTRE,
                Slip.SECOND_INPUT,
                title="zero point of the second input left out",
            ),
            Way(
                _input_zero_points(0, 1),
                "leave out both inputs' zero points, which are not subtracted from their codes",
                "subtract its zero point from every code",
                Slip.SECOND_INPUT,
                title="zero points of both inputs left out",
            ),
        ),
    ),
    Mistake(
        "zero point of the weights left out",
        (
            Way(
                _weights_zero_point,
                "take the weights' codes as they are",
                "subtract the weights' zero point from every weight",
                Slip.WEIGHTS,
            ),
        ),
    ),
    Mistake(
        "zero point of the output left out",
        (
            Way(_output_zero_point, "do not add the output's zero point", _ADD_LAST),
            Way(
                _output_zero_point_everywhere,
                "do not add the output's zero point",
                _ADD_LAST,
            ),
        ),
    ),
    Mistake(
        "padding with 0 instead of the zero point",
        (
            Way(
                _padding_with_zero,
                "pad the input with the code 0",
                "pad with the input's zero point, which is the code of the real number 0",
                Slip.PADDING,
            ),
        ),
    ),
    Mistake(
        "SAME padding split the wrong way round",
        (
            Way(
                _padding_split,
                "pad more before than after, or alike on both sides",
                _PADDED,
                Slip.PADDING,
            ),
        ),
        scrambles=True,
    ),
    Mistake(
        "bias left out",
        (
            Way(
                _no_bias,
                "do not add the bias",
                "add the int32 bias to the accumulator before rescaling",
                Slip.WEIGHTS,
            ),
        ),
    ),
    Mistake(
        "bias added after rescaling",
        (
            Way(
                _bias_rescaled_apart,
                "rescale the sum and the bias apart and add the results",
                _ADD_BIAS,
                Slip.WEIGHTS,
            ),
            Way(
                _bias_as_it_is,
                "add the bias to the rescaled sum, as if it were in output codes",
                _ADD_BIAS,
                Slip.WEIGHTS,
            ),
        ),
    ),
    Mistake(
        "per-tensor scale on per-channel weights",
        tuple(
            Way(
                _one_scale(choose),
                f"use {which} of the weights' scales for all output channels",
                _EACH_SCALE,
                Slip.WEIGHTS,
            )
            for which, choose in (
                ("the first", lambda scale: scale[0]),
                ("the largest", np.max),
                ("the mean", np.mean),
            )
        ),
    ),
    Mistake(
        "clamp left out",
        (
            Way(
                _no_activation,
                "leave out the fused activation",
                _CLAMP,
                title="fused activation left out",
            ),
            Way(
                _sums(_unclamped),
                "store the result without clamping it: what does not fit the type wraps around",
                _CLAMP,
            ),
        ),
    ),
    Mistake(
        "clamp applied before the zero point",
        (
            Way(
                _clamp_before_zero_point(_type_range),
                "clamp before adding the zero point, and then to the type alone",
                _ADD_FIRST,
            ),
            Way(
                _clamp_before_zero_point(_unclamped),
                "clamp before adding the zero point, and not after it",
                _ADD_FIRST,
            ),
            Way(
                _bounds_without_zero_point,
                "clamp to bounds to which the zero point was not added",
                _ADD_FIRST,
                title="zero point left out of the activation's bounds",
            ),
        ),
    ),
    Mistake(
        "layout swapped",
        (
            *_REREADINGS,
            Way(
                layouts.input_as_nchw,
                "read the input as NCHW",
                "TFLite's order of activations is NHWC",
                Slip.WEIGHTS,
                title="input read as NCHW",
            ),
        ),
        scrambles=True,
    ),
    Mistake(
        "depthwise channel multiplier order",
        tuple(
            Way(
                form,
                f"count the output's channels as k * C + c {where}",
                _ORDER,
                Slip.CHANNEL_ORDER,
            )
            for where, form in layouts.CHANNEL_ORDERS.items()
        ),
        scrambles=True,
    ),
    Mistake(
        "int8 weights read as uint8",
        (
            Way(
                _weights_unsigned,
                "read the weights' bytes as unsigned, which makes negative ones 256 too large",
                "read the buffer as int8",
                Slip.WEIGHTS,
            ),
        ),
    ),
    Mistake(
        "accumulator of 16 bits",
        tuple(
            Way(
                _sums(narrowed),
                f"{kept} in 16 bits, where large {what}s {how}",
                fix,
                slip,
                title,
            )
            for slip, what, kept, fix, title in (
                (Slip.SUM, "sum", "sum", _WIDE_SUM, ""),
                (Slip.PRODUCT, "product", "keep the product", _WIDE_PRODUCT, "product of 16 bits"),
            )
            for how, narrowed in (("wrap around", _wrapped16), ("saturate", _saturated16))
        ),
    ),
    Mistake(
        "saturation at -127",
        (
            Way(
                _symmetric_range,
                "clamp int8 outputs to -127 ... 127",
                "let activations use -128; only weights are symmetric",
            ),
        ),
    ),
)


def made_in(call: Call, arrays: Arrays) -> Iterator[tuple[Mistake, Way, Made]]:
    """Every mistake, in every way in which it can be made in an op and changes something."""
    known = card(call.op.name)
    for mistake in MISTAKES:
        for way in mistake.ways:
            made = way.made(call, arrays)
            if made is not None:
                yield mistake, _worded(way, known), made


def _worded(way: Way, known: Card) -> Way:
    if not isinstance(way.form, layouts.WeightsReread):
        return way
    read = known.rereadings[way.form.number]
    return replace(way, you=read.you, fix=read.fix, title=read.title)


def ways_of(mistake: Mistake) -> tuple[Way, ...]:
    """Every way in which it is tried on some op, in words."""
    found = {
        (worded.title, worded.you): worded
        for way in mistake.ways
        for known in CARDS.values()
        if way.suits(known)
        for worded in [_worded(way, known)]
    }
    return tuple(found.values())


def tried_on(known: Card) -> tuple[Mistake, ...]:
    """The mistakes that are tried on an op: on those that some engine requantizes by a rule."""
    if not any(row.rule for row in known.rows()):
        return ()
    return tuple(mistake for mistake in MISTAKES if any(way.suits(known) for way in mistake.ways))
