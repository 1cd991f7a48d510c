"""PAD, PADV2 and MIRROR_PAD: elements put around a tensor."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.ops.base import refusals
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.ported import others as ported
from tflreplay.ops.base.types import ANY_SIZE, MANY
from tflreplay.ops.base.words import moved


def pad(call: Call, x: Array, paddings: Array) -> Array:
    """x with ``paddings[i]`` (before, after) elements of zero, the output's zero point, around.

    ``tflite/kernels/pad.cc``.
    """
    quantized = call.output.quantization is not None
    return _padded(x, paddings, call.output.zero_point if quantized else 0)


def padv2(call: Call, x: Array, paddings: Array, value: Array) -> Array:
    """As :func:`pad`, with the raw code ``value`` around."""
    return _padded(x, paddings, value.item())


def _padded(x: Array, paddings: Array, value: float) -> Array:
    before, after = paddings.T.tolist()
    shape = [sum(sizes) for sizes in zip(before, x.shape, after, strict=True)]
    output = np.full(shape, value, x.dtype)
    output[tuple(slice(b, b + n) for b, n in zip(before, x.shape, strict=True))] = x
    return output


def mirror_pad(call: Call, x: Array, paddings: Array) -> Array:
    """x with ``paddings[i]`` (before, after) elements of its mirror image around.

    The mirror stands on the edge (SYMMETRIC, which repeats it) or on the outermost element
    (REFLECT). ``tflite/kernels/mirror_pad.cc``.
    """
    widths = paddings.tolist()
    if call.option("mode") == "REFLECT":
        return np.pad(x, widths, "reflect")
    return np.pad(x, widths, "symmetric")


CARDS = (
    Card(
        "PAD",
        {"reference": (moved(MANY, pad, "pad.cc"),)},
        ported=ported.PAD,
        refusals=refusals.MOVED,
    ),
    Card("PADV2", {"reference": (moved(MANY, padv2, "pad.cc"),)}, ported=ported.PAD),
    Card("MIRROR_PAD", {"reference": (moved(ANY_SIZE, mirror_pad, "mirror_pad.cc"),)}),
)
