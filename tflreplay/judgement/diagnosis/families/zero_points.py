"""Zero points left out, added twice, of another tensor, or in too few bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from tflreplay.ground.rounding import Accumulation, Array
from tflreplay.judgement.diagnosis.families.change import (
    Change,
    input_name,
    padded_with,
    quantized,
    with_zero_point,
)
from tflreplay.judgement.diagnosis.made import Arrays, Form, Made
from tflreplay.judgement.diagnosis.reals import computed_in_reals
from tflreplay.judgement.diagnosis.said import Said
from tflreplay.model import Tensor
from tflreplay.ops import card
from tflreplay.ops.base.call import Call, with_input


def changes(call: Call, arrays: Arrays) -> Iterator[Change]:
    names = dict(_named(call))
    weighted = card(call.op.name).weighted
    for position, tensor in enumerate(call.inputs):
        if tensor is None or not quantized(tensor):
            continue
        name = "weights" if weighted and position == 1 else input_name(call, position)
        if weighted and position > 1:
            continue
        fix = f"subtract the {name}'s zero point once from every code"
        right = tensor.zero_point
        for words, you, value in _wrong(right, name, "subtract", names):
            said = Said(words, you, fix)
            yield Change(said, _input(position, value))
            if position == 0:
                yield from _also_padded(said, call, _input(position, value))
        for said, form in _read(name, tensor, position):
            yield Change(said, form)
            if position == 0:
                yield from _also_padded(said, call, form)
    if weighted and call.input(0).zero_point and not computed_in_reals(call):
        once = call.input(0).zero_point
        yield Change(
            Said(
                "zero point of the input subtracted once instead of from every code",
                "subtract the input's zero point once from the sum",
                "subtract it from every code, or zero point * sum(weights) from the sum",
            ),
            _once(once),
        )
    yield from _of_both(call)
    if quantized(call.output):
        fix = "add the output's zero point once, after rescaling and before the clamp"
        right = call.output.zero_point
        for words, you, value in _wrong(right, "output", "add", names):
            yield Change(Said(words, you, fix), _output(value))
        yield Change(
            # Less than a code is left of it: hardly told from one that is left out.
            Said(
                "zero point of the output left out",
                "add the output's zero point to the sum, before it is rescaled",
                fix,
                "zero point of the output added before rescaling",
            ),
            _before(right),
        )


def _also_padded(said: Said, call: Call, form: Form) -> Iterator[Change]:
    """The same made in the codes of the padding, too: the input was padded before."""
    known = card(call.op.name)
    if not known.weighted or known.window is None or call.op.options.get("padding") != "SAME":
        return
    for code in dict.fromkeys((call.input(0).zero_point, 0)):

        def padded(call: Call, arrays: Arrays, code: int = code) -> Made | None:
            made = padded_with(call, arrays, code)
            return None if made is None else form(made.call, made.arrays)

        yield Change(said, padded)


_Read = tuple[str, str, Callable[[Array], Array]]


def _read(name: str, tensor: Tensor, position: int) -> Iterator[tuple[Said, Form]]:
    """Codes read, and centred, in another type or in fewer bits."""
    if tensor.numpy_dtype.itemsize != 1:
        return
    wide = "convert the code to int32 before the zero point is subtracted"
    subtracted: tuple[_Read, ...] = (
        ("in 8 bits", "in 8 bits, where the difference wraps", _wrapped_to(-128)),
        (
            "in 8 bits that saturate",
            "in 8 bits, where the difference saturates",
            lambda x: x.clip(-128, 127),
        ),
        ("in uint8", "in uint8, where negative differences wrap", _wrapped_to(0)),
        (
            "in uint8 that saturates",
            "in uint8, where negative differences become 0",
            lambda x: x.clip(0, 255),
        ),
        (
            "in 7 bits that saturate",
            "in 7 bits, where the difference saturates",
            lambda x: x.clip(-64, 63),
        ),
    )
    for words, you, kept in subtracted if tensor.zero_point else ():
        said = Said(
            f"zero point of the {name} subtracted in too few bits",
            f"subtract the {name}'s zero point {you}",
            wide,
            f"zero point of the {name} subtracted {words}",
        )
        yield said, _centred(position, tensor.zero_point, kept)
    other = "uint8" if tensor.dtype == "int8" else "int8"
    read: tuple[_Read, ...] = (
        (
            f"read as {other}",
            f"read the {name}'s bytes as {other}",
            _wrapped_to(0 if other == "uint8" else -128),
        ),
        ("read in 7 bits", f"drop the lowest bit of the {name}'s codes", lambda x: x & ~1),
    )
    if tensor.dtype == "int8":
        read += (
            (
                "read as sign and magnitude",
                f"read the top bit of the {name}'s codes as a sign, the rest as a magnitude",
                lambda x: np.where(x < 0, -(x & 127), x),
            ),
            ("without its sign", f"take the magnitude of the {name}'s codes", np.abs),
            (
                "cut to -127 ... 127",
                f"cut the {name}'s codes to -127 ... 127",
                lambda x: x.clip(-127, 127),
            ),
        )
    for words, you, changed in read:
        said = Said(f"{name} {words}", you, f"read the buffer as {tensor.dtype}")
        yield said, _centred(position, 0, changed)


def _wrapped_to(low: int) -> Callable[[Array], Array]:
    """Into 8 bits, of which ``low`` is the lowest value."""
    return lambda x: ((x - low) & 255) + low


def _centred(position: int, zero_point: int, changed: Callable[[Array], Array]) -> Form:
    """The codes less ``zero_point`` changed."""

    def form(call: Call, arrays: Arrays) -> Made | None:
        array = arrays[position]
        if array is None or array.dtype.kind == "f":
            return None
        centred = array.astype(np.int16) - np.int16(zero_point)
        other = changed(centred).astype(np.int16)
        if np.array_equal(other, centred):
            return None
        moved = other + np.int16(zero_point)
        return Made(call, (*arrays[:position], moved, *arrays[position + 1 :]))

    return form


def _of_both(call: Call) -> Iterator[Change]:
    """The same mistake in both inputs of an op of two."""
    pair = call.inputs[:2]
    if len(pair) < 2 or card(call.op.name).weighted or not all(map(quantized, pair)):
        return
    first, second = call.input(0).zero_point, call.input(1).zero_point
    fix = "subtract each input's own zero point once from every code, in 32 bits"
    if first != second:
        yield Change(
            Said(
                "zero points of both inputs exchanged",
                "subtract each input's zero point from the other's codes",
                fix,
            ),
            _both(_input(0, second), _input(1, first)),
        )
    if first and second:
        yield Change(
            Said(
                "zero points of both inputs subtracted in 8 bits",
                "subtract the zero points in 8 bits, where the differences wrap",
                fix,
            ),
            _both(_centred(0, first, _wrapped_to(-128)), _centred(1, second, _wrapped_to(-128))),
        )
        yield Change(
            Said(
                "zero points of both inputs added instead of subtracted",
                "add the inputs' zero points to their codes",
                fix,
            ),
            _both(_input(0, -first), _input(1, -second)),
        )


def _both(one: Form, other: Form) -> Form:
    def form(call: Call, arrays: Arrays) -> Made | None:
        made = one(call, arrays)
        return None if made is None else other(made.call, made.arrays)

    return form


def _named(call: Call) -> Iterator[tuple[str, int]]:
    for position, tensor in enumerate(call.inputs):
        if tensor is not None and quantized(tensor):
            weighted = card(call.op.name).weighted and position == 1
            yield "weights" if weighted else input_name(call, position), tensor.zero_point
    if quantized(call.output):
        yield "output", call.output.zero_point


def _wrong(
    right: int, name: str, verb: str, names: dict[str, int]
) -> Iterator[tuple[str, str, int]]:
    done = "subtracted" if verb == "subtract" else "added"
    other = "added" if verb == "subtract" else "subtracted"
    if right:
        it = f"the {name}'s zero point"
        yield f"zero point of the {name} {other} instead of {done}", _wrong_sign(verb, it), -right
        yield f"zero point of the {name} {done} twice", f"{verb} {it} twice", 2 * right
    for whose, value in names.items():
        if whose != name and value not in (right, 0, -right, 2 * right):
            you = f"{verb} the {whose}'s zero point instead of the {name}'s"
            yield f"zero point of the {whose} instead of the {name}'s", you, value
    for by, how in ((1, "high"), (-1, "low")):
        if right + by not in (0, *names.values()):
            you = f"take a zero point of {right + by} for the {name}, one too {how}"
            yield f"zero point of the {name} one too {how}", you, right + by
    for by in (128, -128):
        if right and right + by not in (0, *names.values()) and abs(right + by) <= 255:
            you = f"take a zero point of {right + by} for the {name}, as of the other 8-bit type"
            yield f"zero point of the {name} of the other 8-bit type", you, right + by


def _wrong_sign(verb: str, what: str) -> str:
    return f"{'add' if verb == 'subtract' else 'subtract'} {what}, with the wrong sign"


def _input(position: int, value: int) -> Form:
    """``value`` subtracted instead of the zero point; where the input is padded, nothing is."""

    def form(call: Call, arrays: Arrays) -> Made | None:
        array, right = arrays[position], call.input(position).zero_point
        if array is None or array.dtype.kind == "f":
            return None
        if not card(call.op.name).weighted:  # nothing is padded
            tensor = with_zero_point(call.input(position), value)
            return Made(with_input(call, position, tensor), arrays)
        moved = (array.astype(np.int32) + (right - value)).astype(np.int16)
        return Made(call, (*arrays[:position], moved, *arrays[position + 1 :]))

    return form


def _once(value: int) -> Form:
    """The raw codes summed, the padding 0 too; then the zero point subtracted."""
    raw = _input(0, 0)

    def form(call: Call, arrays: Arrays) -> Made | None:
        made = raw(call, arrays)
        if made is None:
            return None

        def changed(a: Accumulation) -> Accumulation:
            return replace(a, values=a.values.astype(np.int64) - value)

        return replace(made, sums=changed)

    return form


def _output(value: int) -> Form:
    def form(call: Call, arrays: Arrays) -> Made | None:
        return Made(call, arrays, sums=lambda a: replace(a, zero_point=value))

    return form


def _before(value: int) -> Form:
    def changed(a: Accumulation) -> Accumulation:
        return replace(a, values=a.values + value, zero_point=0)

    return lambda call, arrays: Made(call, arrays, sums=changed)
