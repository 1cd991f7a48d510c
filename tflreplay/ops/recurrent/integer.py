"""LSTM and UNIDIRECTIONAL_SEQUENCE_LSTM on int8 codes, with int8 weights and an int16 cell state.

The gates' sums are Q3.12, or as an intermediate tensor says where they are normalized; the gates
are Q0.15. The rule of the row rescales what ``MultiplyByQuantizedMultiplier`` rescales.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from tflreplay.ground import fixed_point
from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import (
    RULES,
    Array,
    Multiplier,
    rounding_divide_by_pot,
    wrap32,
)
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.lookup import every_code, look_up
from tflreplay.ops.base.rescaling import power_of_two
from tflreplay.ops.base.sums import Sums, exact_matmul
from tflreplay.ops.recurrent.cells import (
    BIASES,
    CELL,
    CELL_STATE,
    FORGET,
    HIDDEN_STATE,
    INPUT,
    INPUT_WEIGHTS,
    NORMS,
    OUTPUT,
    PEEPHOLES,
    PROJECTION,
    PROJECTION_BIAS,
    RECURRENT_WEIGHTS,
    Arrays,
    Cells,
    Gate,
    all_inputs,
    one_step,
    saturated,
    sequence,
)

_LOW, _HIGH = -(2**15), 2**15 - 1
_INTERMEDIATES = 5  # the sums of the four gates, and the hidden state before it is projected
_UNPROJECTED = 4
_SUM_BITS = 3  # Q3.12
_MOST_BITS = 6  # of the cell state


def unidirectional_sequence_lstm(call: Call, *arrays: Array | None) -> Array:
    """``o * tanh(c)`` with ``c = f * c + i * g``, over time; gates i, f and o are sigmoids, g tanh.

    Of each gate ``sigmoid(rule(Wx x + b) + rule(Wh h) + rule(p c))``, sums saturating. x: int8
    ``(batch, time, depth)``, or time first; weights int8 ``(cells, depth)`` and ``(cells,
    outputs)``, biases int32, peepholes p and normalization int16; h int8, c int16. ``Eval`` in
    ``tflite/kernels/unidirectional_sequence_lstm.cc``, ``LstmStepInteger8x8_16`` in
    ``tflite/kernels/lstm_eval.cc``.
    """
    inputs = all_inputs(arrays)
    return sequence(call, inputs, lambda x: cells(call, inputs, x))


def lstm(call: Call, *arrays: Array | None) -> Array:
    """As :func:`unidirectional_sequence_lstm`, one step: x ``(batch, depth)``.

    ``Eval`` in ``tflite/kernels/lstm.cc``.
    """
    inputs = all_inputs(arrays)
    return one_step(call, inputs, lambda x: cells(call, inputs, x))


def cells(call: Call, arrays: Arrays, x: Array) -> Cells:
    """The layer for an input ``(time, batch, depth)``.

    Raises:
        NotReplayed: no kernel takes inputs of these types and scales.
    """
    _check(call, arrays)
    exponent = power_of_two(call.input(CELL_STATE).scale)
    if exponent is None or not 0 <= 15 + exponent <= _MOST_BITS:
        raise NotReplayed(
            f"{call.op.name} with a cell state of scale {call.input(CELL_STATE).scale:g}: "
            "its kernel takes powers of two from 2**-15 to 2**-9"
        )
    clip = _clip(call.option("cell_clip"), call.input(CELL_STATE).scale, _LOW, _HIGH)

    def state(c: Array, f: Array, i: Array | None, g: Array) -> Array:
        """``clip(f * c + i * g)``, each product rounded half away; i is 1 - f without its gate."""
        i = _HIGH - f.astype(np.int64) if i is None else i.astype(np.int64)
        kept = rounding_divide_by_pot(f.astype(np.int64) * c, 15)
        c = saturated(kept + rounding_divide_by_pot(i * g, 30 + exponent))
        return c.clip(-clip, clip) if clip > 0 else c

    return Cells(
        input=None if arrays[INPUT_WEIGHTS] is None else _gate(call, arrays, x, INPUT, exponent),
        forget=_gate(call, arrays, x, FORGET, exponent),
        cell=_gate(call, arrays, x, CELL, exponent),
        output=_gate(call, arrays, x, OUTPUT, exponent),
        state=state,
        hidden=Hidden.of(call, arrays, 15 + exponent),
    )


def _check(call: Call, arrays: Arrays) -> None:
    """
    Raises:
        NotReplayed: no kernel takes inputs of these types, or the op is of another kind.
    """
    if len(call.intermediates) != _INTERMEDIATES:
        raise NotReplayed(
            f"{call.op.name} with {len(call.intermediates)} intermediate tensors, not 5"
        )
    weights = call.input(INPUT_WEIGHTS + FORGET)
    if weights.dtype != "int8":
        raise NotReplayed(f"{call.op.name} of int8 activations by {weights.dtype} weights")
    cell = call.input(CELL_STATE)
    if cell.dtype != "int16":
        raise NotReplayed(f"{call.op.name} with a cell state of {cell.dtype}")


def _clip(bound: float, scale: float, low: int, high: int) -> int:
    """A bound in codes, cut to the type and truncated; 0 is none."""
    if bound <= 0:
        return 0
    return int(np.clip(np.float32(bound) / np.float32(scale), low, high))


@functools.cache
def _sigmoid() -> Array:
    """Of each Q3.12 code, by its bytes, in Q0.15: gemmlowp's ``logistic``."""
    codes = every_code(np.dtype(np.int16)).astype(np.int64)
    return fixed_point.logistic(codes, _SUM_BITS, 15).astype(np.int16)


