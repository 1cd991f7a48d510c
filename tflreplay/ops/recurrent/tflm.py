"""TFLM's UNIDIRECTIONAL_SEQUENCE_LSTM, composed of the kernels of other ops."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import RULES, Array, Multiplier, wrap32
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.lookup import every_code, look_up
from tflreplay.ops.base.precision import Precision
from tflreplay.ops.base.rescaling import power_of_two
from tflreplay.ops.base.sigmoid16 import interpolated_logistic, interpolated_tanh
from tflreplay.ops.base.sums import Sums
from tflreplay.ops.recurrent.cells import (
    BIASES,
    CELL,
    CELL_STATE,
    FORGET,
    HIDDEN_STATE,
    INPUT,
    INPUT_WEIGHTS,
    OUTPUT,
    RECURRENT_WEIGHTS,
    Arrays,
    Cells,
    Gate,
    all_inputs,
    saturated,
    sequence,
)

_GATE = np.float64(2.0**-15)  # the scale of a gate's values
_SUM = np.float64(2.0**-12)  # and of its sums


@dataclass(frozen=True)
class Build:
    """What TFLM's kernel and CMSIS-NN's do each in their own way.

    ``wide`` is the rule of sums of 64 bits. ``saturates``: what is added, to a gate's sum or to the
    cell state, is cut to 16 bits before. ``clips_to_0``: by a clip of the cell state that is above
    0, and 0 in codes.
    """

    wide: str = "reduced16"
    saturates: bool = True
    clips_to_0: bool = True


TFLM = Build()


def tflm_unidirectional_sequence_lstm(call: Call, *arrays: Array | None) -> Array:
    """As the int8 op, every step by another kernel.

    See :func:`tflreplay.ops.recurrent.integer.unidirectional_sequence_lstm`. Sums as
    FULLY_CONNECTED and ADD, sigmoid and tanh by the interpolated table of int16 LOGISTIC, products
    as MUL. x and h int8, or int16 with int64 biases; g by the fused activation. ``LstmStep`` in
    ``tensorflow/lite/micro/kernels/lstm_eval.h``.
    """
    inputs = all_inputs(arrays)
    return sequence(call, inputs, lambda x: cells(call, inputs, x))


def cells(call: Call, arrays: Arrays, x: Array, build: Build = TFLM) -> Cells:
    """The layer for an input ``(time, batch, depth)``.

    Raises:
        NotReplayed: no kernel takes inputs of these types and scales.
    """
    h, c = call.input(HIDDEN_STATE), call.input(CELL_STATE)
    activation = call.option("fused_activation_function")
    if activation != "TANH":
        raise NotReplayed(f"{call.op.name} with a fused {activation}")
    exponent = power_of_two(c.scale)
    if exponent is None:
        raise NotReplayed(f"{call.op.name} with a cell state of scale {c.scale:g}, no power of two")
    scale = np.float64(c.scale)
    keep, add = Multiplier.of(_GATE * scale / scale), Multiplier.of(_GATE * _GATE / scale)
    expose = Multiplier.of(_GATE * _GATE / np.float64(h.scale))
    bound = call.option("cell_clip")
    clip = int(np.clip(np.float64(np.float32(bound)) / scale, -(2**15), 2**15 - 1))
    cut = saturated if build.saturates else wrap32
    clips = bound > 0 if build.clips_to_0 else clip > 0
    function = _tanh(exponent)
    low, high = h.code_range

    def multiply(a: Array, b: Array, by: Multiplier) -> Array:
        return call.rule(a.astype(np.int64) * b, by)

    def state(c: Array, f: Array, i: Array | None, g: Array) -> Array:
        assert i is not None
        kept = saturated(multiply(f, c, keep)).astype(np.int64)
        c = saturated(kept + cut(multiply(i, g, add)))
        return c.clip(-clip, clip) if clips else c

    def hidden(c: Array, o: Array) -> Array:
        values = wrap32(multiply(look_up(c, function), o, expose) + h.zero_point)
        return values.clip(low, high).astype(h.numpy_dtype)

    return Cells(
        input=_gate(call, arrays, x, INPUT, build),
        forget=_gate(call, arrays, x, FORGET, build),
        cell=_gate(call, arrays, x, CELL, build),
        output=_gate(call, arrays, x, OUTPUT, build),
        state=state,
        hidden=hidden,
    )


def _gate(call: Call, arrays: Arrays, x: Array, number: int, build: Build) -> Gate:
    by_input = _Dense(call, arrays, 0, INPUT_WEIGHTS + number, BIASES + number, build)
    by_hidden = _Dense(call, arrays, HIDDEN_STATE, RECURRENT_WEIGHTS + number, None, build)
    of_input = saturated(by_input(x)).astype(np.int64)
    table = _tanh(-12) if number == CELL else _sigmoid()
    cut = saturated if build.saturates else wrap32

    def gate(step: int, h: Array, c: Array) -> Array:
        return look_up(saturated(of_input[step] + cut(by_hidden(h))), table)

    return gate


class _Dense:
    """``rule(weights @ (x - zx) + bias)`` as int64; 64-bit sums of int16 codes."""

    def __init__(
        self,
        call: Call,
        arrays: Arrays,
        source: int,
        position: int,
        bias: int | None,
        build: Build,
    ) -> None:
        x, w, weights = call.input(source), call.input(position), arrays[position]
        if weights is None or weights.dtype != np.int8:
            raise NotReplayed(f"{call.op.name} of {x.dtype} activations without int8 weights")
        wide = x.dtype == "int16"
        self.sums = Sums.of(
            weights.T,
            x.zero_point,
            None if bias is None else arrays[bias],
            x.numpy_dtype,
            64 if wide else 32,
        )
        self.matrix = weights.T.astype(self.sums.dtype)
        self.rule = RULES[build.wide] if wide else call.rule
        number = np.float64 if call.row.multiplier == Precision.FLOAT64 else np.float32
        self.multiplier = Multiplier.of(np.float64(number(x.scale) * number(w.scale)) / _SUM)

    def __call__(self, x: Array) -> Array:
        return self.rule(self.sums.matmul(x, self.matrix).astype(np.int64), self.multiplier)


def _sigmoid() -> Array:
    return interpolated_logistic(3 * _codes())


def _tanh(exponent: int) -> Array:
    """Of each code on the scale ``2**exponent``, by its bytes."""
    codes, left = _codes(), exponent + 12
    if left >= 0:
        return interpolated_tanh(codes * (3 << left))
    return interpolated_tanh((codes * 3 + (1 << (-left - 1))) >> -left)


def _codes() -> Array:
    return every_code(np.dtype(np.int16)).astype(np.int64)
