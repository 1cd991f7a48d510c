"""The bias, scale, shift or weights of another channel or tensor; one missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from tflreplay.ground.rounding import Accumulation, Array, Multiplier
from tflreplay.judgement.diagnosis.families.change import (
    Change,
    input_name,
    of_array,
    of_sums,
    quantized,
    with_scale,
)
from tflreplay.judgement.diagnosis.families.widths import saturated, wrapped
from tflreplay.judgement.diagnosis.in_order import BIAS, WEIGHTS, X
from tflreplay.judgement.diagnosis.made import Arrays, Form, Made
from tflreplay.judgement.diagnosis.said import Said
from tflreplay.model import Tensor
from tflreplay.ops import card
from tflreplay.ops.base.call import Call, with_input

_GROUPS = (2, 4, 8, 16, 32)
# What of a channel is taken from which, and how it is said.
_TAKEN: dict[str, Callable[[Array], Array]] = {
    "of the next channel": lambda x: np.roll(x, -1),
    "of the channel before": lambda x: np.roll(x, 1),
    "of the first channel for all": lambda x: np.full_like(x, x[0]),
    "of the last channel for all": lambda x: np.full_like(x, x[-1]),
    "of the channels in reverse": lambda x: x[::-1],
}


def changes(call: Call, arrays: Arrays) -> Iterator[Change]:
    if card(call.op.name).weighted:
        of_others = _TAKEN | _grouped(call.output.shape[-1]) | _multiplied_channels(call)
        yield from _bias(arrays, of_others)
        yield from _channels(call, of_others)
    yield from _scales(call)
    yield from _buffers(call, arrays)
    if quantized(call.input(0)):
        yield from _repeated(call, arrays)


def _grouped(channels: int) -> dict[str, Callable[[Array], Array]]:
    """What of a channel is taken from which, in vectors of several."""
    found: dict[str, Array] = {}
    every = np.arange(channels)
    for size in _GROUPS:
        if size >= channels:
            break
        first, rest = every // size * size, channels // size * size
        found[f"of the first channel of each {size}"] = first
        found[f"of the last channel of each {size}"] = np.minimum(first + size - 1, channels - 1)
        found[f"of the channel modulo {size}"] = every % size
        turned = np.where(every < rest, first + size - 1 - every % size, every)
        found[f"of the channels in reverse in each {size}"] = turned
        if rest < channels:
            past = f"past the last multiple of {size}"
            found[f"of the first channel {past}"] = np.where(every < rest, every, 0)
            found[f"of the channel before {past}"] = np.where(every < rest, every, rest - 1)
    return {name: _taken(index) for name, index in found.items()}


def _taken(index: Array) -> Callable[[Array], Array]:
    return lambda x: x[index]


def _multiplied_channels(call: Call) -> dict[str, Callable[[Array], Array]]:
    """What of an output channel is taken from which, where several belong to an input channel."""
    if not card(call.op.name).depthwise:
        return {}
    channels, outputs = call.input(X).shape[-1], call.output.shape[-1]
    times = outputs // channels
    if times < 2 or channels < 2:
        return {}
    every = np.arange(outputs)
    return {
        "of the input channel's number": lambda x: x[every // times],
        "of the input channel's number, counted as k * C + c": lambda x: x[every % channels],
        "counted as k * C + c": lambda x: x.reshape(channels, times).T.reshape(-1),
    }


def _buffers(call: Call, arrays: Arrays) -> Iterator[Change]:
    """One input's codes read for the other's, where they are alike in shape and type."""
    if card(call.op.name).weighted or len(arrays) < 2:
        return
    a, b, *rest = arrays
    if a is None or b is None or (a.shape, a.dtype) != (b.shape, b.dtype) or a.size < 2:
        return
    fix = "give the op each input's own buffer"
    for name, you, given in (
        (
            "buffers of both inputs exchanged",
            "read each input's codes for the other's",
            (b, a, *rest),
        ),
        (
            "first input read twice",
            "read the first input's codes for the second's too",
            (a, a, *rest),
        ),
        (
            "second input read twice",
            "read the second input's codes for the first's too",
            (b, b, *rest),
        ),
    ):
        yield Change(Said(name, you, fix), _given(given))


def _repeated(call: Call, arrays: Arrays) -> Iterator[Change]:
    """The smaller input repeated as memory goes, and not along its axes."""
    shape = tuple(call.output.shape)
    for position in (0, 1):
        array = arrays[position] if len(arrays) == 2 else None
        other = arrays[1 - position] if array is not None else None
        if array is None or other is None or array.shape == shape or other.shape != shape:
            continue
        name = input_name(call, position)
        said = Said(
            f"{name} repeated by its flat index",
            f"read the {name} at the output's flat index modulo its size",
            "broadcast it along the axes that it lacks, or in which its size is 1",
        )
        yield Change(said, _laid_out(position, shape))


def _laid_out(position: int, shape: tuple[int, ...]) -> Form:
    def form(call: Call, arrays: Arrays) -> Made | None:
        array = arrays[position]
        if array is None or card(call.op.name).weighted:
            return None
        flat = np.resize(array.reshape(-1), shape)
        if np.array_equal(flat, np.broadcast_to(array, shape)):
            return None
        return Made(call, (*arrays[:position], flat, *arrays[position + 1 :]))

    return form


def _given(given: Arrays) -> Form:
    return lambda call, arrays: Made(call, given)


def _bias(arrays: Arrays, of_others: Mapping[str, Callable[[Array], Array]]) -> Iterator[Change]:
    bias = arrays[2] if len(arrays) > 2 else None
    if bias is None or bias.ndim != 1:
        return
    others: dict[str, tuple[str, Callable[[Array], Array]]] = {
        f"bias {which}": (f"add the bias {which}", taken) for which, taken in of_others.items()
    }
    others |= {
        "bias subtracted": ("subtract the bias", lambda b: -b),
        "bias added twice": ("add the bias twice", lambda b: 2 * b),
        "bias of the last channel missing": ("leave out the last channel's bias", _without(-1)),
        "bias of the first channel missing": ("leave out the first channel's bias", _without(0)),
        "bias of the next channel, and none for the last": (
            "add the next channel's bias, and none to the last channel",
            lambda b: np.append(b[1:], b[:1] * 0),
        ),
        "bias of the channel before, and none for the first": (
            "add the bias of the channel before, and none to the first channel",
            lambda b: np.append(b[:1] * 0, b[:-1]),
        ),
        "bias of the next channel, the last one's twice": (
            "add the next channel's bias, and its own to the last channel",
            lambda b: np.append(b[1:], b[-1:]),
        ),
        "bias of the channel before, the first one's twice": (
            "add the bias of the channel before, and its own to the first channel",
            lambda b: np.append(b[:1], b[:-1]),
        ),
        "bias without its sign": ("add the bias's magnitude", np.abs),
    }
    for by in (1, 2, 4, 8, 16, -1, -8, -16):
        way = "left" if by > 0 else "right"
        name = f"bias shifted by {_bits(abs(by))} to the {way}"
        others[name] = (
            f"shift the bias by {_bits(abs(by))} to the {way}",
            partial(_shifted, by),
        )
    for multiple in (4, 8, 16):
        rest = len(bias) % multiple
        if rest and rest < len(bias):
            name = f"bias past the last multiple of {multiple} missing"
            you = f"leave out the bias of the channels past the last multiple of {multiple}"
            others[name] = (you, _without(slice(-rest, None)))
    for bits in (8, 12, 16, 18, 20, 24):
        others[f"bias of {bits} bits that wraps around"] = (
            f"keep the bias in {bits} bits, where it wraps around",
            wrapped(bits),
        )
        others[f"bias of {bits} bits that saturates"] = (
            f"keep the bias in {bits} bits, where it saturates",
            saturated(bits),
        )
    fix = "add each output channel's own int32 bias to its sum"
    for name, (you, changed) in others.items():
        yield Change(Said(name, you, fix), of_array(2, changed))


def _shifted(by: int, bias: Array) -> Array:
    """Wrapping in the bias's own type."""
    return bias << by if by > 0 else bias >> -by


