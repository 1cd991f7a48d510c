"""Exact integer products by BLAS, and the real multiplier of ops that have weights.

numpy multiplies integer matrices thirty times slower than floating-point ones. A float GEMM of
integers is exact, in any order and with fused multiply-add, while every partial sum stays below
2**24 (float32) or 2**53 (float64): all intermediate values are then representable. The bound used
here is ``max|x| * sum|w| + |constant|`` for each output channel, from the types and the weights
alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import INT32_MAX, Accumulation, Array, Multiplier
from tflreplay.model import Operator, Tensor
from tflreplay.ops.base.call import Call, accumulation
from tflreplay.ops.base.precision import Precision

FLOAT32_EXACT = 2**24
FLOAT64_EXACT = 2**53

# The types of weights that kernels take, by the type of the activations.
_WEIGHTS = {"int8": ("int8", "int4"), "uint8": ("uint8",), "int16": ("int8", "int4")}
# Some combinations of types were read wrongly before.
_SOUND = {"litert": "1.2.0", "tensorflow": "2.19.0"}
# Above this exponent, the shift by which a rule of 64 bits rounds would be negative.
_MOST_SHIFT = 14


@dataclass(frozen=True)
class Sums:
    """What weights fix about their sums: the constant to add, and how large a sum can get.

    ``constant`` is int64 ``bias - zero_point * sum(weights)`` of shape ``(..., 1, columns)`` for
    weights ``(..., depth, columns)``: the input's zero point, folded in. ``bound`` holds for every
    partial sum. ``bits`` is the accumulator's width, 32 or 64.
    """

    constant: Array
    bound: int
    bits: int = 32

    @classmethod
    def of(
        cls,
        weights: Array,
        zero_point: int,
        bias: Array | None,
        codes: np.dtype[Any],
        bits: int = 32,
    ) -> Sums:
        """For inputs of the integer type ``codes``; bias int32 or int64 ``(columns,)``.

        Raises:
            NotReplayed: the sums may pass 2**53.
        """
        constant: Array = -zero_point * weights.sum(axis=-2, keepdims=True, dtype=np.int64)
        if bias is not None:
            constant = constant + bias.astype(np.int64)
        info = np.iinfo(codes)
        largest = max(-int(info.min), int(info.max))
        magnitude = np.abs(weights).sum(axis=-2, keepdims=True, dtype=np.int64)
        # In Python's integers: an int64 bias may be anything.
        bound = largest * int(magnitude.max(initial=0)) + max(
            abs(int(constant.min(initial=0))), abs(int(constant.max(initial=0)))
        )
        if bound >= FLOAT64_EXACT:
            raise NotReplayed("its sums may pass 2**53; the runtime rescales none above 2**47")
        return cls(constant, bound, bits)

    @property
    def dtype(self) -> type[np.float32] | type[np.float64]:
        """The float type in which the sums are exact."""
        return np.float32 if self.bound < FLOAT32_EXACT else np.float64

    def wrapped(self, values: Array) -> Array:
        """Exact sums reduced to int32 where ``bound`` says that they may not fit."""
        if self.bits == 64 or self.bound <= INT32_MAX:
            return values
        return values.astype(np.int64).astype(np.int32)

    def matmul(self, x: Array, weights: Array) -> Array:
        """``x @ weights + constant``; x: codes ``(..., rows, depth)``, weights: as ``dtype``."""
        values: Array = x.astype(self.dtype) @ weights
        values += self.constant.astype(self.dtype)
        return self.wrapped(values)


def exact_matmul(
    x: Array, weights: Array, zero_point: int, bias: Array | None, bits: int = 32
) -> Array:
    """``(x - zero_point) @ weights + bias`` as an accumulator of ``bits`` would hold it.

    x: codes of 8 or 16 bits ``(..., rows, depth)``; weights: integers ``(..., depth, columns)``,
    their own zero point already subtracted; bias: int32 or int64 ``(columns,)``. Returns float32,
    float64 or int32 of shape ``(..., rows, columns)``.
    """
    sums = Sums.of(weights, zero_point, bias, x.dtype, bits)
    return sums.matmul(x, weights.astype(sums.dtype))


def check_types(call: Call, x: Tensor, w: Tensor) -> None:
    """
    Raises:
        NotReplayed: no kernel takes activations and weights of these types, or the output's.
    """
    if w.dtype not in _WEIGHTS.get(x.dtype, ()):
        raise NotReplayed(f"{call.op.name} of {x.dtype} activations by {w.dtype} weights")
    if call.output.dtype != x.dtype:
        raise NotReplayed(f"{call.op.name} from {x.dtype} to {call.output.dtype}")


def check_version(call: Call, what: str) -> None:
    """
    Raises:
        NotReplayed: ``what`` is computed in another way by versions as old as the engine's.
    """
    engine = call.engine
    if engine.runtime in _SOUND and not engine.at_least(_SOUND):
        what = f"{call.op.name} {what}"
        raise NotReplayed(f"{what} is not modelled for {engine.runtime} {engine.version}")


def centred_weights(call: Call, x: Tensor, w: Tensor, weights: Array) -> Array:
    """int16 weights of a convolution, less their zero point, which only uint8 kernels look at.

    Raises:
        NotReplayed: as :func:`check_types`.
    """
    check_types(call, x, w)
    centred = weights.astype(np.int16)
    return centred - np.int16(w.zero_point) if w.dtype == "uint8" else centred


def declared_bits(engine: Engine, op: Operator, bias: str | None) -> int:
    """The width of an accumulator of int16 activations, by the type of the bias, if there is one.

    64, unless the op's options declare an int32 bias. TFLM looks at the bias itself.
    """
    narrow = op.options.get("quantized_bias_type") == "int32"
    if bias is not None and engine.runtime == "tflm":
        narrow = bias == "int32"
    return 32 if narrow else 64


def accumulator_bits(call: Call, x: Tensor, bias: Array | None) -> int:
    """The width of the accumulator: 32, or for int16 activations :func:`declared_bits`.

    Raises:
        NotReplayed: an int32 bias that the options do not declare: the runtime reads it as int64.
    """
    dtype = None if bias is None else bias.dtype.name
    if x.dtype != "int16" or declared_bits(call.engine, call.op, dtype) == 32:
        return 32
    if dtype == "int32":
        raise NotReplayed(
            f"{call.op.name} on int16 with an int32 bias but no quantized_bias_type: "
            "the runtime reads the bias as int64"
        )
    return 64


def weighted_accumulation(call: Call, x: Tensor, values: Array, bits: int = 32) -> Accumulation:
    """Sums of x times the weights, with :func:`weight_multiplier` and the fused activation.

    ``bits`` is the width of the accumulator.
    """
    return replace(
        accumulation(
            call,
            values,
            weight_multiplier(call, x, call.input(1)),
            call.option("fused_activation_function"),
        ),
        bits=bits,
    )


def weight_multiplier(call: Call, x: Tensor, weights: Tensor) -> Multiplier:
    """``x's scale * weight scale / output scale``, in the precision of the row in force.

    Raises:
        NotReplayed: the weights have no scale, or a rule of 64 bits is not defined for the
            multiplier.
    """
    if weights.quantization is None:
        raise NotReplayed(f"{call.op.name} whose weights {weights.label} have no scale")
    scale = weights.quantization.scale
    if not weights.quantization.per_axis:
        scale = scale.reshape(())
    precision = call.row.multiplier
    assert isinstance(precision, Precision)
    multiplier = Multiplier.of(precision.multiplier(x.scale, scale, call.output.scale))
    if call.rule.bits == 64 and multiplier.shift.max(initial=0) > _MOST_SHIFT:
        raise NotReplayed(f"{call.op.name} on int16 with a multiplier of 2**14 or more")
    return multiplier
