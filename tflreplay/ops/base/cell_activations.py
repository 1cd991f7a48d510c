"""Fused activations of recurrent ops, on float32 values that are not quantized."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call

_FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "RELU": lambda x: np.maximum(x, np.float32(0)),
    "RELU_N1_TO_1": lambda x: np.clip(x, np.float32(-1), np.float32(1)),
    "RELU6": lambda x: np.clip(x, np.float32(0), np.float32(6)),
    "TANH": np.tanh,
}


def cell_activation(call: Call) -> Callable[[Array], Array]:
    """The op's fused activation.

    Raises:
        NotReplayed: it is not one of these.
    """
    name = call.option("fused_activation_function")
    if name not in _FUNCTIONS:
        raise NotReplayed(f"{call.op.name} with a fused {name}")
    return _FUNCTIONS[name]


def cell_activated(call: Call, values: Array) -> Array:
    """By the op's fused activation, or as they are.

    Raises:
        NotReplayed: the activation is not one of these.
    """
    name = call.option("fused_activation_function")
    return values if name == "NONE" else cell_activation(call)(values)
