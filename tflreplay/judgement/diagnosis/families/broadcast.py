"""Operands laid along another axis, repeated, or read in one place for all."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.judgement.diagnosis.families.change import Change, input_name, of_array, quantized
from tflreplay.judgement.diagnosis.made import Arrays
from tflreplay.judgement.diagnosis.said import Said
from tflreplay.ops import card
from tflreplay.ops.base.call import Call

_AXES = {4: ("batch", "row", "column", "channel"), 3: ("row", "column", "channel")}
_MODULI = (2, 4, 8, 16, 32, 64)
_FIX = "read each element at its own index, along the axes that the operand has"


def changes(call: Call, arrays: Arrays) -> Iterator[Change]:
    if card(call.op.name).weighted:
        return
    shape = tuple(call.output.shape)
    for position, (tensor, array) in enumerate(zip(call.inputs, arrays, strict=True)):
        if tensor is None or array is None or not quantized(tensor) or array.size < 2:
            continue
        name = input_name(call, position)
        for how, taken in _ways(array.shape, shape, len(arrays) > 1):
            said = Said(f"{name} {how}", f"read the {name} {how}", _FIX)
            yield Change(said, of_array(position, taken))


def _ways(
    shape: tuple[int, ...], out: tuple[int, ...], paired: bool
) -> Iterator[tuple[str, Callable[[Array], Array]]]:
    size, channels = int(np.prod(shape)), shape[-1]
    every, last = np.arange(size).reshape(shape), np.arange(channels)
    for which, number in (("first", 0), ("last", -1)):
        yield f"at its {which} element for all", _at(np.full(shape, every.reshape(-1)[number]))
        names = _AXES.get(len(shape)) or ("row", "channel")[-len(shape) :]
        for axis, name in enumerate(names):
            if 1 < shape[axis] < size:
                one = np.broadcast_to(every.take([number], axis), shape)
                yield f"at its {which} {name} for all", _at(one)
    for number in _MODULI:
        if number < size:
            yield f"at the index modulo {number}", _at(every % number)
        if number < channels:
            if channels < size:
                yield f"at the channel modulo {number}", _at(every[..., last % number])
            of_each = every[..., last // number * number]
            yield f"at the first channel of each {number}", _at(of_each)
    if not paired or shape == out or len(out) < 2:
        return
    flat = np.arange(int(np.prod(out))).reshape(out)
    yield "at the output's flat index, each element repeated", _at(flat * size // flat.size)
    places = _AXES.get(len(out)) or ("row", "channel")[-len(out) :]
    for name, index in zip(places, np.indices(out), strict=True):
        if index.any():
            yield f"at the output's {name}", _at(np.minimum(index, size - 1))
            yield f"at the output's {name}, modulo its size", _at(index % size)


def _at(index: Array) -> Callable[[Array], Array]:
    """The elements at these flat indices."""
    return lambda x: x.reshape(-1)[index]
