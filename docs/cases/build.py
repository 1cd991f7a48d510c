"""Build the small models of the cases, and their inputs.

python docs/cases/build.py
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tflreplay.model import Operator, Quantization, Subgraph, Tensor
from tflreplay.model.writer import write

CASES = Path(__file__).parent


def activation(name: str, shape: Sequence[int], scale: float, zero_point: int) -> dict[str, Any]:
    return {"name": name, "shape": shape, "dtype": "int8", "scale": scale, "zero_point": zero_point}


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


BUILT = {"litert-7441/rms_norm": rms_norm, "litert-8567/fully_connected": fully_connected}


def main() -> None:
    for name, build in BUILT.items():
        content, x = build()
        path = CASES / name
        path.with_suffix(".tflite").write_bytes(content)
        np.save(path.with_name("x.npy"), x)


if __name__ == "__main__":
    main()
