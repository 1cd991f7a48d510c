"""Which arithmetic an engine uses for each op: tables that a person can print.

A row (:class:`~tflreplay.kernels.call.Arithmetic`) says, for an op and the type of its activations,
which kernel and which requantization rule the engine uses. Engines are layered as the runtime
itself falls back: XNNPACK over the optimized kernels over the reference kernels.

The rows of the reference and the optimized kernels stand in a file for each family of ops; those of
XNNPACK and of TFLM in files of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tflreplay.arithmetic import optimized, reference, tflm, xnnpack
from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import NotReplayed
from tflreplay.kernels.call import Arithmetic
from tflreplay.model import Operator, Subgraph

__all__ = ["LAYERS", "TABLES", "Arithmetic", "activation_dtype", "arithmetic", "rows"]


def _rounded_by(rule: str) -> tuple[Arithmetic, ...]:
    """The reference rows that requantize by a rule, with another one.

    But for sums of 64 bits, which CMSIS-NN rescales like TFLite (``arm_nn_requantize_s64``).
    """
    rows = (row for row in reference.ROWS if row.rule not in ("", "reduced16"))
    return tuple(replace(row, rule=rule, since={}) for row in rows)


TABLES: dict[str, tuple[Arithmetic, ...]] = {
    "reference": reference.ROWS,
    "optimized": optimized.ROWS,
    "xnnpack": xnnpack.ROWS,
    "tflm": tflm.ROWS,
    "double": _rounded_by("double"),
    "single": _rounded_by("single"),
}

# For each engine the tables to look in, the first one first.
LAYERS: dict[str, tuple[str, ...]] = {
    "reference": ("reference",),
    "optimized": ("optimized", "reference"),
    "xnnpack": ("xnnpack", "optimized", "reference"),
    "tflm": ("tflm", "reference"),
    # What ports to CMSIS-NN compute, built with or without CMSIS_NN_USE_SINGLE_ROUNDING.
    "double": ("double", "reference"),
    "single": ("single", "reference"),
}

# Ops whose first input is not the activation that decides the arithmetic.
_ACTIVATION_INPUT = {
    "EMBEDDING_LOOKUP": 1,
    "FILL": 1,
    "ONE_HOT": 2,
    "SCATTER_ND": 1,
    "SELECT": 1,
    "SELECT_V2": 1,
    "SPLIT": 1,
    "TRANSPOSE_CONV": 2,
}


def rows(engine: Engine) -> Iterator[Arithmetic]:
    """The engine's rows in the order in which they are tried."""
    return (row for layer in LAYERS[engine.name] for row in TABLES[layer])


def activation_dtype(graph: Subgraph, op: Operator) -> str:
    """The type that decides the arithmetic: that of the activation, not of indices or weights."""
    position = _ACTIVATION_INPUT.get(op.name, 0)
    present = [index for index in op.inputs[position:] if index >= 0]
    return graph.tensors[present[0]].dtype if present else "nothing"


def arithmetic(engine: Engine, graph: Subgraph, op: Operator) -> Arithmetic:
    """The engine's row for an operator, by the type of its activation.

    Raises:
        NotReplayed: the engine's tables have no row for this op and type.
    """
    dtype = activation_dtype(graph, op)
    known = [row for row in rows(engine) if row.op == op.name]
    for row in known:
        if row.takes(dtype) and row.applies(engine, graph, op):
            return row
    if not known:
        raise NotReplayed(f"no {engine} kernel for {op.name} (version {op.version})")
    types = ", ".join(sorted({name for row in known for name in row.types}))
    if any(row.takes(dtype) for row in known):
        raise NotReplayed(
            f"the {engine} arithmetic of {op.name} on {dtype} is not modelled for "
            f"{engine.runtime} {engine.version}"
        )
    raise NotReplayed(f"no {engine} kernel for {op.name} on {dtype} (there is one for {types})")
