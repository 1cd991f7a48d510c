"""Activations as ports get them wrong: on codes, as the branches of PRELU, or on real numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Array, Multiplier
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.ported import Ported
from tflreplay.ops.base.row import Kernel

_BRANCH = "multiply by alpha where x is below its zero point, and rescale both branches"
Branches = Callable[[Call, Array, Array, float], tuple[Array, Array, Array]]


def _branches(call: Call, x: Array, alpha: Array, alpha_scale: float) -> tuple[Array, Array, Array]:
    """Where x is negative, and what each branch gives, without the output's zero point."""
    source, target = call.input(0), call.output
    scale = np.float32(source.scale) / np.float32(target.scale)
    slope = np.float32(source.scale) * np.float32(alpha_scale) / np.float32(target.scale)
    centred = x.astype(np.int64) - source.zero_point
    sign = np.int64(np.sign(slope)) or 1
    below = sign * call.rule(centred * alpha, Multiplier.of(abs(slope)))
    return centred < 0, below, call.rule(centred, Multiplier.of(scale))


def _alpha(call: Call, given: tuple[Array, ...]) -> tuple[Array, float]:
    """PRELU's alphas less their zero point, and their scale; or LEAKY_RELU's one."""
    if not given:
        return np.asarray(1), float(call.option("alpha"))
    return given[0].astype(np.int64) - call.input(1).zero_point, call.input(1).scale


def _stored(call: Call, values: Array) -> Array:
    to = call.output
    return (values + to.zero_point).clip(*to.code_range).astype(to.numpy_dtype)


def _chosen(choose: Callable[[Call, Array, Array, Array, Array], Array]) -> Kernel:
    """``choose(call, x, negative, below, above)`` gives the rescaled value."""

    def kernel(call: Call, x: Array, *given: Array) -> Array:
        return _stored(call, choose(call, x, *_branches(call, x, *_alpha(call, given))))

    return kernel


def _copied(call: Call, x: Array, negative: Array, below: Array, above: Array) -> Array:
    return np.where(negative, below, x.astype(np.int64) - call.output.zero_point)


def _centred(call: Call, x: Array, negative: Array, below: Array, above: Array) -> Array:
    if call.input(0).zero_point == call.output.zero_point:
        raise NotReplayed("of equal zero points it is a copy")
    return np.where(negative, below, x.astype(np.int64) - call.input(0).zero_point)


def _at_a_branch(negative_branch: bool, change: Callable[[Call, Array, Array], Array]) -> Kernel:
    """One of the branches changed: ``change(call, x, its rescaled values)``."""

    def chosen(call: Call, x: Array, negative: Array, below: Array, above: Array) -> Array:
        if negative_branch:
            return np.where(negative, change(call, x, below), above)
        return np.where(negative, below, change(call, x, above))

    return _chosen(chosen)


def _no_zero_point(call: Call, x: Array, values: Array) -> Array:
    return values - call.output.zero_point


def _by(scale: Callable[[Call, float], float], negative_branch: bool, raw: bool = False) -> Kernel:
    """A branch rescaled by another multiplier, of the call and the scale of alpha.

    ``raw`` is of an input whose zero point is not subtracted there.
    """

    def kernel(call: Call, x: Array, *given: Array) -> Array:
        alpha, alpha_scale = _alpha(call, given)
        negative, below, above = _branches(call, x, alpha, alpha_scale)
        factor = alpha if negative_branch else 1
        values = x.astype(np.int64) - (0 if raw else call.input(0).zero_point)
        real = np.float32(scale(call, alpha_scale))
        changed = (int(np.sign(real)) or 1) * call.rule(values * factor, Multiplier.of(abs(real)))
        pair = (changed, above) if negative_branch else (below, changed)
        return _stored(call, np.where(negative, *pair))

    return kernel


def _shifted(call: Call, x: Array, *given: Array) -> Array:
    """Alpha as the nearest power of two: a shift of negative inputs, rounded down."""
    alpha, scale = _alpha(call, given)
    slope = abs(float(np.median(np.abs(alpha))) * scale)
    bits = max(int(np.rint(-np.log2(slope))), 0) if slope else 0
    centred = x.astype(np.int64) - call.input(0).zero_point
    to = Multiplier.of(np.float32(call.input(0).scale) / np.float32(call.output.scale))
    moved = np.where(centred < 0, centred >> bits, centred)
    return _stored(call, call.rule(moved, to))


def _si(call: Call) -> float:
    return float(call.input(0).scale)


def _so(call: Call) -> float:
    return float(call.output.scale)


def _raw_alpha(call: Call, x: Array, *given: Array) -> Array:
    alpha, scale = _alpha(call, given)
    raw = given[0].astype(np.int64) if given else alpha
    negative, below, above = _branches(call, x, raw, scale)
    return _stored(call, np.where(negative, below, above))


def _unscaled_alpha(call: Call, x: Array, *given: Array) -> Array:
    alpha, _ = _alpha(call, given)
    negative, below, above = _branches(call, x, alpha, 1.0)
    return _stored(call, np.where(negative, below, above))


