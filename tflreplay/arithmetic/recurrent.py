"""Rows of the ops that keep a state from one inference to the next in a variable tensor."""

from __future__ import annotations

from tflreplay.arithmetic.row import REFERENCE_OPS, SUMMED, UNORDERED_SUMS, finished
from tflreplay.arithmetic.types import FLOAT, INT8
from tflreplay.arithmetic.weights import int8_weights
from tflreplay.kernels import float_cells, lstm, svdf
from tflreplay.kernels.call import Arithmetic

_APPROXIMATED = f"{UNORDERED_SUMS}, nor how the functions are approximated"
_SVDF = f"{REFERENCE_OPS}svdf.h"


REFERENCE = (
    *(
        Arithmetic(
            op,
            INT8,
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
        finished(op, FLOAT, kernel, _APPROXIMATED, source, SUMMED)
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
        "SVDF", INT8, svdf.svdf, "double", "float32 s1*s2/ss, float32 ss*st/so", source=_SVDF
    ),
    Arithmetic(
        "SVDF",
        FLOAT,
        svdf.svdf_hybrid,
        algorithm=f"int8 codes of the input; {UNORDERED_SUMS}",
        source=_SVDF,
        when=int8_weights,
        tolerance=SUMMED,
    ),
    finished("SVDF", FLOAT, svdf.svdf_float, UNORDERED_SUMS, _SVDF, SUMMED),
)
