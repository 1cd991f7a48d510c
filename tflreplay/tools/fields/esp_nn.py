"""ESP-NN: the structs of its convolutions, and the arguments of its other functions."""

from __future__ import annotations

from tflreplay.ops.base.card import Form
from tflreplay.tools.fields.parameters import Parameters, Struct, Value

HEADER = "esp_nn_defs.h"
SOURCE = "ESP-NN include/esp_nn_defs.h and include/esp_nn_ansi_headers.h"
_CONVOLUTIONS = {Form.CONVOLUTION: "conv_params_t", Form.DEPTHWISE: "dw_conv_params_t"}


def structs(p: Parameters) -> list[Struct]:
    """An offset of an input is minus its zero point."""
    ends: dict[str, Value] = {"activation_min": p.clamp[0], "activation_max": p.clamp[1]}
    if p.form is Form.POOL and p.windows is not None:
        rows, columns = p.windows
        placed: dict[str, Value] = {
            "stride_wd": columns.stride,
            "stride_ht": rows.stride,
            "filter_wd": columns.size,
            "filter_ht": rows.size,
            "pad_wd": columns.before,
            "pad_ht": rows.before,
        }
        return [Struct("", "", placed | ends)]
    if p.output is None:
        return []
    out: dict[str, Value] = {
        "out_offset": p.output_zero_point,
        "out_mult": p.output.multipliers[0],
        "out_shift": p.output.shifts[0],
    }
    if p.form in _CONVOLUTIONS and p.windows is not None:
        rows, columns = p.windows
        values: dict[str, Value] = {
            "in_offset": -p.zero_points[0],
            "out_offset": p.output_zero_point,
        }
        if p.form is Form.DEPTHWISE:
            values["ch_mult"] = p.depth_multiplier
        values |= {
            "stride": {"width": columns.stride, "height": rows.stride},
            "padding": {"width": columns.before, "height": rows.before},
            "dilation": {"width": columns.dilation, "height": rows.dilation},
            "activation": {"min": p.clamp[0], "max": p.clamp[1]},
        }
        quantized: dict[str, Value] = {"shift": p.output.shifts, "mult": p.output.multipliers}
        return [
            Struct(_CONVOLUTIONS[p.form], "params", values),
            Struct("quant_data_t", "quant_data", quantized),
        ]
    if p.form is Form.CONNECTED:
        offsets: dict[str, Value] = {
            "input_offset": -p.zero_points[0],
            "filter_offset": -p.filter_zero_point,
        }
        if len(p.output.multipliers) > 1:
            out |= {"out_mult": p.output.multipliers, "out_shift": p.output.shifts}
        return [Struct("", "", offsets | out | ends)]
    if (p.form is Form.SUM and p.inputs) or p.form is Form.PRODUCT:
        given: dict[str, Value] = {
            f"input{i}_offset": -zero for i, zero in enumerate(p.zero_points, 1)
        }
        for i, rescale in enumerate(p.inputs, 1):
            given[f"input{i}_mult"] = rescale.multipliers[0]
            given[f"input{i}_shift"] = rescale.shifts[0]
        shift: dict[str, Value] = {"left_shift": p.left_shift} if p.inputs else {}
        return [Struct("", "", given | shift | out | ends)]
    return []
