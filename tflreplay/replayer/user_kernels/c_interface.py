"""The structs of ``tflreplay_kernel.h``, filled for one call, and the call itself.

Runs in the child process. Each tensor lies in memory of its own between two guards, which are
looked at after the call.
"""

from __future__ import annotations

import ctypes
import json
import math
from collections.abc import Sequence
from ctypes import POINTER, Structure, c_char_p, c_double, c_float, c_int32, c_void_p, cast
from pathlib import Path
from typing import Any

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Array
from tflreplay.model import Tensor
from tflreplay.ops.base.call import Call
from tflreplay.replayer.user_kernels.prepared import Prepared

_TYPES = {
    "int8": 1, "uint8": 2, "int16": 3, "uint16": 4, "int32": 5, "uint32": 6,
    "int64": 7, "uint64": 8, "float16": 9, "float32": 10, "float64": 11, "bool": 12,
}  # fmt: skip
_GUARD = 64
_FILL = 0xA5  # what an output holds that the kernel does not write


class OutOfBounds(Exception):
    """A kernel has written beside a tensor; the process's memory cannot be relied on any more."""


class CTensor(Structure):
    _fields_ = (
        ("data", c_void_p),
        ("type", c_int32),
        ("size", c_int32),
        ("rank", c_int32),
        ("dims", POINTER(c_int32)),
        ("scales", c_int32),
        ("scale", POINTER(c_float)),
        ("zero_point", POINTER(c_int32)),
        ("axis", c_int32),
    )


class COption(Structure):
    _fields_ = (("name", c_char_p), ("value", c_double), ("text", c_char_p))


class CCall(Structure):
    _fields_ = (
        ("op", c_char_p),
        *((name, c_int32) for name in ("index", "inputs", "outputs", "options")),
        ("input", POINTER(CTensor)),
        ("output", POINTER(CTensor)),
        ("option", POINTER(COption)),
        *((name, c_int32) for name in (
            "input_offset", "filter_offset", "input1_offset", "input2_offset", "output_offset",
            "quantized_activation_min", "quantized_activation_max", "multipliers",
        )),
        ("output_multiplier", POINTER(c_int32)),
        ("output_shift", POINTER(c_int32)),
        ("output_real_multiplier", POINTER(c_double)),
        *((name, c_int32) for name in (
            "left_shift", "input1_multiplier", "input1_shift", "input2_multiplier", "input2_shift",
            "filter_h", "filter_w", "stride_h", "stride_w", "dilation_h", "dilation_w",
            "pad_h", "pad_w",
        )),
    )  # fmt: skip


class CKernel:
    """A function of a library, called as a kernel in Python is."""

    def __init__(self, library: ctypes.CDLL, symbol: str, places: Path | None) -> None:
        """``places``: where to note which tensor lies where, for whoever reads the report of a
        sanitizer, which has guards of its own."""
        self._function = library[symbol]
        self._function.restype = c_char_p
        self._function.argtypes = (POINTER(CCall),)
        self._places = places

    def __call__(
        self, call: Call, arrays: Sequence[Array | None], prepared: Prepared
    ) -> tuple[Array, ...] | str:
        """The outputs; or the text that the kernel returns in their place.

        Raises:
            OutOfBounds: it has written beside one of its tensors.
            NotReplayed: a tensor has a type that numpy, and so C, does not know.
        """
        memory = _Memory(_GUARD if self._places is None else 0)
        given = [memory.input(*pair) for pair in zip(call.inputs, arrays, strict=True)]
        made = [memory.output(tensor) for tensor in call.outputs]
        options = _options(call)
        handed = CCall(
            op=call.op.name.encode(),
            index=call.op.index,
            inputs=len(given),
            outputs=len(made),
            options=len(options),
            input=(CTensor * (len(given) + 1))(*(record for record, _ in given)),
            output=(CTensor * len(made))(*(record for record, _ in made)),
            option=(COption * len(options))(*options),
            **_prepared_fields(call, prepared, memory),
        )
        if self._places is not None:
            self._places.write_text(json.dumps(memory.places))
        refused = self._function(ctypes.byref(handed))
        memory.check()
        if refused is not None:
            return str(refused.decode(errors="replace"))
        for position, (tensor, (_, held)) in enumerate(zip(call.inputs, given, strict=True)):
            if tensor is not None and tensor.is_variable:
                call.keep(position, held)
        return tuple(held for _, held in made)


