"""LSTM, UNIDIRECTIONAL_SEQUENCE_LSTM and UNIDIRECTIONAL_SEQUENCE_RNN.

They keep a state from one inference to the next in variable tensors.
"""

from __future__ import annotations

from tflreplay.ops.base.card import Card
from tflreplay.ops.base.cmsis_nn import CMSIS_NN, older
from tflreplay.ops.base.precision import Precision
from tflreplay.ops.base.row import Defect, Kernel, Row
from tflreplay.ops.base.types import FLOAT, INT8, SIGNED
from tflreplay.ops.base.words import MICRO, MICRO_FLOAT64, SUMMED, UNORDERED_SUMS, finished
from tflreplay.ops.recurrent.cmsis_nn import cmsis_nn_unidirectional_sequence_lstm
from tflreplay.ops.recurrent.floating import (
    lstm_float,
    unidirectional_sequence_lstm_float,
    unidirectional_sequence_rnn,
)
from tflreplay.ops.recurrent.integer import lstm, unidirectional_sequence_lstm
from tflreplay.ops.recurrent.ported import LSTM
from tflreplay.ops.recurrent.tflm import tflm_unidirectional_sequence_lstm

_APPROXIMATED = f"{UNORDERED_SUMS}, nor how the functions are approximated"


def _integer(kernel: Kernel) -> Row:
    return Row(
        INT8,
        kernel,
        "double",
        "float32 s1*s2/2**-12, float32 2**-30/sh",
        algorithm="16-bit sums, gemmlowp's logistic and tanh",
        source="lstm_eval.cc",
    )


_FORGETS = Defect("forgets its states after each inference")
_STATE = "each of its codes depends on a state that steps before have made, by way of gates"

CARDS = (
    Card(
        "LSTM",
        {
            "reference": (
                _integer(lstm),
                finished(FLOAT, lstm_float, _APPROXIMATED, "lstm_eval.cc", SUMMED),
            ),
        },
        stateful=True,
        ported=LSTM,
        unexplained=_STATE,
    ),
    Card(
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        {
            "reference": (
                _integer(unidirectional_sequence_lstm),
                finished(
                    FLOAT,
                    unidirectional_sequence_lstm_float,
                    _APPROXIMATED,
                    "lstm_eval.cc",
                    SUMMED,
                ),
            ),
            "tflm": tuple(
                Row(
                    SIGNED,
                    tflm_unidirectional_sequence_lstm,
                    "double",
                    multiplier,
                    algorithm="16-bit sums and products, interpolated logistic and tanh",
                    source=f"{MICRO}lstm_eval.h",
                    since=since,
                )
                for multiplier, since in (
                    (Precision.FLOAT64, MICRO_FLOAT64),
                    (Precision.FLOAT32_PRODUCT, {}),
                )
            ),
            "cmsis-nn": (
                older(SIGNED),
                Row(
                    SIGNED,
                    cmsis_nn_unidirectional_sequence_lstm,
                    "double",
                    Precision.FLOAT64,
                    algorithm="as TFLM's, from states of zero",
                    source=f"{CMSIS_NN}LSTMFunctions/arm_lstm_unidirectional_s8.c",
                    since=MICRO_FLOAT64,
                    defects=(_FORGETS,),
                ),
            ),
        },
        stateful=True,
        ported=LSTM,
        unexplained=_STATE,
    ),
    Card(
        "UNIDIRECTIONAL_SEQUENCE_RNN",
        {
            "reference": (
                finished(
                    FLOAT,
                    unidirectional_sequence_rnn,
                    _APPROXIMATED,
                    "internal/kernel_utils.cc",
                    SUMMED,
                ),
            ),
        },
        stateful=True,
        unexplained=_STATE,
    ),
)
