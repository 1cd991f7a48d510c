"""Build the small models of the cases, and their inputs.

python docs/cases/build.py
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tflreplay import capture
from tflreplay.model import Operator, Quantization, Subgraph, Tensor, parse
from tflreplay.model.writer import write

CASES = Path(__file__).parent


def activation(
    name: str, shape: Sequence[int], scale: float, zero_point: int, dtype: str = "int8"
) -> dict[str, Any]:
    return {"name": name, "shape": shape, "dtype": dtype, "scale": scale, "zero_point": zero_point}


def constant(name: str, data: np.ndarray, scale: Any = None) -> dict[str, Any]:
    return {
        "name": name,
        "shape": data.shape,
        "dtype": str(data.dtype),
        "scale": scale,
        "data": data,
    }


def graph(
    tensors: Sequence[dict[str, Any]], operators: Sequence[Operator], outputs: tuple[int, ...]
) -> bytes:
    """A model of these tensors and operators; its input is tensor 0."""
    records = []
    buffers = 0
    for index, tensor in enumerate(tensors):
        quantization = raw = None
        if tensor["scale"] is not None:
            scale = np.atleast_1d(np.asarray(tensor["scale"], np.float32))
            zero_point = np.full(scale.shape, tensor.get("zero_point", 0), np.int64)
            quantization = Quantization(scale, zero_point, 0)
        if "data" in tensor:
            raw = memoryview(tensor["data"].tobytes())
            buffers += 1
        shape = tuple(tensor["shape"])
        records.append(
            Tensor(
                index,
                tensor["name"],
                shape,
                shape,
                tensor["dtype"],
                buffers if raw is not None else 0,
                quantization,
                raw=raw,
            )
        )
    return write([Subgraph(0, "main", tuple(records), (0,), outputs, tuple(operators))])


def rms_norm() -> tuple[bytes, np.ndarray]:
    """x / sqrt(mean(x * x)), the scales such that a sum of 7 (2k + 1) is a tie for MEAN."""
    rows, width = 128, 5
    square = 2.0**-6
    mean = square * 7 / 7.5
    rsqrt = 1 / (126 * np.sqrt(mean))  # the largest value but infinity has code 126 - 128
    tensors = [
        activation("x", (rows, width), 2.0**-3, 0),
        activation("x * x", (rows, width), square, -128),
        constant("axes", np.array([1], np.int32)),
        activation("mean", (rows, 1), mean, -128),
        activation("rsqrt", (rows, 1), rsqrt, -128),
        activation("y", (rows, width), 2.5 / 127, 0),
    ]
    operators = [
        Operator(0, "MUL", 2, (0, 0), (1,), options_table="MulOptions"),
        Operator(1, "MEAN", 2, (1, 2), (3,), {"keep_dims": True}, options_table="ReducerOptions"),
        Operator(2, "RSQRT", 2, (3,), (4,)),
        Operator(3, "MUL", 2, (0, 4), (5,), options_table="MulOptions"),
    ]
    x = np.random.default_rng(7441).integers(-4, 5, (rows, width)).astype(np.int8)
    return graph(tensors, operators, (5,)), x


def fully_connected() -> tuple[bytes, np.ndarray]:
    """One layer whose multipliers are n / 120, so that ties are common, yet not whole in binary."""
    rows, depth, units = 64, 8, 64
    rng = np.random.default_rng(8567)
    scales = 2.0**-7 * rng.choice([5, 7, 9, 11, 13], units)
    tensors = [
        activation("x", (rows, depth), 2.0**-4, 3),
        constant("weights", rng.integers(-3, 4, (units, depth)).astype(np.int8), scales),
        constant("bias", rng.integers(-50, 50, units).astype(np.int32), scales * 2.0**-4),
        activation("y", (rows, units), 2.0**-4 * 15 / 16, -4),
    ]
    operator = Operator(
        0, "FULLY_CONNECTED", 5, (0, 1, 2), (3,), options_table="FullyConnectedOptions"
    )
    x = rng.integers(-128, 128, (rows, depth)).astype(np.int8)
    return graph(tensors, [operator], (3,)), x


def hard_swish() -> tuple[bytes, np.ndarray]:
    """The op of the thread, on every code."""
    tensors = [
        activation("x", (256,), 0.13308307528495789, 105, "uint8"),
        activation("y", (256,), 0.075572937726974487, 5, "uint8"),
    ]
    x = np.arange(256, dtype=np.uint8)
    return graph(tensors, [Operator(0, "HARD_SWISH", 1, (0,), (1,))], (1,)), x


def average_pool() -> tuple[bytes, np.ndarray]:
    """Windows of four, so that every fourth mean or so is a tie."""
    tensors = [
        activation("x", (1, 32, 32, 4), 0.05, -3),
        activation("y", (1, 16, 16, 4), 0.05, -3),
    ]
    options = {
        "padding": "VALID",
        "stride_w": 2,
        "stride_h": 2,
        "filter_width": 2,
        "filter_height": 2,
        "fused_activation_function": "NONE",
    }
    operator = Operator(0, "AVERAGE_POOL_2D", 2, (0,), (1,), options, options_table="Pool2DOptions")
    x = np.random.default_rng(1012).integers(-128, 128, (1, 32, 32, 4)).astype(np.int8)
    return graph(tensors, [operator], (1,)), x


def wide_sums(bias_type: str = "float32") -> tuple[bytes, np.ndarray]:
    """int16 activations, int8 weights, no bias; some sums need more than 32 bits.

    ``bias_type`` is the option ``quantized_bias_type``; float32 stands for none.
    """
    rows, depth, units = 32, 1024, 8
    rng = np.random.default_rng(3597)
    weights = (rng.integers(90, 128, (units, depth)) * rng.choice([-1, 1], (units, depth))).astype(
        np.int8
    )
    tensors = [
        activation("x", (rows, depth), 2.0**-13, 0, "int16"),
        constant("weights", weights, [0.004]),
        activation("y", (rows, units), 0.06, 0, "int16"),
    ]
    operator = Operator(
        0,
        "FULLY_CONNECTED",
        7,
        (0, 1, -1),
        (2,),
        {"quantized_bias_type": bias_type},
        options_table="FullyConnectedOptions",
    )
    x = rng.integers(-20000, 20001, (rows, depth))
    # Half of the rows have the signs of one unit's weights, as what that unit looks for has.
    x[::2] = rng.integers(22000, 32768, (rows // 2, depth)) * np.tile(np.sign(weights), (2, 1))
    return graph(tensors, [operator], (2,)), x.astype(np.int16)


def prelu() -> tuple[bytes, np.ndarray]:
    """Scales that are powers of two, as ESP-DL has them; the output's is not the input's."""
    shape = (1, 16, 16, 8)
    alpha = np.random.default_rng(319).integers(-20, 100, (8,)).astype(np.int8)
    tensors = [
        activation("x", shape, 2.0**-5, 0),
        constant("alpha", alpha, [2.0**-7]),
        activation("y", shape, 2.0**-4, 0),
    ]
    x = np.random.default_rng(3190).integers(-128, 128, shape).astype(np.int8)
    return graph(tensors, [Operator(0, "PRELU", 1, (0, 1), (2,))], (2,)), x


def sine() -> tuple[bytes, np.ndarray]:
    """Two small layers behind an input of 0 to 2 pi, as of the sample hello_world; random weights.

    The input is real numbers: the model's own codes are made by who calls it.
    """
    rows, units = 400, 16
    rng = np.random.default_rng(88638)
    tensors = [
        activation("x", (rows, 1), 2 * np.pi / 255, -128),
        constant("weights 1", rng.integers(-127, 128, (units, 1)).astype(np.int8), [0.01]),
        constant(
            "bias 1", rng.integers(-3000, 3000, units).astype(np.int32), [0.01 * np.pi / 127.5]
        ),
        activation("hidden", (rows, units), 0.03, -128),
        constant("weights 2", rng.integers(-127, 128, (1, units)).astype(np.int8), [0.01]),
        constant("bias 2", rng.integers(-3000, 3000, 1).astype(np.int32), [0.01 * 0.03]),
        activation("y", (rows, 1), 0.1, 0),
    ]
    table = "FullyConnectedOptions"
    relu = {"fused_activation_function": "RELU"}
    operators = [
        Operator(0, "FULLY_CONNECTED", 4, (0, 1, 2), (3,), relu, options_table=table),
        Operator(1, "FULLY_CONNECTED", 4, (3, 4, 5), (6,), options_table=table),
    ]
    return graph(tensors, operators, (6,)), rng.uniform(0, 6.2, (rows, 1)).astype(np.float32)


def add() -> tuple[bytes, np.ndarray]:
    """Inputs of a scale 600,000 times that of the output."""
    tensors = [
        activation("x", (1, 8), 0.6, 0),
        activation("y", (1, 8), 1e-6, 0),
    ]
    operator = Operator(0, "ADD", 2, (0, 0), (1,), options_table="AddOptions")
    return graph(tensors, [operator], (1,)), np.arange(8, dtype=np.int8)[None]


def transpose() -> tuple[bytes, np.ndarray]:
    """An output of another scale than the input."""
    tensors = [
        activation("x", (2, 4), 0.5, 3),
        constant("permutation", np.array([1, 0], np.int32)),
        activation("y", (4, 2), 0.25, 3),
    ]
    operator = Operator(0, "TRANSPOSE", 2, (0, 1), (2,), options_table="TransposeOptions")
    return graph(tensors, [operator], (2,)), np.arange(8, dtype=np.int8).reshape(2, 4)


def softmax() -> tuple[bytes, np.ndarray]:
    """Rows of 600 logits, all alike; the input's zero point is 0."""
    tensors = [
        activation("x", (1, 600), 0.05, 0),
        activation("y", (1, 600), 1 / 256, -128),
    ]
    options = {"beta": 1.0}
    operator = Operator(0, "SOFTMAX", 2, (0,), (1,), options, options_table="SoftmaxOptions")
    return graph(tensors, [operator], (1,)), np.zeros((1, 600), np.int8)