class _Memory:
    """Whatever the structs of one call point to; each tensor between two guards."""

    def __init__(self, guard: int) -> None:
        self._guard = guard
        self._kept: list[Any] = []
        self._whole: list[Array] = []
        # Name, address and bytes of each tensor.
        self.places: list[tuple[str, int, int]] = []

    def input(self, tensor: Tensor | None, array: Array | None) -> tuple[CTensor, Array]:
        """A copy of the array, and what says where it lies; nothing of an input left out."""
        if tensor is None or array is None:
            return CTensor(), np.empty(0)
        held = self._held(tensor, array.shape)
        held[...] = array
        return self._record(tensor, held), held

    def output(self, tensor: Tensor) -> tuple[CTensor, Array]:
        """An array that the kernel is to fill, and what says where it lies."""
        held = self._held(tensor, tensor.shape)
        return self._record(tensor, held), held

    def numbers(self, values: Any, dtype: type[Any], c_type: type[Any]) -> Any:
        """A pointer to them."""
        array = np.ascontiguousarray(values, dtype)
        self._kept.append(array)
        return cast(array.ctypes.data, POINTER(c_type))

    def check(self) -> None:
        """
        Raises:
            OutOfBounds: a guard is not as it was.
        """
        guard = self._guard
        for (name, _, size), whole in zip(self.places, self._whole, strict=True):
            if (whole[:guard] != _FILL).any():
                raise OutOfBounds(f"writes before the start of {name}")
            if (whole[guard + size :] != _FILL).any():
                raise OutOfBounds(f"writes past the end of {name}")

    def _held(self, tensor: Tensor, shape: tuple[int, ...]) -> Array:
        dtype = tensor.numpy_dtype
        if dtype.hasobject or dtype.kind in "SU":
            raise NotReplayed(f"tensor {tensor.label}: C is not handed any {tensor.dtype}")
        size, guard = math.prod(shape) * dtype.itemsize, self._guard
        whole = np.full(size + 2 * guard, _FILL, np.uint8)
        self._whole.append(whole)
        self.places.append((f"tensor {tensor.label}", whole.ctypes.data + guard, size))
        return whole[guard : guard + size].view(dtype).reshape(shape)

    def _record(self, tensor: Tensor, held: Array) -> CTensor:
        found = tensor.quantization
        return CTensor(
            data=held.ctypes.data,
            type=_TYPES.get(held.dtype.name, 0),
            size=held.size,
            rank=held.ndim,
            dims=self.numbers(held.shape, np.int32, c_int32),
            scales=found.scale.size if found else 0,
            scale=self.numbers(found.scale if found else (), np.float32, c_float),
            zero_point=self.numbers(found.zero_point if found else (), np.int32, c_int32),
            axis=found.axis if found else 0,
        )


def _prepared_fields(call: Call, prepared: Prepared, memory: _Memory) -> dict[str, Any]:
    first, second = (-_zero_point(call.inputs, position) for position in range(2))
    fields: dict[str, Any] = {
        "input_offset": first,
        "filter_offset": second,
        "input1_offset": first,
        "input2_offset": second,
        "output_offset": _zero_point(call.outputs, 0),
        "quantized_activation_min": prepared.low,
        "quantized_activation_max": prepared.high,
        "left_shift": prepared.left_shift,
    }
    if (found := prepared.multiplier) is not None:
        fields |= {
            "multipliers": found.real.size,
            "output_multiplier": memory.numbers(found.mantissa.ravel(), np.int32, c_int32),
            "output_shift": memory.numbers(found.shift.ravel(), np.int32, c_int32),
            "output_real_multiplier": memory.numbers(found.real.ravel(), np.float64, c_double),
        }
    for number, rescale in enumerate(prepared.rescales[:2], 1):
        fields[f"input{number}_multiplier"] = int(rescale.mantissa)
        fields[f"input{number}_shift"] = int(rescale.shift)
    if prepared.windows is not None:
        for axis, window in zip("hw", prepared.windows, strict=True):
            fields[f"filter_{axis}"] = window.size
            fields[f"stride_{axis}"] = window.stride
            fields[f"dilation_{axis}"] = window.dilation
            fields[f"pad_{axis}"] = window.before
    return fields


def _zero_point(tensors: Sequence[Tensor | None], position: int) -> int:
    """0 where there is none, or one for each channel."""
    tensor = tensors[position] if position < len(tensors) else None
    found = tensor.quantization if tensor is not None else None
    return 0 if found is None or found.per_axis else int(found.zero_point[0])


def _options(call: Call) -> list[COption]:
    """Those that are one number, a flag or an enum."""
    made = []
    for name, value in call.op.options.items():
        if isinstance(value, str):
            made.append(COption(name=name.encode(), text=value.encode()))
        elif isinstance(value, int | float):
            made.append(COption(name=name.encode(), value=value))
    return made