@functools.cache
def _tanh(integer_bits: int) -> Array:
    """Of each code with so many integer bits, by its bytes, in Q0.15: gemmlowp's ``tanh``."""
    codes = every_code(np.dtype(np.int16)).astype(np.int64)
    return fixed_point.tanh(codes, integer_bits, 15).astype(np.int16)


def _gate(call: Call, arrays: Arrays, x: Array, number: int, exponent: int) -> Gate:
    """The gate of this number (INPUT, ...); x: ``(time, batch, depth)``."""
    norm = arrays[NORMS + number]
    scale = np.float32(2.0**-12 if norm is None else call.intermediates[number].scale)
    of_input = _rescaled_product(call, arrays, x, number, scale, norm is None)
    h, w = call.input(HIDDEN_STATE), call.input(RECURRENT_WEIGHTS + number)
    weights = arrays[RECURRENT_WEIGHTS + number]
    assert weights is not None
    sums = Sums.of(weights.T, h.zero_point, None, np.dtype(np.int8))
    matrix = weights.T.astype(sums.dtype)
    multiplier = Multiplier.of(np.float32(w.scale) * np.float32(h.scale) / scale)
    peephole = _Peephole.of(call, arrays, x, number, exponent, scale)
    normalized = None if norm is None else _Norm.of(call, arrays, number)
    table = _tanh(_SUM_BITS) if number == CELL else _sigmoid()

    def gate(step: int, hidden: Array, cell: Array) -> Array:
        recurrent = call.rule(sums.matmul(hidden, matrix).astype(np.int64), multiplier)
        total = saturated(of_input[step] + recurrent)
        if peephole is not None:
            total = peephole.add(total, cell)
        if normalized is not None:
            total = normalized(total)
        return look_up(total, table)

    return gate


def _rescaled_product(
    call: Call, arrays: Arrays, x: Array, number: int, scale: np.float32, biased: bool
) -> Array:
    """``rule(Wx (x - zx) + b)`` at all times, saturated."""
    weights = arrays[INPUT_WEIGHTS + number]
    assert weights is not None
    bias = arrays[BIASES + number] if biased else None
    source, w = call.input(0), call.input(INPUT_WEIGHTS + number)
    values = exact_matmul(x, weights.T, source.zero_point, bias)
    multiplier = Multiplier.of(np.float32(w.scale) * np.float32(source.scale) / scale)
    return saturated(call.rule(values.astype(np.int64), multiplier)).astype(np.int64)


@dataclass(frozen=True)
class _Peephole:
    """A gate's view of the cell state: adds ``rule(p * c)``.

    The vector code rounds 16 products at a time. The kernel takes the number of outputs for that of
    cells: the cells beyond are not seen and, where the batch is computed at once, those of one row
    are added to another's sums.
    """

    call: Call
    weights: Array
    multiplier: Multiplier
    at_once: bool

    @classmethod
    def of(
        cls, call: Call, arrays: Arrays, x: Array, number: int, exponent: int, scale: np.float32
    ) -> _Peephole | None:
        weights = arrays[PEEPHOLES[number]] if number in PEEPHOLES else None
        if weights is None:
            return None
        outputs = call.output.shape[-1]
        if outputs > weights.size:
            raise NotReplayed(
                f"{call.op.name} with peepholes and more outputs than cells: "
                "its kernel reads past the end of the weights"
            )
        real = 2.0**exponent * call.input(PEEPHOLES[number]).scale / float(scale)
        at_once = call.op.options.get("time_major", True)
        return cls(call, weights[:outputs], Multiplier.of(np.float32(real)), at_once)

    def add(self, total: Array, cell: Array) -> Array:
        batch, cells = total.shape
        outputs = self.weights.size
        shape = (1, batch * cells) if self.at_once else (batch, cells)
        seen = batch * outputs if self.at_once else outputs
        sums = total.reshape(shape).astype(np.int64)
        codes = cell.reshape(shape)[:, :seen].reshape(-1, outputs).astype(np.int64)
        rule = self.call.rule
        vector = RULES["neon16"] if rule.name == "double" else rule
        products = vector(self.weights * codes, self.multiplier).reshape(-1, seen)
        sums[:, :seen] = wrap32(sums[:, :seen] + products)
        return saturated(sums.reshape(batch, cells))


