"""What the XNNPACK delegate took of a model, and what it refuses.

The delegate replaces nodes by partitions, which compute what is read outside of them and no more.
With every tensor preserved, a runtime of 2025 or later makes one partition of each op.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import NotReplayed
from tflreplay.model import Model, Operator, Subgraph
from tflreplay.ops import card, delegated, row_of
from tflreplay.ops.base.row import ANY
from tflreplay.ops.seam import run_op

PRESERVED = "preserved"
DELEGATED = "delegate partition"
UNPACKED = "unpacked constant"

Partition = tuple[Sequence[int], Sequence[int]]

_LARGEST_SCALE = 256


def are_whole(model: Model, partitions: Iterable[Partition]) -> bool:
    """False where a partition computes tensors that are not among its outputs."""
    producers = {index: op for op in model.main.operators for index in op.outputs}
    for inputs, outputs in partitions:
        ops = [producers[index] for index in outputs if index in producers]
        read = {index for op in ops for index in op.inputs}
        written = {index for op in ops for index in op.outputs}
        if outputs and read - written - {-1} != set(inputs):
            return False
    return True


def origins(model: Model, partitions: Iterable[Partition]) -> tuple[dict[int, str], dict[int, str]]:
    """How each op output of the main subgraph was obtained; and those that hold no result.

    Args:
        partitions: inputs and outputs of each delegate partition, which :func:`are_whole`.

    Returns:
        By tensor index, ``preserved`` or ``delegate partition``; and the reason why a tensor was
        not written. A tensor is in one of the two.
    """
    delegated = {index for _, outputs in partitions for index in outputs}
    origin: dict[int, str] = {}
    missing: dict[int, str] = {}
    for op in model.main.operators:
        for index in op.outputs:
            if index not in delegated:
                origin[index] = PRESERVED
            elif _unpacked(model.main, op, missing):
                missing[index] = (
                    "XNNPACK unpacks this constant beforehand and leaves the tensor unwritten"
                )
            else:
                origin[index] = DELEGATED
    return origin, missing


def unpacked(
    model: Model, unwritten: Mapping[int, str], engine: Engine
) -> dict[int, np.ndarray[Any, Any]]:
    """The constants that the delegate unpacked, as far as the tables know them, by tensor index.

    It computes them by the optimized kernels: ``DequantizeInt8`` and ``DequantizeFloat16`` in
    ``tflite/delegates/xnnpack/quantization_util.cc``.

    Args:
        unwritten: the tensors that hold no result, as :func:`origins` gives them.
        engine: of the runtime and version.
    """
    known: dict[int, np.ndarray[Any, Any]] = {}
    optimized = replace(engine, name="optimized")
    for op in model.main.operators:
        if any(index in unwritten for index in op.outputs):
            try:
                row = row_of(optimized, model.main, op)
                known |= run_op(model.main, op, known, optimized, row)
            except NotReplayed:
                continue
    return known


def left(engine: Engine, model: Model, origin: Mapping[int, str]) -> tuple[int, ...]:
    """The ops that the tables give to XNNPACK, and that it was seen to leave; by index.

    Args:
        engine: whose tables are meant.
        origin: how each captured tensor was obtained, by index.
    """
    return tuple(
        op.index
        for op in model.main.operators
        if any(origin.get(index) == PRESERVED for index in op.outputs)
        and delegated(engine, model.main, op)
    )


def _unpacked(graph: Subgraph, op: Operator, unwritten: Mapping[int, str]) -> bool:
    """True for a node that the delegate takes only to skip it.

    It has decoded the weights, into memory of its own, when it was prepared:
    ``Delegate::PrepareOpsToDelegate`` in ``tflite/delegates/xnnpack/xnnpack_delegate.cc``.
    """
    types = card(op.name).unpacked
    if not types:
        return False
    tensor = graph.tensors[op.inputs[0]]
    decoded = types == ANY or tensor.dtype in types
    return decoded and (tensor.is_constant or tensor.index in unwritten)


def condition(model: Model, op: Operator) -> str:
    """The known condition for which XNNPACK refuses a whole model because of ``op``, or ''."""
    known = card(op.name)
    if not known.weighted or known.roles.weights is None:
        return ""
    tensors = model.main.tensors
    x, weights = (tensors[op.inputs[i]] for i in (known.roles.activation, known.roles.weights))
    if weights.quantization is None or x.quantization is None:
        return ""
    if known.depthwise and weights.dtype == "int8":
        zero_points = weights.quantization.zero_point
        if not weights.quantization.per_axis and zero_points[0] != 0:
            return f"the weights' zero point is {zero_points[0]}, XNNPACK needs 0"
    try:
        scale = np.float32(x.scale) * weights.quantization.scale
        largest = float((scale / np.float32(tensors[op.outputs[0]].scale)).max())
    except NotReplayed:
        return ""
    if largest < _LARGEST_SCALE:
        return ""
    return (
        f"input scale * weight scale / output scale is {largest:g}, "
        f"XNNPACK needs less than {_LARGEST_SCALE}"
    )
