"""Elements in another order: of the inputs, of the weights, of the output."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import permutations

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.judgement.diagnosis.families.change import Change, input_name, of_array
from tflreplay.judgement.diagnosis.made import Arrays, Made
from tflreplay.judgement.diagnosis.said import Said
from tflreplay.ops import card
from tflreplay.ops.base.call import Call

_AXES = {1: "C", 2: "NC", 3: "NWC", 4: "NHWC"}
_WEIGHT_AXES = {2: ("units", "depth"), 4: tuple("OHWI")}
_DEPTHWISE_AXES = tuple("1HWC")
_GROUPS = (2, 3, 4, 8)
Reorder = Callable[[Array], Array]


def changes(call: Call, arrays: Arrays) -> Iterator[Change]:
    for position, tensor in enumerate(call.inputs):
        array = arrays[position]
        if tensor is None or array is None or tensor.is_constant or array.size < 2:
            continue
        name = input_name(call, position)
        for words, fix, reorder, _ in _reorders(array.shape):
            if card(call.op.name).weighted and words == "read as NCHW":
                continue  # listed
            said = Said(f"{name} {words}", f"{_verb(words)} the {name} {_rest(words)}", fix)
            yield Change(said, of_array(position, reorder), True)
        if len(array) > 1 and array.ndim > 1:
            said = Said(
                f"{name} of the first batch for all",
                f"read the {name} of the first batch for all",
                "step through memory by the size of one batch",
            )
            yield Change(said, of_array(position, lambda x: np.repeat(x[:1], len(x), 0)))
    if card(call.op.name).weighted and arrays[1] is not None:
        yield from _weights(call, arrays[1].shape)
    shape = tuple(call.output.shape)
    if int(np.prod(shape)) > 1:
        for words, fix, _, back in _reorders(shape):
            if card(call.op.name).unary and not words.startswith("read as"):
                continue  # comes to the same as in the input
            words = words.replace("read as", "stored as")
            said = Said(f"output {words}", f"{_verb(words)} the output {_rest(words)}", fix)
            yield Change(said, _output(back), True)


def _output(back: Reorder) -> Callable[[Call, Arrays], Made | None]:
    return lambda call, arrays: Made(call, arrays, back=back)


def _verb(words: str) -> str:
    return {"read": "read", "stored": "store"}.get(words.split()[0], "take")


def _rest(words: str) -> str:
    first, _, rest = words.partition(" ")
    return rest if first in ("read", "stored") else words


def _reorders(shape: tuple[int, ...]) -> Iterator[tuple[str, str, Reorder, Reorder]]:
    """In words, the fix, what the mistake does, and what undoes it."""
    rank = len(shape)
    letters = _AXES.get(rank, "")
    fix = f"TFLite's order of activations is {letters}, the last axis the fastest"
    if letters:
        fixed = (0,) if rank > 2 else ()
        seen: set[tuple[int, ...]] = set()
        for order in permutations(range(len(fixed), rank)):
            axes = (*fixed, *order)
            key = tuple(axis for axis in axes if shape[axis] > 1)
            if key == tuple(sorted(key)) or key in seen:
                continue
            seen.add(key)
            words = f"read as {''.join(letters[axis] for axis in axes)}"
            yield words, fix, _memory(axes), _memory(axes)
    if rank == 4 and shape[1] == shape[2] > 1:
        yield "with height and width exchanged", fix, _swap, _swap
    last = rank - 1
    named = {1: "with rows", 2: "with columns", last: "with channels"} if rank == 4 else {}
    named = named or {last: "with channels"}
    straight = "keep the order of TFLite: row 0, column 0 and channel 0 first"
    for axis, words in named.items():
        if shape[axis] < 2:
            continue
        colours = " (BGR for RGB)" if rank == 4 and axis == last and shape[last] == 3 else ""
        yield f"{words} reversed{colours}", straight, _flip(axis), _flip(axis)
        for by in (1, -1):
            if shape[axis] == 2 and by < 0:
                continue
            where = f"{words} moved by {by:+d}"
            yield where, straight, _roll(by, axis), _roll(-by, axis)
    for groups in _GROUPS:
        if shape[last] % groups == 0 and shape[last] > groups:
            mixed, back = _interleaved(groups), _interleaved(shape[last] // groups)
            yield f"with channels interleaved by {groups}", straight, mixed, back
            if shape[last] != groups * groups and shape[last] // groups not in _GROUPS:
                yield f"with channels deinterleaved by {groups}", straight, back, mixed


def _memory(axes: tuple[int, ...]) -> Reorder:
    """The memory taken for axes in this order; it is its own undoing on what was stored so."""
    inverse = tuple(np.argsort(axes).tolist())
    return lambda x: x.reshape([x.shape[a] for a in axes]).transpose(inverse)


def _swap(x: Array) -> Array:
    return x.swapaxes(1, 2)


def _flip(axis: int) -> Reorder:
    return lambda x: np.flip(x, axis)


def _roll(by: int, axis: int) -> Reorder:
    return lambda x: np.roll(x, by, axis)


def _interleaved(groups: int) -> Reorder:
    """Channel i * groups + g in the place of channel g * size + i."""
    return lambda x: x.reshape(*x.shape[:-1], groups, -1).swapaxes(-1, -2).reshape(x.shape)


def _weights(call: Call, shape: tuple[int, ...]) -> Iterator[Change]:
    known = card(call.op.name)
    letters = _DEPTHWISE_AXES if known.depthwise else _WEIGHT_AXES.get(len(shape))
    if letters is None:
        return
    right = "".join(letters) if len(letters) == 4 else f"({', '.join(letters)})"
    fix = f"TFLite's order of these weights is {right}"
    places = np.arange(int(np.prod(shape))).reshape(shape)
    listed = [found for read in known.rereadings if (found := read.of(places)) is not None]
    seen: set[tuple[int, ...]] = set()
    for axes in permutations(range(len(shape))):
        key = tuple(axis for axis in axes if shape[axis] > 1)
        if key == tuple(sorted(key)) or key in seen:
            continue
        seen.add(key)
        named = [letters[axis] for axis in axes]
        words = "".join(named) if len(named) == 4 else f"({', '.join(named)})"
        if not any(np.array_equal(_memory(axes)(places), found) for found in listed):
            said = Said(f"weights read as {words}", f"read the weights as {words}", fix)
            yield Change(said, of_array(1, _memory(axes)), True)
    outputs = len(shape) - 1 if known.depthwise else 0
    along = {outputs: "output channels"}
    if not known.depthwise:
        along[len(shape) - 1] = "input channels"
    if len(shape) == 4:
        along |= {1: "rows", 2: "columns"}
    for axis, words in along.items():
        if shape[axis] < 2:
            continue
        for what, reorder in (
            ("reversed", _flip(axis)),
            ("moved by +1", _roll(1, axis)),
            ("moved by -1", _roll(-1, axis)),
        ):
            if words in ("rows", "columns") and what != "reversed":
                continue
            said = Said(
                f"weights with {words} {what}",
                f"take the weights with their {words} {what}",
                f"keep the order of the model's buffer: {right}",
            )
            yield Change(said, of_array(1, reorder), True)
