"""TFLM: the fields of the structs in which its kernels keep what they have prepared."""

from __future__ import annotations

from tflreplay.ops.base.card import Form
from tflreplay.tools.fields.parameters import Parameters, Struct, Value

SOURCE = "OpDataConv, OpDataFullyConnected, OpDataAdd, OpDataMul and OpDataPooling, tflite-micro "
SOURCE += "tensorflow/lite/micro/kernels/{conv,fully_connected,add,mul,pooling}.h"
_WEIGHTED = (Form.CONVOLUTION, Form.DEPTHWISE, Form.CONNECTED)


def structs(p: Parameters) -> list[Struct]:
    """They are C++, so numbers are given without the struct."""
    placed: dict[str, Value] = {}
    if p.windows is not None:
        rows, columns = p.windows
        placed = {
            "padding_width": columns.before,
            "padding_height": rows.before,
            "padding_width_offset": columns.after - columns.before,
            "padding_height_offset": rows.after - rows.before,
        }
    if p.form is Form.POOL:
        ends: dict[str, Value] = {"activation_min": p.clamp[0], "activation_max": p.clamp[1]}
        return [Struct("", "", placed | ends)]
    if p.output is None:
        return []
    last: dict[str, Value] = {
        "output_activation_min": p.clamp[0],
        "output_activation_max": p.clamp[1],
        "output_multiplier": p.output.multipliers[0],
        "output_shift": p.output.shifts[0],
    }
    if p.form in _WEIGHTED:
        zeros: dict[str, Value] = {
            "input_zero_point": p.zero_points[0],
            "filter_zero_point": p.filter_zero_point,
            "output_zero_point": p.output_zero_point,
        }
        if p.form is not Form.CONNECTED or len(p.output.multipliers) > 1:
            del last["output_multiplier"], last["output_shift"]
            last["per_channel_output_multiplier"] = p.output.multipliers
            last["per_channel_output_shift"] = p.output.shifts
        return [Struct("", "", placed | zeros | last)]
    if p.form in (Form.SUM, Form.DIFFERENCE) and p.inputs:
        given: dict[str, Value] = {}
        for i, (zero, rescale) in enumerate(zip(p.zero_points, p.inputs, strict=True), 1):
            given[f"input{i}_offset"] = -zero
            given[f"input{i}_multiplier"] = rescale.multipliers[0]
            given[f"input{i}_shift"] = rescale.shifts[0]
        given |= {"left_shift": p.left_shift, "output_offset": p.output_zero_point}
        return [Struct("", "", given | last)]
    if p.form is Form.PRODUCT:
        zeros = {f"input{i}_zero_point": zero for i, zero in enumerate(p.zero_points, 1)}
        return [Struct("", "", zeros | {"output_zero_point": p.output_zero_point} | last)]
    return []
