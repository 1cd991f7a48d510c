"""ADD and SUB as ports get them wrong: how the inputs come to one scale."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tflreplay.ground.rounding import Accumulation, Array, Multiplier
from tflreplay.ops.base.call import Call, accumulation, clamp_real
from tflreplay.ops.base.ported import Ported
from tflreplay.ops.base.row import Kernel

_FIX = "shift both inputs left by 20 bits, bring them to one scale, add, and rescale the sum"
Sum = Callable[[Call, Array, Array, int], tuple[Array, float]]


def _kernel(summed: Sum, sign: int) -> Kernel:
    """``summed`` gives the sum of centred inputs, and what it is multiplied by."""

    def kernel(call: Call, a: Array, b: Array) -> Accumulation:
        first = a.astype(np.int64) - call.input(0).zero_point
        second = b.astype(np.int64) - call.input(1).zero_point
        values, real = summed(call, first, second, sign)
        activation = call.option("fused_activation_function")
        return accumulation(call, values, Multiplier.of(real), activation)

    return kernel


def _scales(call: Call) -> tuple[float, float, float]:
    return float(call.input(0).scale), float(call.input(1).scale), float(call.output.scale)


def _apart(call: Call, a: Array, b: Array, sign: int) -> tuple[Array, float]:
    s1, s2, y = _scales(call)
    left, right = call.rule(a, Multiplier.of(s1 / y)), call.rule(b, Multiplier.of(s2 / y))
    return left + sign * right, 1.0


def _saturated(bits: int) -> Sum:
    """Each input rescaled to the output's scale, and saturated."""
    half = 1 << (bits - 1)

    def summed(call: Call, a: Array, b: Array, sign: int) -> tuple[Array, float]:
        s1, s2, y = _scales(call)
        twice = 2 * max(s1, s2)
        unit = Multiplier.of(twice / ((1 << 20) * y))
        left, right = (
            call.rule(call.rule(x << 20, Multiplier.of(s / twice)), unit).clip(-half, half - 1)
            for x, s in ((a, s1), (b, s2))
        )
        return left + sign * right, 1.0

    return summed


def _one_by_one(first: int) -> Sum:
    """One input made a code of the output, the other one added to it, and both saturated."""

    def summed(call: Call, a: Array, b: Array, sign: int) -> tuple[Array, float]:
        s1, s2, y = _scales(call)
        low, high = (end - call.output.zero_point for end in call.output.code_range)
        pair = [call.rule(a, Multiplier.of(s1 / y)), sign * call.rule(b, Multiplier.of(s2 / y))]
        return pair[first].clip(low, high) + pair[1 - first], 1.0

    return summed


def _without_shift(call: Call, a: Array, b: Array, sign: int) -> tuple[Array, float]:
    s1, s2, y = _scales(call)
    twice = 2 * max(s1, s2)
    left, right = call.rule(a, Multiplier.of(s1 / twice)), call.rule(b, Multiplier.of(s2 / twice))
    return left + sign * right, twice / y


def _raw(call: Call, a: Array, b: Array, sign: int) -> tuple[Array, float]:
    return a + sign * b, 1.0


def _first_scale(call: Call, a: Array, b: Array, sign: int) -> tuple[Array, float]:
    s1, _, y = _scales(call)
    return a + sign * b, s1 / y


def _second_scale(call: Call, a: Array, b: Array, sign: int) -> tuple[Array, float]:
    _, s2, y = _scales(call)
    return a + sign * b, s2 / y


def _shifted_by(bits: int) -> Sum:
    def summed(call: Call, a: Array, b: Array, sign: int) -> tuple[Array, float]:
        s1, s2, y = _scales(call)
        twice = 2 * max(s1, s2)
        left = call.rule(a << bits, Multiplier.of(s1 / twice))
        right = call.rule(b << bits, Multiplier.of(s2 / twice))
        return left + sign * right, twice / ((1 << bits) * y)

    return summed


def _codes(sign: int) -> Kernel:
    def kernel(call: Call, a: Array, b: Array) -> Array:
        total = a.astype(np.int64) + sign * b.astype(np.int64)
        return total.clip(*call.output.code_range).astype(call.output.numpy_dtype)

    return kernel


def _real(left: int, right: int) -> Kernel:
    return lambda call, a, b: clamp_real(call, np.asarray(left * a + right * b))


def _of(left: int, right: int) -> Kernel:
    """``left * a + right * b``."""

    def summed(call: Call, a: Array, b: Array, sign: int) -> tuple[Array, float]:
        return _shifted_by(20)(call, left * a, right * b, sign)

    return _kernel(summed, 1)


def _ported(sign: int) -> tuple[Ported, ...]:
    verb = "add" if sign > 0 else "subtract"
    return (
        Ported(
            "each input rescaled alone",
            f"rescale each input to the output's scale alone, and then {verb}, which rounds twice",
            _FIX,
            _kernel(_apart, sign),
        ),
        *(
            Ported(
                f"each input rescaled alone, to {bits} bits",
                f"rescale each input to the output's scale alone, saturate it to {bits} bits, and "
                f"then {verb}",
                _FIX,
                _kernel(_saturated(bits), sign),
            )
            for bits in (8, 16)
        ),
        *(
            Ported(
                f"{which} input saturated before the {other} one",
                f"make the {which} input codes of the output, saturate them, and then {verb}",
                _FIX,
                _kernel(_one_by_one(i), sign),
            )
            for i, (which, other) in enumerate((("first", "second"), ("second", "first")))
        ),
        Ported(
            "inputs not shifted left",
            "bring the inputs to one scale without shifting them left first",
            _FIX,
            _kernel(_without_shift, sign),
        ),
        *(
            Ported(
                f"inputs shifted left by {bits} bits",
                f"shift the inputs left by {bits} bits",
                _FIX,
                _kernel(_shifted_by(bits), sign),
            )
            for bits in (7, 8, 15, 16)
        ),
        Ported(
            "codes not rescaled",
            f"{verb} the inputs less their zero points, and rescale nothing",
            _FIX,
            _kernel(_raw, sign),
        ),
        Ported(f"raw codes {verb}ed", f"{verb} the codes as they are", _FIX, _codes(sign)),
        Ported(
            "first input's scale for both",
            "use the first input's scale for both",
            _FIX,
            _kernel(_first_scale, sign),
        ),
        Ported(
            "second input's scale for both",
            "use the second input's scale for both",
            _FIX,
            _kernel(_second_scale, sign),
        ),
        *(
            Ported(title, you, _OPERANDS[sign], kernel, real)
            for title, you, left, right in _signs(sign)
            for kernel, real in (
                (_of(left, right), False),
                (_real(left, right), True),
            )
        ),
    )


_OPERANDS = {1: "add both inputs", -1: "subtract the second input from the first"}


def _signs(sign: int) -> Iterator[tuple[str, str, int, int]]:
    """In words, and by what each input is multiplied."""
    yield "first input left out", "give the second input alone, rescaled", 0, sign
    yield "second input left out", "give the first input alone, rescaled", 1, 0
    if sign > 0:
        yield "subtraction instead of addition", "subtract the second input", 1, -1
    else:
        yield "addition instead of subtraction", "add the second input", 1, 1
        yield "inputs subtracted the other way round", "subtract the first input", -1, 1


ADD, SUB = _ported(1), _ported(-1)
