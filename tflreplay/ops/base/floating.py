"""Ops with weights on float32: sums in float64, rounded to float32 once.

The runtimes sum up in float32, in an order that depends on the machine; their results differ from
these in the last bits.
"""

from __future__ import annotations

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call, clamp_real


def check_float32(call: Call, *positions: int) -> None:
    """
    Raises:
        NotReplayed: no kernel takes inputs of these types.
    """
    types = [call.input(position).dtype for position in positions]
    if any(name != "float32" for name in types):
        raise NotReplayed(f"{call.op.name} of {' by '.join(types)}")


def rounded_sums(call: Call, sums: Array, bias: Array | None) -> Array:
    """float64 sums plus the bias, as float32, within the bounds of the fused activation."""
    return clamp_real(call, (sums if bias is None else sums + bias).astype(np.float32))
