"""A known defect that many ops share: codes that are taken for codes of another scale."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array, round_half_away
from tflreplay.model import Tensor
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.conditions import Condition, Site, condition
from tflreplay.ops.base.row import Defect, Kernel

COMPUTES = "computes with raw codes, whatever the scale and the zero point of the output"


def raw_codes(
    kernel: Kernel,
    words: str = "copies codes as they are, whatever the scale and the zero point of the output",
    report: str = "",
    when: Condition | None = None,
) -> Defect:
    """That of a kernel which takes input codes for codes of the output, as they are.

    ``when`` restricts it to some of the operators that have codes of another scale.
    """
    right = _on_output_scale(kernel)
    return Defect(words, when or another_scale, right=right, report=report)


@condition
def another_scale(site: Site) -> bool:
    """an input of the output's type, of another scale or zero point"""
    return any(_unlike(x, y) for x in site.inputs for y in site.outputs)


def _unlike(x: Tensor, y: Tensor) -> bool:
    """True of tensors of one type with one scale each, of which codes mean different numbers."""
    a, b = x.quantization, y.quantization
    if x.dtype != y.dtype or a is None or b is None or a.per_axis or b.per_axis:
        return False
    return (x.scale, x.zero_point) != (y.scale, y.zero_point)


def _on_output_scale(kernel: Kernel) -> Kernel:
    """The same kernel on inputs that were brought to the scale of the output, in real numbers."""

    def right(call: Call, *arrays: Array | None) -> tuple[Array, ...]:
        made = []
        for place, output in enumerate(call.outputs):
            brought = (
                _brought(x, output, codes) for x, codes in zip(call.inputs, arrays, strict=True)
            )
            result = kernel(call, *brought)
            made.append(result[place] if isinstance(result, tuple) else np.asarray(result))
        return tuple(made)

    return right


def _brought(x: Tensor | None, output: Tensor, codes: Array | None) -> Array | None:
    """``clamp(round_half_away((codes - zx) * sx / so) + zo)``."""
    if x is None or codes is None or not _unlike(x, output):
        return codes
    real = (codes.astype(np.float64) - x.zero_point) * x.scale / output.scale
    return (round_half_away(real) + output.zero_point).clip(*output.code_range).astype(codes.dtype)