def _first_alpha(call: Call, x: Array, *given: Array) -> Array:
    alpha, scale = _alpha(call, given)
    negative, below, above = _branches(call, x, alpha.reshape(-1)[0], scale)
    return _stored(call, np.where(negative, below, above))


_BRANCHES = (
    Ported(
        "positive branch copied without rescaling",
        "copy the codes of positive inputs, which have the input's scale and zero point",
        _BRANCH,
        _chosen(_copied),
    ),
    Ported(
        "positive branch not rescaled",
        "only move positive inputs from one zero point to the other",
        "multiply them by input scale / output scale",
        _chosen(_centred),
    ),
    Ported(
        "alpha left out",
        "leave out alpha: negative inputs are rescaled like positive ones",
        _BRANCH,
        _chosen(lambda call, x, negative, below, above: above),
    ),
    Ported(
        "alpha applied to all inputs",
        "multiply positive inputs by alpha too",
        _BRANCH,
        _chosen(lambda call, x, negative, below, above: below),
    ),
    Ported(
        "branch taken by the sign of the code",
        "compare the code with 0, not with its zero point",
        _BRANCH,
        _chosen(lambda call, x, negative, below, above: np.where(x < 0, below, above)),
    ),
    Ported(
        "negative inputs set to 0",
        "set negative inputs to 0, as RELU does",
        _BRANCH,
        _chosen(lambda call, x, negative, below, above: np.where(negative, 0, above)),
    ),
)
LEAKY_RELU = (
    *_BRANCHES,
    *(
        Ported(
            f"output's zero point left out in the {which} branch",
            f"leave out the output's zero point where the input is {which}",
            "add the output's zero point in both branches",
            _at_a_branch(which == "negative", _no_zero_point),
        )
        for which in ("negative", "positive")
    ),
    Ported(
        "input's zero point left out in the negative branch",
        "multiply the code itself by alpha, its zero point not subtracted",
        "subtract the input's zero point in both branches",
        _by(lambda call, alpha: _si(call) * alpha / _so(call), True, raw=True),
    ),
    Ported(
        "input's zero point left out in the positive branch",
        "rescale the positive codes themselves, their zero point not subtracted",
        "subtract the input's zero point in both branches",
        _by(lambda call, alpha: _si(call) / _so(call), False, raw=True),
    ),
    Ported(
        "alpha as a shift",
        "shift negative inputs right in place of the product with alpha",
        _BRANCH,
        _shifted,
    ),
)
_OWN = "the branches have two multipliers: input scale / output scale, times alpha's where negative"
PRELU = (
    *LEAKY_RELU,
    Ported(
        "scale of alpha in the positive branch too",
        "rescale positive inputs by the multiplier of negative ones",
        _OWN,
        _by(lambda call, alpha: _si(call) * alpha / _so(call), False),
    ),
    Ported(
        "scale of the input left out in the negative branch",
        "leave out the input's scale in the multiplier of the negative branch",
        _OWN,
        _by(lambda call, alpha: alpha / _so(call), True),
    ),
    Ported(
        "scale of the output left out in the negative branch",
        "leave out the output's scale in the multiplier of the negative branch",
        _OWN,
        _by(lambda call, alpha: _si(call) * alpha, True),
    ),
    Ported(
        "zero point of alpha left out",
        "leave out the zero point of alpha, which is not subtracted from its codes",
        "subtract alpha's zero point from every alpha",
        _raw_alpha,
    ),
    Ported(
        "scale of alpha left out",
        "leave out alpha's scale in the multiplier of the negative branch",
        "rescale the negative branch by input scale * alpha scale / output scale",
        _unscaled_alpha,
    ),
    Ported(
        "alpha of the first channel for all",
        "use the first alpha for all channels",
        "each channel has its own alpha",
        _first_alpha,
    ),
)


def _copy(call: Call, x: Array) -> Array:
    return x.astype(call.output.numpy_dtype)


def _at_code_0(call: Call, x: Array) -> Array:
    return np.maximum(x, 0).astype(call.output.numpy_dtype)


def _at_zero_point(call: Call, x: Array) -> Array:
    return np.maximum(x, call.input(0).zero_point).astype(call.output.numpy_dtype)


RELU = (
    Ported("codes copied", "copy the codes", "rescale them, then clamp", _copy),
    Ported(
        "codes cut at 0",
        "clamp the input's codes at 0 and copy them",
        "rescale them, then clamp at the output's zero point",
        _at_code_0,
    ),
    Ported(
        "codes cut at the input's zero point, and not rescaled",
        "clamp the input's codes at its zero point and copy them",
        "rescale them by input scale / output scale, then clamp at the output's zero point",
        _at_zero_point,
    ),
)


def _real(title: str, you: str, fix: str, function: Callable[[Array], Array]) -> Ported:
    return Ported(title, you, fix, lambda call, x: function(x), real=True)


