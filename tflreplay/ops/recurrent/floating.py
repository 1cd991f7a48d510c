"""Recurrent ops on float32: LSTM and RNN.

Sums are float64, rounded to float32, and the functions those of numpy; the runtimes sum up in
float32 and approximate the functions, so that the last bits differ. A state that amplifies what it
is fed carries such a difference on and makes it larger from step to step.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.cell_activations import cell_activated, cell_activation
from tflreplay.ops.recurrent.cells import (
    BIASES,
    CELL,
    FORGET,
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
    sequence,
)

_RNN_STATE = 4  # an input's position
_ONE = np.float32(1)


def unidirectional_sequence_lstm_float(call: Call, *arrays: Array | None) -> Array:
    """As the integer op, ``o * act(c)`` with ``c = f * c + i * g``; g too by the fused activation.

    ``EvalFloat`` in ``tflite/kernels/lstm_eval.cc``.
    """
    inputs = all_inputs(arrays)
    return sequence(call, inputs, lambda x: _cells(call, inputs, x))


def lstm_float(call: Call, *arrays: Array | None) -> Array:
    """As :func:`unidirectional_sequence_lstm_float`, one step: x ``(batch, depth)``."""
    inputs = all_inputs(arrays)
    return one_step(call, inputs, lambda x: _cells(call, inputs, x))


def unidirectional_sequence_rnn(
    call: Call, x: Array, weights: Array, recurrent: Array, bias: Array, state: Array
) -> Array:
    """``h = activation(W x + R h + b)`` over time.

    x: float32 ``(batch, time, depth)``, or time first as the options say; W ``(units, depth)``, R
    ``(units, units)``, the state h ``(batch, units)``. ``RnnBatchStep`` in
    ``tflite/kernels/internal/kernel_utils.cc``.

    Raises:
        NotReplayed: the weights are integers.
    """
    if weights.dtype != np.float32:
        raise NotReplayed(f"{call.op.name} of float32 activations by {weights.dtype} weights")
    steps = x if call.option("time_major") else x.swapaxes(0, 1)
    of_input, outputs = _product(steps, weights, bias), []
    for values in of_input:
        state = cell_activated(call, (values + _product(state, recurrent, None)).astype(np.float32))
        outputs.append(state)
    call.keep(_RNN_STATE, state)
    return np.stack(outputs, 0 if call.option("time_major") else 1)


def _cells(call: Call, arrays: Arrays, x: Array) -> Cells:
    weights = call.input(INPUT_WEIGHTS + FORGET)
    if weights.dtype != "float32":
        raise NotReplayed(f"{call.op.name} of float32 activations by {weights.dtype} weights")
    activation = cell_activation(call)
    clip, clip_outputs = (np.float32(call.option(name)) for name in ("cell_clip", "proj_clip"))

    def state(c: Array, f: Array, i: Array | None, g: Array) -> Array:
        c = f * c + (_ONE - f if i is None else i) * g
        return c.clip(-clip, clip) if clip > 0 else c

    def hidden(c: Array, o: Array) -> Array:
        h = o * activation(c)
        if arrays[PROJECTION] is None:
            return h
        h = _product(h, arrays[PROJECTION], arrays[PROJECTION_BIAS]).astype(np.float32)
        return h.clip(-clip_outputs, clip_outputs) if clip_outputs > 0 else h

    return Cells(
        input=None if arrays[INPUT_WEIGHTS] is None else _gate(arrays, x, INPUT, _sigmoid),
        forget=_gate(arrays, x, FORGET, _sigmoid),
        cell=_gate(arrays, x, CELL, activation),
        output=_gate(arrays, x, OUTPUT, _sigmoid),
        state=state,
        hidden=hidden,
    )


def _gate(arrays: Arrays, x: Array, number: int, function: Callable[[Array], Array]) -> Gate:
    norm, bias = arrays[NORMS + number], arrays[BIASES + number]
    of_input = _product(x, arrays[INPUT_WEIGHTS + number], bias if norm is None else None)
    weights = arrays[RECURRENT_WEIGHTS + number]
    peephole = arrays[PEEPHOLES[number]] if number in PEEPHOLES else None

    def gate(step: int, hidden: Array, cell: Array) -> Array:
        total = of_input[step] + _product(hidden, weights, None)
        if peephole is not None:
            total = total + peephole * cell.astype(np.float64)
        if norm is not None:
            total = total - total.mean(axis=1, keepdims=True)
            total = total / np.sqrt((total * total).mean(axis=1, keepdims=True) + 1e-8)
            total = total * norm + bias
        return function(total.astype(np.float32))

    return gate


def _product(x: Array, weights: Array | None, bias: Array | None) -> Array:
    """``x @ weights.T + bias`` in float64; weights ``(units, depth)``."""
    assert weights is not None
    sums = x.astype(np.float64) @ weights.T.astype(np.float64)
    return np.asarray(sums if bias is None else sums + bias)


def _sigmoid(x: Array) -> Array:
    # exp(-x) may overflow, to the infinity that gives 0.
    with np.errstate(over="ignore"):
        return np.asarray(_ONE / (_ONE + np.exp(-x)))