def _bits(count: int) -> str:
    return f"{count} bit{'' if count == 1 else 's'}"


def _without(which: int | slice) -> Callable[[Array], Array]:
    def changed(bias: Array) -> Array:
        left = bias.copy()
        left[which] = 0
        return left

    return changed


def _channels(call: Call, of_others: Mapping[str, Callable[[Array], Array]]) -> Iterator[Change]:
    """Scales of other channels, or only their mantissas or shifts."""
    weights = call.input(1).quantization
    if weights is None or not weights.per_axis or len(np.unique(weights.scale)) < 2:
        return
    fix = "each output channel has its own multiplier and shift"
    for which, taken in of_others.items():
        for what, change in (("scale", _whole), ("mantissa", _mantissa), ("shift", _shift)):
            if what == "scale" and which == "of the first channel for all":
                continue  # listed
            of = "the weights' scale" if what == "scale" else f"the {what} of the multiplier"
            said = Said(f"{what} {which}", f"use {of} {which}", fix)
            yield Change(said, of_sums(_multiplied(change, taken)))
    for size in _GROUPS:
        if size >= call.output.shape[-1]:
            continue
        for which, choose in (("largest", np.max), ("smallest", np.min), ("mean", np.mean)):
            said = Said(
                f"{which} scale of each {size} channels",
                f"use the {which} scale of each {size} channels for all of them",
                fix,
            )
            yield Change(said, of_sums(_multiplied(_whole, _of_groups(size, choose))))
    for which, choose in (("largest", np.max), ("smallest", np.min)):
        for what, change in (("mantissa", _mantissa), ("shift", _shift)):
            said = Said(
                f"{which} {what} for all channels",
                f"use the {which} {what} of the channels' multipliers for all",
                fix,
            )
            taken = partial(_all, choose)
            yield Change(said, of_sums(_multiplied(change, taken)))
    said = Said(
        "mantissas shifted to the largest shift",
        "give all channels the largest shift, their mantissas shifted to match",
        fix,
    )
    yield Change(said, of_sums(_multiplied(_one_shift, lambda x: x)))
    smallest = Said("smallest scale for all channels", "use the smallest of the scales", fix)
    yield Change(smallest, of_sums(_multiplied(_whole, lambda x: np.full_like(x, x.min()))))


