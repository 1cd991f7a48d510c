"""Codes taken or stored some places too late or too early, or in words of the other byte order."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.judgement.diagnosis.families.change import (
    Change,
    input_name,
    of_array,
    quantized,
)
from tflreplay.judgement.diagnosis.made import Arrays, Form, Made
from tflreplay.judgement.diagnosis.said import Said
from tflreplay.ops import card
from tflreplay.ops.base.call import Call

_VECTORS = (4, 8, 16)
_WORDS = (2, 4, 8)
_MOST_LOST = 8  # of an output one part in so many, that nothing is stored to
_START = "start at the tensor's first element, and end at its last"
_BYTES = "codes of 8 bits have no byte order: copy them one by one"


def changes(call: Call, arrays: Arrays) -> Iterator[Change]:
    for position, name in _read(call, arrays):
        array = arrays[position]
        assert array is not None
        for by, how in _distances(array.shape, name == "weights"):
            for words, filled in _fills(call, position):
                said = Said(
                    f"{name} read {how}",
                    f"read the {name} {how}, {words}",
                    _START,
                    f"{name} read {how}, {words}",
                )
                yield Change(said, of_array(position, _moved(by, filled)))
        for size, how in _byte_orders(array.dtype):
            said = Said(f"{name} {how}", f"read the {name} {how}", _order(array.dtype))
            yield Change(said, of_array(position, _reversed(size)))
    if card(call.op.name).weighted and len(arrays) > 2 and arrays[2] is not None:
        yield from _bias(arrays[2])
    shape = tuple(call.output.shape)
    if int(np.prod(shape)) < 2 or not quantized(call.output):
        return
    for by, how in _distances(shape, False):
        if _MOST_LOST * abs(by) > np.prod(shape):
            continue
        you = f"store the output {how}, and leave alone what is not stored to"
        yield Change(Said(f"output stored {how}", you, _START), _late(by))
    for size, how in _byte_orders(call.output.numpy_dtype):
        said = Said(f"output {how}", f"store the output {how}", _order(call.output.numpy_dtype))
        yield Change(said, _stored(_reversed(size)))


def _read(call: Call, arrays: Arrays) -> Iterator[tuple[int, str]]:
    """The positions of what is read code by code, and its names."""
    weighted = card(call.op.name).weighted
    for position, (tensor, array) in enumerate(zip(call.inputs, arrays, strict=True)):
        if tensor is None or array is None or tensor.quantization is None or array.size < 2:
            continue
        if weighted and position == 1:
            yield position, "weights"
        elif quantized(tensor) and not (weighted and position > 1):
            yield position, input_name(call, position)


def _distances(shape: tuple[int, ...], weights: bool) -> Iterator[tuple[int, str]]:
    """By how many elements something may be off, in words."""
    size = int(np.prod(shape))
    found = {1: "one element"}
    if not weights and len(shape) > 2:
        found[shape[-1]] = "one pixel"
        found[shape[-1] * shape[-2]] = "one row"
    for length in _VECTORS:
        found.setdefault(length, f"{length} elements")
    for by, how in found.items():
        if by < size and (how != "one pixel" or by > 1):
            yield by, f"{how} late"
            yield -by, f"{how} early"


def _fills(call: Call, position: int) -> Iterator[tuple[str, int | None]]:
    """What is read where there is nothing; None: what lies at the other end."""
    yield "going on at the other end", None
    zero = call.input(position).quantization
    if zero is not None and not zero.per_axis and call.input(position).zero_point:
        yield "with its zero point at the end", call.input(position).zero_point
    yield "with the code 0 at the end", 0


def _moved(by: int, code: int | None) -> Callable[[Array], Array]:
    def moved(x: Array) -> Array:
        flat = np.roll(x.reshape(-1), by)
        if code is not None:
            flat[_ends(by)] = code
        return flat.reshape(x.shape)

    return moved


def _ends(by: int) -> slice:
    """What is filled anew where all moves by so many places."""
    return slice(0, by) if by > 0 else slice(by, None)


def _late(by: int) -> Form:
    def form(call: Call, arrays: Arrays) -> Made:
        shape = tuple(call.output.shape)
        lost = np.zeros(int(np.prod(shape)), bool)
        lost[_ends(-by)] = True
        return Made(call, arrays, back=_moved(-by, None), lost=lost.reshape(shape))

    return form


def _stored(back: Callable[[Array], Array]) -> Form:
    return lambda call, arrays: Made(call, arrays, back=back)


def _byte_orders(dtype: np.dtype[np.generic]) -> Iterator[tuple[int, str]]:
    """Bytes, within which their order is the other way round, in words."""
    for size in _WORDS:
        if size == dtype.itemsize:
            yield size, "with the bytes of each code exchanged"
        elif size > dtype.itemsize:
            yield size, f"with the bytes of each word of {8 * size} bits reversed"


def _order(dtype: np.dtype[np.generic]) -> str:
    return _BYTES if dtype.itemsize == 1 else "store codes with their low byte first"


def _reversed(size: int) -> Callable[[Array], Array]:
    """The bytes of whole words reversed, which undoes itself; what is left over stays."""

    def changed(x: Array) -> Array:
        flat = np.ascontiguousarray(x).reshape(-1).copy()
        whole = flat.nbytes // size * size
        taken = flat.view(np.uint8)
        taken[:whole] = taken[:whole].reshape(-1, size)[:, ::-1].reshape(-1)
        return flat.reshape(x.shape)

    return changed


def _bias(bias: Array) -> Iterator[Change]:
    fix = "the bias is int32, little-endian"
    for name, you, changed in (
        ("bias read as big-endian", "read the bias as big-endian", lambda b: b.byteswap()),
        (
            "bias with the halves of its words exchanged",
            "exchange the 16-bit halves of the bias's words",
            lambda b: _words(b)[..., ::-1].copy().view(b.dtype)[..., 0],
        ),
        (
            "bias read as int16",
            "read the bias's buffer as int16",
            lambda b: _words(b).reshape(-1)[: b.size].reshape(b.shape).astype(b.dtype),
        ),
        (
            "bias read as int8",
            "read the bias's buffer as int8",
            lambda b: b.view(np.int8).reshape(-1)[: b.size].reshape(b.shape).astype(b.dtype),
        ),
    ):
        yield Change(Said(name, you, fix), of_array(2, changed))


def _words(bias: Array) -> Array:
    """Each value's 16-bit words, the lowest first: ``(..., words)``."""
    return np.ascontiguousarray(bias)[..., np.newaxis].view(np.int16)
