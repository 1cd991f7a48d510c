"""The kernels by builtin operator name. One file an op family."""

from __future__ import annotations

from tflreplay.kernels.activations import (
    leaky_relu,
    logistic,
    relu,
    relu6,
    relu_0_to_1,
    relu_n1_to_1,
    tanh,
)
from tflreplay.kernels.call import Kernel
from tflreplay.kernels.conv import conv_2d, depthwise_conv_2d
from tflreplay.kernels.elementwise import add, mul, sub
from tflreplay.kernels.fully_connected import fully_connected
from tflreplay.kernels.hard_swish import hard_swish
from tflreplay.kernels.movement import (
    concatenation,
    expand_dims,
    gather,
    pack,
    pad,
    padv2,
    reshape,
    shape,
    slice_,
    split,
    split_v,
    squeeze,
    strided_slice,
    tile,
    transpose,
    unpack,
)
from tflreplay.kernels.pooling import average_pool_2d, max_pool_2d
from tflreplay.kernels.quantize import dequantize, quantize
from tflreplay.kernels.reduce import mean
from tflreplay.kernels.softmax import softmax

KERNELS: dict[str, Kernel] = {
    "CONV_2D": conv_2d,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d,
    "FULLY_CONNECTED": fully_connected,
    "ADD": add,
    "SUB": sub,
    "MUL": mul,
    "MEAN": mean,
    "LEAKY_RELU": leaky_relu,
    "LOGISTIC": logistic,
    "RELU": relu,
    "RELU6": relu6,
    "RELU_0_TO_1": relu_0_to_1,
    "RELU_N1_TO_1": relu_n1_to_1,
    "TANH": tanh,
    "HARD_SWISH": hard_swish,
    "CONCATENATION": concatenation,
    "EXPAND_DIMS": expand_dims,
    "GATHER": gather,
    "PACK": pack,
    "PAD": pad,
    "PADV2": padv2,
    "RESHAPE": reshape,
    "SHAPE": shape,
    "SLICE": slice_,
    "SPLIT": split,
    "SPLIT_V": split_v,
    "SQUEEZE": squeeze,
    "STRIDED_SLICE": strided_slice,
    "TILE": tile,
    "TRANSPOSE": transpose,
    "UNPACK": unpack,
    "AVERAGE_POOL_2D": average_pool_2d,
    "MAX_POOL_2D": max_pool_2d,
    "DEQUANTIZE": dequantize,
    "QUANTIZE": quantize,
    "SOFTMAX": softmax,
}

# Ops whose every output is a function of one pair of input codes.
PAIRWISE = frozenset({"ADD", "SUB", "MUL"})