BUILT = {
    "tensorflow-60815/add": add,
    "tensorflow-101973/transpose": transpose,
    "tflite-micro-3499/softmax": softmax,
    "cmsis-5-1012/average_pool": average_pool,
    "esp-dl-319/prelu": prelu,
    "litert-7441/rms_norm": rms_norm,
    "litert-8567/fully_connected": fully_connected,
    "tensorflow-40781/hard_swish": hard_swish,
    "tflite-micro-3597/fully_connected": wide_sums,
    "tflite-micro-3597/declared": partial(wide_sums, "int64"),
    "zephyr-88638/sine": sine,
}


def dump() -> dict[str, np.ndarray]:
    """What a device holds that cuts its input and then computes what LiteRT computes, by index.

    ``int8_t x_quantized = x / scale + zero_point``, in float32.
    """
    content, x = sine()
    model = parse(content, CASES / "zephyr-88638" / "sine.tflite")
    tensor = model.main.tensors[0]
    codes = np.trunc(x / np.float32(tensor.scale) + np.float32(tensor.zero_point))
    quantized = codes.astype(np.int32).astype(np.int8)
    outputs = capture(model, {0: quantized}).tensors
    return {"0": quantized, "3": outputs[3], "6": outputs[6]}


def main() -> None:
    for name, build in BUILT.items():
        content, x = build()
        path = CASES / name
        path.parent.mkdir(exist_ok=True)
        path.with_suffix(".tflite").write_bytes(content)
        np.save(path.with_name("x.npy"), x)
    np.savez(CASES / "zephyr-88638" / "dump.npz", **dump())


if __name__ == "__main__":
    main()
