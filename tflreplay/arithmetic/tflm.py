"""What TFLM's own kernels compute, where that is not what the reference kernels do."""

from __future__ import annotations

import numpy as np

from tflreplay.arithmetic.binary import ADD_SCALES
from tflreplay.arithmetic.row import EXACT, TABLE
from tflreplay.arithmetic.types import FLOAT, INT8, INT16, QUANTIZED, SIGNED
from tflreplay.arithmetic.weights import int32_sums
from tflreplay.kernels import (
    activations,
    elementwise,
    fully_connected,
    functions,
    plain,
    reduce,
    svdf,
    tflm,
    tflm_lstm,
)
from tflreplay.kernels.call import Arithmetic
from tflreplay.kernels.matmul import DOUBLE, FLOAT32_PRODUCT

_MICRO = "tensorflow/lite/micro/kernels/"
# The wheel that computes in float64 what was float32 before; 0.dev20261012203412 does not yet.
_FLOAT64 = {"tflm": "0.dev20261013214400"}

ROWS = (
    *(
        Arithmetic(
            "FULLY_CONNECTED",
            types,
            fully_connected.fully_connected,
            rule,
            DOUBLE,
            source=f"{_MICRO}fully_connected_common.cc",
            when=when,
            since=_FLOAT64,
        )
        for types, rule, when in (
            (INT8, "double", None),
            (INT16, "double", int32_sums),
            (INT16, "reduced16", None),
        )
    ),
    Arithmetic(
        "TRANSPOSE_CONV",
        INT16,
        tflm.transpose_conv,
        "reduced16",
        DOUBLE,
        source=f"{_MICRO}transpose_conv.cc",
    ),
    Arithmetic(
        "SUB",
        SIGNED,
        elementwise.sub,
        "double",
        ADD_SCALES,
        source=f"{_MICRO}sub_common.cc",
        pairwise=True,
        since=_FLOAT64,
    ),
    Arithmetic(
        "SUB",
        SIGNED,
        tflm.sub,
        "double",
        "float32 s/(2*max(s1, s2)); float32 2*max(s1, s2)/(2**20*so)",
        source=f"{_MICRO}sub_common.cc",
        pairwise=True,
    ),
    Arithmetic(
        "MUL",
        SIGNED,
        tflm.mul,
        "double",
        "float64 s1*s2/so",
        source=f"{_MICRO}mul_common.cc",
        pairwise=True,
    ),
    Arithmetic(
        "RELU",
        SIGNED,
        tflm.relu,
        "double",
        "float64 si/so",
        source=f"{_MICRO}activations_common.cc",
        since=_FLOAT64,
    ),
    Arithmetic(
        "RELU6",
        SIGNED,
        tflm.relu6,
        algorithm="clamp, the output's scale ignored",
        source=f"{_MICRO}activations_common.cc",
    ),
    Arithmetic(
        "LEAKY_RELU",
        SIGNED,
        tflm.leaky_relu,
        "double",
        "float64 si/so; float64 si*|alpha|/so where x < zi",
        source=f"{_MICRO}leaky_relu_common.cc",
        since=_FLOAT64,
    ),
    Arithmetic(
        "PRELU",
        SIGNED,
        tflm.prelu,
        "double",
        "float64 si/so; float64 si*sa/so where x < zi",
        source=f"{_MICRO}prelu_common.cc",
    ),
    Arithmetic(
        "ABS",
        SIGNED,
        tflm.abs_,
        "double",
        "float64 si/so",
        source=f"{_MICRO}elementwise.cc",
        since=_FLOAT64,
    ),
    Arithmetic(
        "ADD",
        ("int32",),
        plain.elementwise(np.add),
        algorithm="sum, the activation ignored",
        source=f"{_MICRO}add.cc",
    ),
    *(
        Arithmetic(op, types, kernel, algorithm=how, source=f"{_MICRO}{op.lower()}.cc")
        for op, types, kernel, how in (
            ("CEIL", FLOAT, plain.elementwise(np.ceil), EXACT),
            ("ROUND", FLOAT, plain.elementwise(plain.round_half_even), EXACT),
            ("ELU", FLOAT, plain.elementwise(functions.elu), EXACT),
            ("ELU", INT8, activations.elu, TABLE),
        )
    ),
    Arithmetic(
        "SUM",
        SIGNED,
        reduce.sum_,
        "double",
        "float64 si/so",
        source=f"{_MICRO}reduce_common.cc",
    ),
    *(
        Arithmetic(
            op,
            INT8,
            kernel,
            algorithm="fixed point",
            source=f"{_MICRO}{op.lower()}.cc",
        )
        for op, kernel in (("LOGISTIC", tflm.logistic), ("TANH", tflm.tanh))
    ),
    Arithmetic(
        "DEQUANTIZE",
        QUANTIZED,
        tflm.dequantize,
        algorithm="float64, then float32; the first scale only",
        source=f"{_MICRO}dequantize_common.cc",
    ),
    *(
        Arithmetic(
            "UNIDIRECTIONAL_SEQUENCE_LSTM",
            SIGNED,
            tflm_lstm.unidirectional_sequence_lstm,
            "double",
            multiplier,
            algorithm="16-bit sums and products, interpolated logistic and tanh",
            source=f"{_MICRO}lstm_eval.h",
            since=since,
        )
        for multiplier, since in ((DOUBLE, _FLOAT64), (FLOAT32_PRODUCT, {}))
    ),
    Arithmetic(
        "SVDF",
        INT8,
        svdf.svdf_with_zero_point,
        "double",
        "float32 s1*s2/ss, float32 ss*st/so",
        source=f"{_MICRO}svdf_common.cc",
    ),
)