def _of_groups(size: int, choose: Callable[[Array], float]) -> Callable[[Array], Array]:
    def chosen(x: Array) -> Array:
        parts = [x[first : first + size] for first in range(0, len(x), size)]
        return np.concatenate([np.full_like(part, choose(part)) for part in parts])

    return chosen


def _all(choose: Callable[[Array], Array], x: Array) -> Array:
    return np.full_like(x, choose(x))


def _one_shift(m: Multiplier, taken: Callable[[Array], Array]) -> Multiplier:
    shift = np.full_like(m.shift, m.shift.max())
    return _of(m.mantissa >> (shift - m.shift), shift)


def _multiplied(
    change: Callable[[Multiplier, Callable[[Array], Array]], Multiplier],
    taken: Callable[[Array], Array],
) -> Callable[[Accumulation], Accumulation]:
    def changed(a: Accumulation) -> Accumulation:
        return replace(a, multiplier=change(a.multiplier, taken)) if a.multiplier.real.ndim else a

    return changed


def _whole(m: Multiplier, taken: Callable[[Array], Array]) -> Multiplier:
    return Multiplier.of(taken(m.real))


def _mantissa(m: Multiplier, taken: Callable[[Array], Array]) -> Multiplier:
    return _of(taken(m.mantissa), m.shift)


def _shift(m: Multiplier, taken: Callable[[Array], Array]) -> Multiplier:
    return _of(m.mantissa, taken(m.shift))


def _of(mantissa: Array, shift: Array) -> Multiplier:
    return Multiplier(np.ldexp(mantissa.astype(np.float64), shift - 31), mantissa, shift)


