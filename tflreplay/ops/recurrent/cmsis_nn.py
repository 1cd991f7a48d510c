"""CMSIS-NN's UNIDIRECTIONAL_SEQUENCE_LSTM, which forgets its state after each inference."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call
from tflreplay.ops.recurrent.cells import CELL_STATE, HIDDEN_STATE, Arrays, all_inputs
from tflreplay.ops.recurrent.tflm import Build, cells

_BUILD = Build(wide="reduced16-wrapping", saturates=False, clips_to_0=False)


def cmsis_nn_unidirectional_sequence_lstm(call: Call, *arrays: Array | None) -> Array:
    """As TFLM's, but each inference starts from states of zero; none is kept.

    See :func:`tflreplay.ops.recurrent.tflm.tflm_unidirectional_sequence_lstm`. What is added to a
    gate's sum or to the cell state is not cut to 16 bits before, and a clip of the cell state that
    is 0 in codes is none.
    ``arm_nn_lstm_step_s8`` in CMSIS-NN's ``Source/NNSupportFunctions``; TFLM's glue hands it no
    hidden state.
    """
    inputs = all_inputs(arrays)
    x = inputs[0]
    assert x is not None
    if x.ndim != 3:
        raise NotReplayed(f"{call.op.name} on an input of {x.ndim} dimensions")
    by_time = x if call.option("time_major") else np.swapaxes(x, 0, 1)
    steps, batch = by_time.shape[:2]
    h, c = (_zeros(call, inputs, position, batch) for position in (HIDDEN_STATE, CELL_STATE))
    outputs, _, _ = cells(call, inputs, by_time, _BUILD).run(steps, h, c)
    return outputs if call.option("time_major") else np.swapaxes(outputs, 0, 1)


def _zeros(call: Call, arrays: Arrays, position: int, batch: int) -> Array:
    """The state ``(batch, size)`` that stands for zero."""
    state = arrays[position]
    assert state is not None
    return np.full_like(state, call.input(position).zero_point).reshape(batch, -1)