def _sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


_SWISH = "the op is x * relu6(x + 3) / 6"
HARD_SWISH = (
    _real(
        "swish instead of hard swish", "multiply by the sigmoid", _SWISH, lambda x: x * _sigmoid(x)
    ),
    _real("factor x left out", "leave out the factor x", _SWISH, lambda x: (x + 3).clip(0, 6) / 6),
    _real(
        "division by 6 left out",
        "leave out the division by 6",
        _SWISH,
        lambda x: x * (x + 3).clip(0, 6),
    ),
    _real(
        "division by 8 instead of 6",
        "divide by 8, with a shift",
        _SWISH,
        lambda x: x * (x + 3).clip(0, 6) / 8,
    ),
    _real(
        "relu instead of relu6",
        "leave out the upper bound of relu6",
        _SWISH,
        lambda x: x * np.maximum(x + 3, 0) / 6,
    ),
    _real(
        "x + 3 left out",
        "take relu6(x), the 3 not added",
        _SWISH,
        lambda x: x * x.clip(0, 6) / 6,
    ),
)
_LOGISTIC = "the op is 1 / (1 + exp(-x))"
LOGISTIC = (
    _real("hard sigmoid", "take relu6(x + 3) / 6", _LOGISTIC, lambda x: (x + 3).clip(0, 6) / 6),
    _real(
        "hard sigmoid of Keras",
        "take 0.2 * x + 0.5, cut to 0 ... 1",
        _LOGISTIC,
        lambda x: (0.2 * x + 0.5).clip(0, 1),
    ),
    _real(
        "sigmoid by a rational function",
        "take x / (1 + |x|) in place of the sigmoid",
        _LOGISTIC,
        lambda x: 0.5 * x / (1 + np.abs(x)) + 0.5,
    ),
    _real(
        "sign of the exponent", "take exp(x) in place of exp(-x)", _LOGISTIC, lambda x: _sigmoid(-x)
    ),
    _real("tanh instead of the sigmoid", "take tanh", _LOGISTIC, np.tanh),
    _real("argument halved", "take 1 / (1 + exp(-x / 2))", _LOGISTIC, lambda x: _sigmoid(x / 2)),
    _real("argument doubled", "take 1 / (1 + exp(-2 * x))", _LOGISTIC, lambda x: _sigmoid(2 * x)),
)
_TANH = "the op is (exp(2 * x) - 1) / (exp(2 * x) + 1)"
TANH = (
    _real("sigmoid instead of tanh", "take the sigmoid", _TANH, _sigmoid),
    _real("hard tanh", "cut x to -1 ... 1", _TANH, lambda x: x.clip(-1, 1)),
    _real(
        "tanh by a rational function", "take x / (1 + |x|)", _TANH, lambda x: x / (1 + np.abs(x))
    ),
    _real("argument halved", "take tanh(x / 2)", _TANH, lambda x: np.tanh(x / 2)),
    _real("argument doubled", "take tanh(2 * x)", _TANH, lambda x: np.tanh(2 * x)),
)
_SOFTMAX = "the op is exp(beta * x) divided by its sum along the last axis"


def _softmax(axis: Callable[[Array], int | tuple[int, ...]], base: float, beta: bool) -> Kernel:
    def kernel(call: Call, x: Array) -> Array:
        scaled = x * np.float64(call.option("beta") if beta else 1) * np.log(base)
        along = axis(x)
        e = np.exp(scaled - scaled.max(axis=along, keepdims=True))
        return np.asarray(e / e.sum(axis=along, keepdims=True))

    return kernel


def _unnormalized(call: Call, x: Array) -> Array:
    return np.asarray(np.exp(call.option("beta") * (x - x.max(axis=-1, keepdims=True))))


def _last(x: Array) -> int:
    return -1


SOFTMAX = (
    Ported(
        "sum over all elements",
        "divide by the sum over all elements",
        _SOFTMAX,
        _softmax(lambda x: tuple(range(x.ndim)), np.e, True),
        real=True,
    ),
    Ported(
        "sum along the first axis",
        "take the sum along the first axis",
        _SOFTMAX,
        _softmax(lambda x: 0, np.e, True),
        real=True,
    ),
    Ported("base 2", "take powers of 2", _SOFTMAX, _softmax(_last, 2.0, True), real=True),
    Ported(
        "sign of the exponent",
        "take exp(max - x) in place of exp(x - max)",
        _SOFTMAX,
        lambda call, x: _softmax(_last, np.e, True)(call, -x),
        real=True,
    ),
    Ported("beta left out", "leave out beta", _SOFTMAX, _softmax(_last, np.e, False), real=True),
    Ported(
        "division by the sum left out",
        "leave out the division by the sum",
        _SOFTMAX,
        _unnormalized,
        real=True,
    ),
    Ported(
        "sigmoid instead of softmax",
        "take the sigmoid of each element",
        _SOFTMAX,
        lambda call, x: _sigmoid(x),
        real=True,
    ),
)
