"""What TFLM's own kernels compute, where that is not what the reference kernels do."""

from __future__ import annotations

from tflreplay.kernels import tflm
from tflreplay.kernels.call import Arithmetic

_INT8 = ("int8",)
_MICRO = "tensorflow/lite/micro/kernels/"

ROWS = (
    Arithmetic(
        "MUL",
        _INT8,
        tflm.mul,
        "double",
        "float64 s1*s2/so",
        source=f"{_MICRO}mul_common.cc",
        pairwise=True,
    ),
    Arithmetic(
        "RELU",
        _INT8,
        tflm.relu,
        "double",
        "float64 si/so",
        source=f"{_MICRO}activations_common.cc",
    ),
    Arithmetic(
        "RELU6",
        _INT8,
        tflm.relu6,
        algorithm="clamp, the output's scale ignored",
        source=f"{_MICRO}activations_common.cc",
    ),
    Arithmetic(
        "LEAKY_RELU",
        _INT8,
        tflm.leaky_relu,
        "double",
        "float64 si/so; float64 si*|alpha|/so where x < zi",
        source=f"{_MICRO}leaky_relu_common.cc",
    ),
    *(
        Arithmetic(
            op,
            _INT8,
            kernel,
            algorithm="fixed point",
            source=f"{_MICRO}{op.lower()}.cc",
        )
        for op, kernel in (("LOGISTIC", tflm.logistic), ("TANH", tflm.tanh))
    ),
    Arithmetic(
        "DEQUANTIZE",
        ("int8", "uint8", "int16"),
        tflm.dequantize,
        algorithm="float64, then float32; the first scale only",
        source=f"{_MICRO}dequantize_common.cc",
    ),
)
