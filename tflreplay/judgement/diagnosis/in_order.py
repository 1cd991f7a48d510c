"""The inputs of an op with weights, in the order in which mistakes are made in them."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TypeVar

from tflreplay.ground.rounding import Array
from tflreplay.judgement.diagnosis.made import Arrays
from tflreplay.ops import card
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.roles import Roles
from tflreplay.ops.base.row import Kernel
from tflreplay.ops.seam import FirstHalf

X, WEIGHTS, BIAS = 0, 1, 2
T = TypeVar("T")


def in_order(call: Call, arrays: Arrays) -> tuple[Call, Arrays]:
    """The activation first, the weights, the bias or None, and then the others."""
    order = _order(card(call.op.name).roles)
    if order is None:
        return call, arrays
    row = replace(call.row, kernel=_taking(call.row.kernel, order))
    return replace(call, inputs=_at(call.inputs, order), row=row), _at(arrays, order)


def kernel_in_order(op: str, kernel: Kernel) -> Kernel:
    """A kernel of the op that takes its inputs so."""
    order = _order(card(op).roles)
    return kernel if order is None else _taking(kernel, order)


def _order(roles: Roles) -> tuple[int, ...] | None:
    """Positions among the op's own inputs; None where they lie in this order."""
    if roles.weights is None or roles.bias is None:
        return None
    first = (roles.activation, roles.weights, roles.bias)
    rest = () if roles.shape is None else (roles.shape,)
    return None if first == (X, WEIGHTS, BIAS) else (*first, *rest)


def _at(values: tuple[T | None, ...], order: tuple[int, ...]) -> tuple[T | None, ...]:
    return tuple(values[i] if i < len(values) else None for i in order)


@functools.cache
def _taking(kernel: Kernel, order: tuple[int, ...]) -> Kernel:
    own = tuple(order.index(i) for i in range(len(order)))

    def taking(call: Call, *arrays: Array) -> FirstHalf:
        return kernel(replace(call, inputs=_at(call.inputs, own)), *_at(arrays, own))

    return taking
