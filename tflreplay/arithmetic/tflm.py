"""What TFLM's own kernels compute, where that is not what the reference kernels do."""

from __future__ import annotations

from tflreplay.kernels import elementwise, tflm
from tflreplay.kernels.call import Arithmetic

_INT8 = ("int8",)
_MICRO = "tensorflow/lite/micro/kernels/"
# The wheel that computes in float64 what was float32 before; 0.dev20261012203412 does not yet.
_FLOAT64 = {"tflm": "0.dev20261013214400"}

ROWS = (
    Arithmetic(
        "SUB",
        _INT8,
        elementwise.sub,
        "double",
        "float64 s/(2*max(s1, s2)); float64 2*max(s1, s2)/(2**20*so)",
        source=f"{_MICRO}sub_common.cc",
        pairwise=True,
        since=_FLOAT64,
    ),
    Arithmetic(
        "SUB",
        _INT8,
        tflm.sub,
        "double",
        "float32 s/(2*max(s1, s2)); float32 2*max(s1, s2)/(2**20*so)",
        source=f"{_MICRO}sub_common.cc",
        pairwise=True,
    ),
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
        since=_FLOAT64,
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
        since=_FLOAT64,
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