def _scales(call: Call) -> Iterator[Change]:
    """The scale of one tensor instead of another's, or none."""
    scales: dict[str, float] = {}
    for position, tensor in enumerate(call.inputs):
        if tensor is not None and quantized(tensor):
            scales.setdefault(_called(call, position), float(tensor.scale))
    if quantized(call.output):
        scales["output"] = float(call.output.scale)
    for position, tensor in enumerate(call.inputs):
        if tensor is None or not quantized(tensor):
            continue
        name = _called(call, position)
        if name == "bias":
            continue
        for whose, scale in {**scales, "": 1.0}.items():
            if whose in (name, "bias") or scale == float(tensor.scale):
                continue
            yield Change(_said(name, whose), _input(position, scale))
    if quantized(call.output):
        for whose, scale in {**scales, "": 1.0}.items():
            if whose not in ("output", "bias") and scale != float(call.output.scale):
                yield Change(_said("output", whose), _output(scale))
    yield from _rounded_scales(call)
    inputs = {n: s for n, s in scales.items() if n not in ("output", "bias", "weights")}
    if len(inputs) == 2 and len(set(inputs.values())) == 2:
        said = Said(
            "scales of both inputs exchanged",
            "use each input's scale for the other one",
            "each input has its own scale",
        )
        first, second = inputs.values()

        def exchanged(call: Call, arrays: Arrays) -> Made | None:
            made = _input(0, second)(call, arrays)
            return None if made is None else _input(1, first)(made.call, made.arrays)

        yield Change(said, exchanged)


def _rounded_scales(call: Call) -> Iterator[Change]:
    """Every scale rounded by itself."""
    fix = "keep the scales as the model has them, as float32"
    ways: dict[str, Callable[[Array], Array]] = {
        f"scales rounded {how} to powers of two": partial(_power_of_two, rounded)
        for how, rounded in (("up", np.ceil), ("down", np.floor), ("to nearest", np.rint))
    }
    for decimals in (2, 3, 4, 5, 6, 7):
        ways[f"scales with {decimals} decimals"] = partial(_decimals, decimals)
    ways["scales as float16"] = lambda scale: scale.astype(np.float16)
    for name, rounded in ways.items():
        said = Said("scales rounded", f"use {name}", fix, name)
        yield Change(said, _every_scale(rounded))


def _power_of_two(rounded: np.ufunc, scale: Array) -> Array:
    return np.asarray(np.exp2(rounded(np.log2(scale))))


def _decimals(decimals: int, scale: Array) -> Array:
    return np.round(scale, decimals)


def _every_scale(rounded: Callable[[Array], Array]) -> Form:
    def changed(tensor: Tensor | None) -> Tensor | None:
        if tensor is None or tensor.quantization is None or not tensor.quantization.scale.size:
            return tensor
        scale = rounded(tensor.quantization.scale.astype(np.float64)).astype(np.float32)
        return replace(tensor, quantization=replace(tensor.quantization, scale=scale))

    def form(call: Call, arrays: Arrays) -> Made | None:
        inputs = tuple(changed(tensor) for tensor in call.inputs)
        outputs = tuple(changed(tensor) or tensor for tensor in call.outputs)
        scales = [t.quantization.scale for t in (*inputs, *outputs) if t and t.quantization]
        if any((scale == 0).any() for scale in scales):
            return None
        return Made(replace(call, inputs=inputs, outputs=outputs), arrays)

    return form


def _called(call: Call, position: int) -> str:
    weighted = card(call.op.name).weighted
    if weighted and position in (WEIGHTS, BIAS):
        return "weights" if position == WEIGHTS else "bias"
    return input_name(call, position)


def _said(name: str, whose: str) -> Said:
    fix = f"use the {name}'s own scale"
    if not whose:
        return Said(f"scale of the {name} left out", f"leave out the {name}'s scale", fix)
    title = f"scale of the {whose} instead of the {name}'s"
    return Said(title, f"use the {whose}'s scale instead of the {name}'s", fix)


def _input(position: int, scale: float) -> Form:
    return lambda call, arrays: Made(
        with_input(call, position, with_scale(call.input(position), scale)), arrays
    )


def _output(scale: float) -> Form:
    def form(call: Call, arrays: Arrays) -> Made | None:
        outputs = (with_scale(call.output, scale), *call.outputs[1:])
        return Made(replace(call, outputs=outputs), arrays)

    return form
