"""Arrays as test benches read them: C initializers and ``$readmemh`` files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.model import Tensor
from tflreplay.tools.extract import PortKit

# Held in a C type of 8 bits, but no wider than this in hex.
_NARROW = {"int2": 2, "int4": 4, "uint4": 4}
_C_TYPES = {"float32": "float", "float64": "double"}
_NOT_FINITE = {"nan": "NAN", "inf": "INFINITY", "-inf": "-INFINITY"}
_LINE = 16  # values in a line of C


@dataclass(frozen=True)
class Vector:
    """A flat array. ``c_type`` holds a value in C, and ``bits`` is its width in hex."""

    name: str
    values: Array
    c_type: str
    bits: int

    @property
    def c_values(self) -> str:
        """The body of a C initializer: lines of values."""
        values = iter(literals(self.values))
        lines = []
        while line := ", ".join(islice(values, _LINE)):
            lines.append(f"    {line},")
        return "\n".join(lines)

    @property
    def hex(self) -> str:
        """One value a line: two's complement, or the bits of a floating-point number."""
        codes = self.values.view(f"u{self.values.itemsize}") & ((1 << self.bits) - 1)
        form = f"%0{-(-self.bits // 4)}x\n"
        return "".join(form % code for code in codes.tolist())


def vector(name: str, array: Array, dtype: str) -> Vector:
    """The array of a tensor of type ``dtype``.

    Complex numbers become pairs of a real and an imaginary part, float16 and bool their bits.
    """
    flat = np.ascontiguousarray(array).reshape(-1)
    if dtype in ("complex64", "complex128"):
        flat = flat.view(f"f{flat.itemsize // 2}")
    elif dtype in ("float16", "bool"):
        flat = flat.view(f"u{flat.itemsize}")
    c_type = _C_TYPES.get(flat.dtype.name, f"{flat.dtype.name}_t")
    return Vector(name, flat, c_type, _NARROW.get(dtype, 8 * flat.itemsize))


def literals(values: Array) -> list[str]:
    """Numbers as C writes them."""
    if values.dtype.kind == "f":
        suffix = "f" if values.dtype == np.float32 else ""
        # The shortest decimals that are read as the same number.
        texts: list[str] = values.astype(str).tolist()
        return [_NOT_FINITE.get(text) or text + suffix for text in texts]
    suffix = "u" if values.dtype in (np.uint32, np.uint64) else ""
    least = np.iinfo(np.int64).min  # C has no literal for it
    return ["INT64_MIN" if value == least else f"{value}{suffix}" for value in values.tolist()]


def tensors(kit: PortKit) -> Iterator[tuple[Tensor, Vector]]:
    """Every tensor of the op once, in the order of its inputs and outputs."""
    (op,) = kit.model.main.operators
    for index in dict.fromkeys((*op.inputs, *op.outputs)):
        if index >= 0:
            tensor = kit.model.main.tensors[index]
            array = tensor.data
            if array is None:
                array = kit.inputs[index] if index in kit.inputs else kit.outputs[index]
            yield tensor, vector(tensor.name, array, tensor.dtype)


def parameters(layer: Mapping[str, Any]) -> Iterator[Vector]:
    """The integers of the arithmetic; ``layer`` as in :mod:`tflreplay.reports.rules.sheet`."""
    found = layer["requantization"]
    if found is not None:
        yield _integers("multiplier", found["quantized_multiplier"])
        yield _integers("shift", found["shift"])
    for position, rescale in enumerate(layer["rescales"]):
        yield _integers(f"rescale_{position}_multiplier", rescale["quantized_multiplier"])
        yield _integers(f"rescale_{position}_shift", rescale["shift"])
    if layer["factors"]:
        yield _integers("factors", layer["factors"])
    if layer["table"] is not None:
        dtype = layer["outputs"][0]["dtype"]
        yield vector("table", np.array(layer["table"], dtype), dtype)


def _integers(name: str, values: list[int]) -> Vector:
    return vector(name, np.array(values, np.int32), "int32")
