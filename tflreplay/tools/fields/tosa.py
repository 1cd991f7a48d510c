"""TOSA: the attributes of the RESCALE behind an op, and of those before a sum."""

from __future__ import annotations

from dataclasses import replace

from tflreplay.ground.conventions import TOSA_SCALE16, TOSA_SCALE32
from tflreplay.ops.base.card import Form
from tflreplay.tools.fields.parameters import Parameters, Rescale, Struct, Value

SOURCE = "the TOSA specification, RESCALE; MLIR mlir/lib/Dialect/Tosa/Utils/QuantUtils.cpp"
_CONVOLUTIONS = (Form.CONVOLUTION, Form.DEPTHWISE)


def structs(p: Parameters) -> list[Struct]:
    """``double_round`` is what the engine does; its clamp is a CLAMP behind."""
    if p.output is None:
        return []
    found = []
    if p.form in _CONVOLUTIONS and p.windows is not None:
        rows, columns = p.windows
        found.append(
            Struct("", "conv", {
                "input_zp": p.zero_points[0],
                "weight_zp": p.filter_zero_point,
                "pad": [rows.before, rows.after, columns.before, columns.after],
                "stride": [rows.stride, columns.stride],
                "dilation": [rows.dilation, columns.dilation],
            })
        )  # fmt: skip
    for i, (zero, rescale) in enumerate(zip(p.zero_points, p.inputs, strict=False), 1):
        found.append(Struct("", f"rescale_input{i}", _rescale(p, rescale, zero, 0, p.left_shift)))
    found.append(Struct("", "rescale", _rescale(p, p.output, 0, p.output_zero_point)))
    clamp: dict[str, Value] = {"min_val": p.clamp[0], "max_val": p.clamp[1]}
    return [*found, Struct("", "clamp", clamp)]


def _rescale(
    p: Parameters, rescale: Rescale, input_zp: int, output_zp: int, left_shift: int = 0
) -> dict[str, Value]:
    """A shift to the left before becomes part of the multiplier's."""
    exact = rescale.exact
    exact = replace(exact, real=exact.real * 2.0**left_shift, shift=exact.shift + left_shift)
    multiplier, shift = (TOSA_SCALE16 if p.wide else TOSA_SCALE32).of(exact)
    return {
        "multiplier": multiplier.reshape(-1).tolist(),
        "shift": shift.reshape(-1).tolist(),
        "input_zp": input_zp,
        "output_zp": output_zp,
        "scale32": int(not p.wide),
        "double_round": int(p.double),
        "per_channel": int(multiplier.size > 1),
    }
