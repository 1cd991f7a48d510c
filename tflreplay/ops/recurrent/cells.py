"""LSTM cells, one step in time after the other, whatever the numbers are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Array, wrap32
from tflreplay.ops.base.call import Call

Arrays = Sequence[Array | None]
# A gate's values (batch, cells) at a time step, of the hidden state (batch, outputs) and the cell
# state (batch, cells) before it.
Gate = Callable[[int, Array, Array], Array]

# Positions of an LSTM's inputs. Of four in a row, each is for a gate: input, forget, cell, output.
INPUT, FORGET, CELL, OUTPUT = range(4)
INPUT_WEIGHTS, RECURRENT_WEIGHTS, BIASES, NORMS = 1, 5, 12, 20
PEEPHOLES = {INPUT: 9, FORGET: 10, OUTPUT: 11}  # the cell gate has none
PROJECTION, PROJECTION_BIAS, HIDDEN_STATE, CELL_STATE = 16, 17, 18, 19
_INPUTS = 24  # the last four are left out by old converters


@dataclass(frozen=True)
class Cells:
    """What a layer of cells computes: ``c = state(c, f, i, g)``, then ``h = hidden(c, o)``.

    f, i, g and o are the values of the four gates; there is no ``input`` gate, and i is None, where
    the forget gate stands for it (CIFG).
    """

    input: Gate | None
    forget: Gate
    cell: Gate
    output: Gate
    state: Callable[[Array, Array, Array | None, Array], Array]
    hidden: Callable[[Array, Array], Array]

    def run(self, steps: int, h: Array, c: Array) -> tuple[Array, Array, Array]:
        """The hidden states ``(steps, batch, outputs)``; the last one and the last cell state."""
        outputs = np.empty((steps, *h.shape), h.dtype)
        for step in range(steps):
            f = self.forget(step, h, c)
            i = None if self.input is None else self.input(step, h, c)
            g = self.cell(step, h, c)
            c = self.state(c, f, i, g)
            h = self.hidden(c, self.output(step, h, c))
            outputs[step] = h
        return outputs, h, c


def all_inputs(arrays: Arrays) -> list[Array | None]:
    """An LSTM's inputs, None for those that its converter did not know."""
    return [*arrays, *[None] * (_INPUTS - len(arrays))]


def sequence(call: Call, arrays: Arrays, cells: Callable[[Array], Cells]) -> Array:
    """The outputs for a sequence: ``(batch, time, outputs)``, or time first as the options say.

    ``cells(x)`` gives the layer for an input ``(time, batch, depth)``. The states are kept.

    Raises:
        NotReplayed: the input is no sequence.
    """
    x = arrays[0]
    assert x is not None
    if x.ndim != 3:
        raise NotReplayed(f"{call.op.name} on an input of {x.ndim} dimensions")
    if call.option("time_major"):
        return layer(call, arrays, x, cells)
    return np.swapaxes(layer(call, arrays, np.swapaxes(x, 0, 1), cells), 0, 1)


def one_step(call: Call, arrays: Arrays, cells: Callable[[Array], Cells]) -> Array:
    """The output ``(batch, outputs)`` for an input ``(batch, depth)``, as :func:`sequence`.

    Raises:
        NotReplayed: the input has a time axis; or the op is the one with five inputs.
    """
    x = arrays[0]
    assert x is not None
    if call.op.options.get("kernel_type") == "BASIC":
        raise NotReplayed(f"{call.op.name} of kernel type BASIC")
    if x.ndim != 2:
        raise NotReplayed(f"{call.op.name} on an input of {x.ndim} dimensions")
    return np.squeeze(layer(call, arrays, x[None], cells), 0)


def layer(call: Call, arrays: Arrays, x: Array, cells: Callable[[Array], Cells]) -> Array:
    """The outputs for x ``(time, batch, depth)``, time first. The states are kept."""
    hidden, cell = arrays[HIDDEN_STATE], arrays[CELL_STATE]
    assert hidden is not None
    assert cell is not None
    steps, batch = x.shape[:2]
    outputs, last, state = cells(x).run(steps, hidden.reshape(batch, -1), cell.reshape(batch, -1))
    call.keep(HIDDEN_STATE, last.reshape(hidden.shape))
    call.keep(CELL_STATE, state.reshape(cell.shape))
    return outputs


def saturated(values: Array) -> Array:
    """As int16, the nearest one where it does not fit."""
    return wrap32(values).clip(-(2**15), 2**15 - 1).astype(np.int16)
