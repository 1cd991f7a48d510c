"""CMSIS-NN: the structs of its functions, and the arguments of those that take none."""

from __future__ import annotations

from tflreplay.ground.window import Window
from tflreplay.ops.base.card import Form
from tflreplay.tools.fields.parameters import Parameters, Rescale, Struct, Value

HEADER = "arm_nn_types.h"
SOURCE = "CMSIS-NN Include/arm_nn_types.h and Include/arm_nnfunctions.h"
_CONVOLUTIONS = {
    Form.CONVOLUTION: "cmsis_nn_conv_params",
    Form.DEPTHWISE: "cmsis_nn_dw_conv_params",
}


def structs(p: Parameters) -> list[Struct]:
    """As the wrapper functions take them; an offset of an input is minus its zero point."""
    if p.form is Form.POOL and p.windows is not None:
        return [Struct("cmsis_nn_pool_params", "pool_params", _placed(p.windows) | _clamped(p))]
    if p.output is None:
        return []
    if p.form in _CONVOLUTIONS and p.windows is not None:
        values: dict[str, Value] = _offsets(p)
        if p.form is Form.DEPTHWISE:
            values["ch_mult"] = p.depth_multiplier
        values |= _placed(p.windows)
        rows, columns = p.windows
        values["dilation"] = {"w": columns.dilation, "h": rows.dilation}
        return [
            Struct(_CONVOLUTIONS[p.form], "params", values | _clamped(p)),
            _per_channel(p.output),
        ]
    if p.form is Form.CONNECTED:
        offsets = _offsets(p)
        values = {
            "input_offset": offsets["input_offset"],
            "filter_offset": -p.filter_zero_point,
            "output_offset": offsets["output_offset"],
        }
        one = len(p.output.multipliers) == 1
        return [
            Struct("cmsis_nn_fc_params", "params", values | _clamped(p)),
            _per_tensor(p.output) if one else _per_channel(p.output),
        ]
    if p.form is Form.SUM and p.inputs:
        return [Struct("", "", _sum(p) | _out(p, p.output))]
    if p.form is Form.PRODUCT:
        offsets = {f"input_{i}_offset": -zero for i, zero in enumerate(p.zero_points, 1)}
        return [Struct("", "", offsets | _out(p, p.output))]
    return []


def _offsets(p: Parameters) -> dict[str, Value]:
    return {"input_offset": -p.zero_points[0], "output_offset": p.output_zero_point}


def _placed(windows: tuple[Window, Window]) -> dict[str, Value]:
    rows, columns = windows
    return {
        "stride": {"w": columns.stride, "h": rows.stride},
        "padding": {"w": columns.before, "h": rows.before},
    }


def _clamped(p: Parameters) -> dict[str, Value]:
    return {"activation": {"min": p.clamp[0], "max": p.clamp[1]}}


def _per_channel(output: Rescale) -> Struct:
    values: dict[str, Value] = {"multiplier": output.multipliers, "shift": output.shifts}
    return Struct("cmsis_nn_per_channel_quant_params", "quant_params", values)


def _per_tensor(output: Rescale) -> Struct:
    values: dict[str, Value] = {"multiplier": output.multipliers[0], "shift": output.shifts[0]}
    return Struct("cmsis_nn_per_tensor_quant_params", "quant_params", values)


def _sum(p: Parameters) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for i, (zero, rescale) in enumerate(zip(p.zero_points, p.inputs, strict=True), 1):
        values[f"input_{i}_offset"] = -zero
        values[f"input_{i}_mult"] = rescale.multipliers[0]
        values[f"input_{i}_shift"] = rescale.shifts[0]
    return values | {"left_shift": p.left_shift}


def _out(p: Parameters, output: Rescale) -> dict[str, Value]:
    return {
        "out_offset": p.output_zero_point,
        "out_mult": output.multipliers[0],
        "out_shift": output.shifts[0],
        "out_activation_min": p.clamp[0],
        "out_activation_max": p.clamp[1],
    }
