"""RESIZE, and ops that move codes, as ports get them wrong."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call, with_options
from tflreplay.ops.base.ported import Ported
from tflreplay.ops.base.row import Kernel

# ---- RESIZE -----------------------------------------------------------------------------------

_CONVENTIONS = {
    "asymmetric": (False, False),
    "align_corners": (True, False),
    "half_pixel_centers": (False, True),
}


def resized(kernel: Kernel) -> tuple[Ported, ...]:
    """The kernel by the other conventions of where a pixel lies."""

    def by(aligned: bool, half: bool) -> Kernel:
        def other(call: Call, x: Array, size: Array) -> Array:
            changed = with_options(call, align_corners=aligned, half_pixel_centers=half)
            return np.asarray(kernel(changed, x, size))

        return other

    return tuple(
        Ported(
            f"pixels placed {name}",
            f"place pixels as with {name}",
            "the op's options say how: align_corners and half_pixel_centers, both off: asymmetric",
            by(*options),
        )
        for name, options in _CONVENTIONS.items()
    )


_RATIO = "the rows' ratio is input height / output height, the columns' input width / output width"


def _ratios_exchanged(call: Call, x: Array, size: Array) -> Array:
    """In fixed point of 10 bits, half away."""
    half = bool(call.option("half_pixel_centers"))
    found = x.astype(np.int64)
    for axis, outputs in zip((1, 2), size.tolist(), strict=True):
        other, inputs = int(size[2 - axis]), x.shape[axis]
        ratio = (1024 * x.shape[3 - axis] + other // 2) // other
        position = np.arange(outputs) * ratio + (ratio // 2 - 512 if half else 0)
        lower = (position.clip(0) // 1024).clip(0, inputs - 1)
        weight = (
            (position - lower * 1024).clip(0).reshape([-1 if i == axis else 1 for i in range(4)])
        )
        above = found.take((lower + 1).clip(0, inputs - 1), axis)
        found = found.take(lower, axis) * (1024 - weight) + above * weight
    return np.asarray(np.sign(found) * ((np.abs(found) + (1 << 19)) >> 20)).astype(x.dtype)


def _picked(exchanged: bool, rounded: Callable[[Array], Array]) -> Kernel:
    """The nearest neighbour, by a ratio and a rounding of its own."""

    def kernel(call: Call, x: Array, size: Array) -> Array:
        half = np.float32(call.option("half_pixel_centers") / 2)
        inputs = x.shape
        for axis, outputs in zip((1, 2), size.tolist(), strict=True):
            by = 3 - axis if exchanged else axis
            ratio = np.float32(inputs[by]) / np.float32(size[by - 1])
            position = (np.arange(outputs, dtype=np.float32) + half) * ratio
            x = x.take(rounded(position).astype(np.int64).clip(0, x.shape[axis] - 1), axis)
        return x

    return kernel


RATIOS_EXCHANGED = Ported(
    "ratios of height and width exchanged",
    "use the ratio of the widths for the rows, and that of the heights for the columns",
    _RATIO,
    _ratios_exchanged,
)
NEAREST = (
    Ported(RATIOS_EXCHANGED.title, RATIOS_EXCHANGED.you, _RATIO, _picked(True, np.floor)),
    Ported(
        "position rounded to the nearest",
        "round the position to the nearest row and column",
        "round the position down, but where corners are aligned",
        _picked(False, lambda position: np.floor(position + np.float32(0.5))),
    ),
)


def other_resize(kernel: Kernel, instead: str) -> Ported:
    name, right = instead.split(" for ")
    return Ported(f"{name} instead of {right}", f"resize {name}", f"resize {right}", kernel)


def _cut(call: Call, x: Array, size: Array) -> Array:
    """Interpolated in float64, with half a pixel by the options, and cut toward zero."""
    return _interpolated(call, x, size).astype(x.dtype)


def _down(call: Call, x: Array, size: Array) -> Array:
    return np.floor(_interpolated(call, x, size)).astype(x.dtype)


def _interpolated(call: Call, x: Array, size: Array) -> Array:
    aligned, half = call.option("align_corners"), call.option("half_pixel_centers")
    result = x.astype(np.float64)
    for axis, outputs in zip((1, 2), size.tolist(), strict=True):
        inputs = x.shape[axis]
        corners = aligned and outputs > 1
        scale = (inputs - corners) / (outputs - corners)
        position = (np.arange(outputs) + 0.5 * half) * scale - 0.5 * half
        position = position.clip(0, inputs - 1)
        lower = position.astype(np.int64)
        weight = (position - lower).reshape([-1 if i == axis else 1 for i in range(4)])
        above = result.take(np.minimum(lower + 1, inputs - 1), axis)
        result = result.take(lower, axis) * (1 - weight) + above * weight
    return result


_NEAREST = "round to nearest, as the kernel does"


def bilinear(cut: Kernel, down: Kernel) -> tuple[Ported, ...]:
    """Interpolated in floating point, and by these kernels in fixed point, and not rounded."""
    ways = (
        ("cut toward zero", "cut the interpolated value toward zero", (_cut, cut)),
        ("rounded down", "round the interpolated value down", (_down, down)),
    )
    return tuple(
        Ported(f"interpolated value {how}", you, _NEAREST, kernel)
        for how, you, kernels in ways
        for kernel in kernels
    )


# ---- ops that move codes ----------------------------------------------------------------------


def _joined(order: Callable[[int], list[int]]) -> Kernel:
    def kernel(call: Call, *arrays: Array) -> Array:
        chosen = [arrays[i] for i in order(len(arrays))]
        return np.concatenate(chosen, call.option("axis"))

    return kernel


def _along(axis: int) -> Kernel:
    """Along another axis, the result laid in memory as it comes."""

    def kernel(call: Call, *arrays: Array) -> Array:
        if axis == call.option("axis") % arrays[0].ndim:
            raise NotReplayed("this is the op's axis")
        return np.concatenate(arrays, axis).reshape(call.output.shape)

    return kernel


CONCATENATION = (
    Ported(
        "inputs in reverse",
        "join the inputs in reverse",
        "join them in the op's order",
        _joined(lambda n: list(range(n))[::-1]),
    ),
    Ported(
        "first two inputs exchanged",
        "exchange the first two inputs",
        "join them in the op's order",
        _joined(lambda n: [1, 0, *range(2, n)]),
    ),
    *(
        Ported(
            f"inputs joined along axis {axis}",
            f"join the inputs along axis {axis}",
            "join them along the op's axis",
            _along(axis),
        )
        for axis in range(4)
    ),
    Ported(
        "inputs not rescaled",
        "join the codes of inputs that have other scales than the output",
        "rescale each input to the output's scale and zero point",
        _joined(lambda n: list(range(n))),
    ),
)


def _padded(fill: Callable[[Call, Array], int], swapped: bool) -> Kernel:
    def kernel(call: Call, x: Array, paddings: Array, *value: Array) -> Array:
        code = value[0].item() if value and swapped else fill(call, x)
        widths = [pair[::-1] if swapped else pair for pair in paddings.tolist()]
        return np.pad(x, widths, constant_values=code)

    return kernel


def _padded_across(call: Call, x: Array, paddings: Array, *value: Array) -> Array:
    widths = paddings.tolist()
    if len(widths) < 3:
        raise NotReplayed("it has no height and width")
    widths[1], widths[2] = widths[2], widths[1]
    code = value[0].item() if value else _zero_point(call, x)
    return np.pad(x, widths, constant_values=code).reshape(call.output.shape)


def _zero_point(call: Call, x: Array) -> int:
    return call.output.zero_point if call.output.quantization is not None else 0


_PAD = "pad with the output's zero point, which is the code of the real number 0"
PAD = (
    Ported("padding with the code 0", "pad with the code 0", _PAD, _padded(lambda c, x: 0, False)),
    Ported(
        "padding with the lowest code",
        "pad with the lowest code",
        _PAD,
        _padded(lambda call, x: call.output.code_range[0], False),
    ),
    Ported(
        "padding before and after exchanged",
        "exchange the padding before and after",
        "paddings[i] holds (before, after)",
        _padded(_zero_point, True),
    ),
    Ported(
        "padding of height and width exchanged",
        "pad the height as the width, and the width as the height",
        "paddings[i] is that of axis i",
        _padded_across,
    ),
    Ported(
        "padding with the edge",
        "repeat the edge",
        _PAD,
        lambda call, x, paddings, *value: np.pad(x, paddings.tolist(), "edge"),
    ),
)


def _untransposed(call: Call, x: Array, permutation: Array) -> Array:
    return x.reshape([x.shape[axis] for axis in permutation.tolist()])


def _inverse(call: Call, x: Array, permutation: Array) -> Array:
    return x.transpose(np.argsort(permutation).tolist())


def _permuted(order: tuple[int, ...]) -> Kernel:
    """By another permutation, the result laid in memory as it comes."""

    def kernel(call: Call, x: Array, permutation: Array) -> Array:
        if x.ndim != len(order) or tuple(permutation.tolist()) == order:
            raise NotReplayed("it is of another rank, or this is its permutation")
        return x.transpose(order).reshape(call.output.shape)

    return kernel


_PERMUTED = "out.shape[i] = x.shape[permutation[i]]"
TRANSPOSE = (
    Ported(
        "elements left where they were",
        "change the shape only",
        "move the elements too",
        _untransposed,
    ),
    Ported(
        "inverse permutation",
        "permute the axes the other way round",
        _PERMUTED,
        _inverse,
    ),
    *(
        Ported(
            f"axes permuted as {', '.join(map(str, order))}",
            f"permute the axes as {', '.join(map(str, order))}",
            _PERMUTED,
            _permuted(order),
        )
        for rank in (2, 3, 4)
        for order in permutations(range(rank))
        if order != tuple(range(rank))
    ),
)


def adjoined(kernel: Kernel) -> tuple[Ported, ...]:
    """BATCH_MATMUL with one matrix transposed that is not, or the other way round."""

    def other(name: str) -> Kernel:
        def changed(call: Call, a: Array, b: Array) -> object:
            return kernel(with_options(call, **{name: not call.option(name)}), a, b)

        return changed  # type: ignore[return-value]

    return tuple(
        Ported(
            f"{which} matrix transposed or not",
            f"take {name} for its opposite",
            f"the op's options hold {name}",
            other(name),
        )
        for which, name in (("first", "adj_x"), ("second", "adj_y"))
    )