@dataclass(frozen=True)
class _Norm:
    """``rule(((x - mean) / deviation * weight + bias) / 1024)`` of a row, in Q3.12.

    Mean and deviation are scaled by 1024. ``PortableApplyLayerNorm`` in
    ``tflite/kernels/internal/reference/portable_tensor_utils.cc``.
    """

    call: Call
    weights: Array
    bias: Array
    multiplier: Multiplier
    variance_guard: int

    @classmethod
    def of(cls, call: Call, arrays: Arrays, number: int) -> _Norm:
        weights, bias = arrays[NORMS + number], arrays[BIASES + number]
        assert weights is not None
        assert bias is not None
        scale = np.float32(call.input(NORMS + number).scale)
        quotient = Multiplier.of(scale)
        multiplier = Multiplier(quotient.real * 2.0**12, quotient.mantissa, quotient.shift + 12)
        guard = max(1, int(np.float32(10000) * scale))
        return cls(call, weights.astype(np.int64), bias.astype(np.int64), multiplier, guard)

    def __call__(self, row: Array) -> Array:
        x = row.astype(np.int64)
        n = x.shape[1]
        total = x.sum(axis=1, keepdims=True) * 1024
        mean = np.sign(total) * (np.abs(total) // n)
        squares = (x * x).sum(axis=1, keepdims=True)
        variance = (squares * (2**20 // n) - mean * mean) >> 20
        variance = np.where(variance < 1, self.variance_guard, variance)
        mantissa, shift = fixed_point.inverse_square_root(variance)
        inverse = Multiplier(mantissa * np.exp2(shift - 31.0), mantissa, shift)
        value = self.call.rule(1024 * x - mean, inverse)
        value = wrap32(value * self.weights + self.bias)
        value = np.sign(value) * ((np.abs(value) + 512) >> 10)
        return saturated(self.call.rule(value, self.multiplier))


@dataclass(frozen=True)
class Hidden:
    """``rule(o * tanh(c)) + zh``, and its projection: ``clip(rule(Wp h + b) + zo)``."""

    call: Call
    tanh: Array
    multiplier: Multiplier
    zero_point: int
    projection: _Projection | None

    @classmethod
    def of(cls, call: Call, arrays: Arrays, integer_bits: int) -> Hidden:
        hidden = call.intermediates[_UNPROJECTED]
        # In float64, then rounded to float32.
        multiplier = Multiplier.of(np.float32(2.0**-15 / hidden.scale * 2.0**-15))
        projection = None if arrays[PROJECTION] is None else _Projection.of(call, arrays)
        return cls(call, _tanh(integer_bits), multiplier, hidden.zero_point, projection)

    def __call__(self, c: Array, o: Array) -> Array:
        product = o.astype(np.int64) * look_up(c, self.tanh)
        values = self.call.rule(product, self.multiplier)
        if self.projection is None:
            return _int8(values + self.zero_point)
        # The product with the weights puts the zero point back.
        return self.projection(_int8(values - self.zero_point))


@dataclass(frozen=True)
class _Projection:
    call: Call
    sums: Sums
    matrix: Array
    multiplier: Multiplier
    zero_point: int
    clip: int

    @classmethod
    def of(cls, call: Call, arrays: Arrays) -> _Projection:
        weights = arrays[PROJECTION]
        assert weights is not None
        hidden, state = call.intermediates[_UNPROJECTED], call.input(HIDDEN_STATE)
        bias, codes = arrays[PROJECTION_BIAS], np.dtype(np.int8)
        sums = Sums.of(weights.T, -hidden.zero_point, bias, codes)
        scale = np.float32(call.input(PROJECTION).scale)
        real = scale * np.float32(hidden.scale) / np.float32(state.scale)
        clip = _clip(call.option("proj_clip"), call.output.scale, -128, 127)
        return cls(
            call, sums, weights.T.astype(sums.dtype), Multiplier.of(real), state.zero_point, clip
        )

    def __call__(self, h: Array) -> Array:
        values = self.sums.matmul(h, self.matrix).astype(np.int64)
        codes = _int8(self.call.rule(values, self.multiplier) + self.zero_point)
        return codes.clip(-self.clip, self.clip) if self.clip > 0 else codes


def _int8(values: Array) -> Array:
    return wrap32(values).clip(-128, 127).astype(np.int8)
