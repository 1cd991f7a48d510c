"""Rows of the ops that run subgraphs and of those that hold variables: the same in all engines."""

from __future__ import annotations

from tflreplay.arithmetic.row import finished
from tflreplay.kernels import control_flow
from tflreplay.kernels.call import ANY

ROWS = tuple(
    finished(op, ANY, kernel, how, source)
    for op, kernel, how, source in (
        ("IF", control_flow.if_, "a subgraph", "if.cc"),
        ("WHILE", control_flow.while_, "subgraphs", "while.cc"),
        ("CALL", control_flow.call_, "a subgraph", "call.cc"),
        ("CALL_ONCE", control_flow.call_once, "a subgraph, once", "call_once.cc"),
        ("STABLEHLO_COMPOSITE", control_flow.composite, "a subgraph", "stablehlo_composite.cc"),
        ("VAR_HANDLE", control_flow.var_handle, "a variable's name", "var_handle.cc"),
        ("READ_VARIABLE", control_flow.read_variable, "copy", "read_variable.cc"),
        ("ASSIGN_VARIABLE", control_flow.assign_variable, "copy", "assign_variable.cc"),
    )
)
