"""Rows of the ops that keep a state from one inference to the next in a variable tensor."""

from __future__ import annotations

from tflreplay.engine import Engine
from tflreplay.kernels import float_cells, lstm, svdf
from tflreplay.kernels.call import Arithmetic
from tflreplay.model import Operator, Subgraph

_INT8 = ("int8",)
_FLOAT32 = ("float32",)
# Of the largest value of a layer.
_TOLERANCE = 1e-5
_UNORDERED = "float64 sums, rounded to float32; the order of summation is not modelled"
_APPROXIMATED = f"{_UNORDERED}, nor how the functions are approximated"
_SVDF = "internal/reference/svdf.h"


def _by_codes(engine: Engine, graph: Subgraph, op: Operator) -> bool:
    """int8 weights"""
    return graph.tensors[op.inputs[1]].dtype == "int8"


REFERENCE = (
    *(
        Arithmetic(
            op,
            _INT8,
            kernel,
            "double",
            "float32 s1*s2/2**-12, float32 2**-30/sh",
            algorithm="16-bit sums, gemmlowp's logistic and tanh",
            source="lstm_eval.cc",
        )
        for op, kernel in (
            ("LSTM", lstm.lstm),
            ("UNIDIRECTIONAL_SEQUENCE_LSTM", lstm.unidirectional_sequence_lstm),
        )
    ),
    *(
        Arithmetic(
            op,
            _FLOAT32,
            kernel,
            algorithm=_APPROXIMATED,
            source=source,
            tolerance=_TOLERANCE,
        )
        for op, kernel, source in (
            ("LSTM", float_cells.lstm, "lstm_eval.cc"),
            (
                "UNIDIRECTIONAL_SEQUENCE_LSTM",
                float_cells.unidirectional_sequence_lstm,
                "lstm_eval.cc",
            ),
            (
                "UNIDIRECTIONAL_SEQUENCE_RNN",
                float_cells.unidirectional_sequence_rnn,
                "internal/kernel_utils.cc",
            ),
        )
    ),
    Arithmetic(
        "SVDF", _INT8, svdf.svdf, "double", "float32 s1*s2/ss, float32 ss*st/so", source=_SVDF
    ),
    Arithmetic(
        "SVDF",
        _FLOAT32,
        svdf.svdf_hybrid,
        algorithm=f"int8 codes of the input; {_UNORDERED}",
        source=_SVDF,
        when=_by_codes,
        tolerance=_TOLERANCE,
    ),
    Arithmetic(
        "SVDF",
        _FLOAT32,
        svdf.svdf_float,
        algorithm=_UNORDERED,
        source=_SVDF,
        tolerance=_TOLERANCE,
    ),
)
