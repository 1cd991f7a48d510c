"""LSTM cells as ports get them wrong: which gate is which, what is clipped, what is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations

import numpy as np

from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call, with_options
from tflreplay.ops.base.lookup import every_code
from tflreplay.ops.base.ported import Ported
from tflreplay.ops.base.row import Kernel
from tflreplay.ops.recurrent.cells import (
    BIASES,
    CELL_STATE,
    FORGET,
    HIDDEN_STATE,
    INPUT_WEIGHTS,
    NORMS,
    RECURRENT_WEIGHTS,
    Arrays,
    Cells,
    all_inputs,
    one_step,
    sequence,
)
from tflreplay.ops.recurrent.integer import Hidden, cells

_GATES = "input, forget, cell, output"
_ONE = 2**15 - 1  # of a gate
_STEP = "c = f * c + i * g, clipped; h = o * tanh(c)"
_KEPT = "keep both states from one step to the next, and to the next inference"


def _run(call: Call, arrays: Arrays, of: Callable[[Array], Cells]) -> Array:
    x = arrays[0]
    assert x is not None
    return (sequence if x.ndim == 3 else one_step)(call, arrays, of)


def _cells(change: Callable[[Cells], Cells]) -> Kernel:
    """The same layer with something else in its cells."""

    def kernel(call: Call, *arrays: Array | None) -> Array:
        given = all_inputs(arrays)
        return _run(call, given, lambda x: change(cells(call, given, x)))

    return kernel


def _gates(order: tuple[int, ...]) -> Kernel:
    """The tensors of the gates taken in another order, their scales too."""

    def kernel(call: Call, *arrays: Array | None) -> Array:
        given = all_inputs(arrays)
        tensors = [*call.inputs, *[None] * (len(given) - len(call.inputs))]
        for start in (INPUT_WEIGHTS, RECURRENT_WEIGHTS, BIASES, NORMS):
            moved = [start + gate for gate in order]
            given[start : start + 4] = [given[i] for i in moved]
            tensors[start : start + 4] = [tensors[i] for i in moved]
        changed = replace(call, inputs=tuple(tensors))
        return _run(changed, given, lambda x: cells(changed, given, x))

    return kernel


def _arrays(change: Callable[[list[Array | None]], None]) -> Kernel:
    def kernel(call: Call, *arrays: Array | None) -> Array:
        given = all_inputs(arrays)
        change(given)
        return _run(call, given, lambda x: cells(call, given, x))

    return kernel


def _turned(given: list[Array | None]) -> None:
    """Square recurrent weights transposed."""
    for i in range(RECURRENT_WEIGHTS, RECURRENT_WEIGHTS + 4):
        weights = given[i]
        if weights is not None and weights.shape[0] == weights.shape[1]:
            given[i] = weights.T


def _no_bias(given: list[Array | None]) -> None:
    for i in range(BIASES, BIASES + 4):
        bias = given[i]
        given[i] = None if bias is None else np.zeros_like(bias)


def _forget_bias(call: Call, *arrays: Array | None) -> Array:
    """1 added to the forget gate's bias, as Keras does before training."""
    given = all_inputs(arrays)
    bias = given[BIASES + FORGET]
    if bias is None:
        raise NotReplayed("the forget gate has no bias")
    step = call.input(0).scale * call.input(INPUT_WEIGHTS + FORGET).scale
    given[BIASES + FORGET] = (bias + np.int64(np.rint(1 / step))).astype(bias.dtype)
    return _run(call, given, lambda x: cells(call, given, x))


def _in_reverse(call: Call, *arrays: Array | None) -> Array:
    """The last step first."""
    given = all_inputs(arrays)
    x = given[0]
    assert x is not None
    axis = 0 if call.op.options.get("time_major") else 1
    given[0] = np.flip(x, axis)
    return np.flip(_run(call, given, lambda x: cells(call, given, x)), axis)


def _unclipped(call: Call, *arrays: Array | None) -> Array:
    given, free = all_inputs(arrays), with_options(call, cell_clip=0.0)
    return _run(free, given, lambda x: cells(free, given, x))


def _forgetful(hidden: bool, cell: bool) -> Kernel:
    """A state as it is before the first step, at every step."""

    def kernel(call: Call, *arrays: Array | None) -> Array:
        given = all_inputs(arrays)
        h0, c0 = given[HIDDEN_STATE], given[CELL_STATE]
        assert h0 is not None
        assert c0 is not None

        def change(right: Cells) -> Cells:
            def at_start(gate: Callable[[int, Array, Array], Array]) -> Callable[..., Array]:
                return lambda step, h, c: gate(step, h0.reshape(h.shape) if hidden else h, c)

            def state(c: Array, f: Array, i: Array | None, g: Array) -> Array:
                return right.state(c0.reshape(c.shape) if cell else c, f, i, g)

            return replace(
                right,
                input=None if right.input is None else at_start(right.input),
                forget=at_start(right.forget),
                cell=at_start(right.cell),
                output=at_start(right.output),
                state=state,
            )

        return _run(call, given, lambda x: change(cells(call, given, x)))

    return kernel


def _open(gate: str) -> Callable[[Cells], Cells]:
    """A gate that lets everything through."""

    def change(right: Cells) -> Cells:
        def one(step: int, h: Array, c: Array) -> Array:
            return np.full(c.shape, _ONE, np.int16)

        return replace(right, **{gate: one})  # type: ignore[arg-type]

    return change


def _no_tanh(right: Cells) -> Cells:
    assert isinstance(right.hidden, Hidden)
    return replace(right, hidden=replace(right.hidden, tanh=every_code(np.dtype(np.int16))))


def _zero_point(change: Callable[[int], int]) -> Callable[[Cells], Cells]:
    """Another zero point added to the hidden state."""

    def changed(right: Cells) -> Cells:
        assert isinstance(right.hidden, Hidden)
        zero_point = change(right.hidden.zero_point)
        return replace(right, hidden=replace(right.hidden, zero_point=zero_point))

    return changed


def _state_before(right: Cells) -> Cells:
    """The output gate applied to the cell state before this step."""
    before: list[Array] = []

    def state(c: Array, f: Array, i: Array | None, g: Array) -> Array:
        before[:] = [c]
        return right.state(c, f, i, g)

    return replace(right, state=state, hidden=lambda c, o: right.hidden(before[0], o))


_NAMES = "ifco"
_ORDERS = tuple(
    Ported(
        f"gates read in the order {', '.join(_NAMES[gate] for gate in order)}",
        f"take the gates in the order {', '.join(_NAMES[gate] for gate in order)}",
        f"the order is {_GATES}: i, f, c, o",
        _gates(order),
    )
    for order in permutations(range(4))
    if order != (0, 1, 2, 3)
)
LSTM = (
    *_ORDERS,
    Ported("cell state not clipped", "leave out the clip of the cell state", _STEP, _unclipped),
    Ported(
        "tanh of the cell state left out",
        "multiply the output gate by the cell state itself",
        _STEP,
        _cells(_no_tanh),
    ),
    Ported(
        "cell state of the step before",
        "multiply the output gate by the cell state of the step before",
        _STEP,
        _cells(_state_before),
    ),
    *(
        Ported(
            f"zero point of the hidden state {how}",
            you,
            "add the hidden state's zero point after o * tanh(c) is rescaled",
            _cells(_zero_point(change)),
        )
        for how, you, change in (
            ("left out", "do not add the hidden state's zero point", lambda z: 0),
            (
                "subtracted instead of added",
                "subtract the hidden state's zero point, with the wrong sign",
                lambda z: -z,
            ),
        )
    ),
    *(
        Ported(
            f"{gate} gate left out",
            f"leave out the {gate} gate, as if it were 1",
            _STEP,
            _cells(_open(gate)),
        )
        for gate in ("input", "forget", "output")
    ),
    *(
        Ported(
            f"{which} not kept between steps",
            f"start each step from the first {which}",
            _KEPT,
            _forgetful(hidden, cell),
        )
        for which, hidden, cell in (
            ("hidden state", True, False),
            ("cell state", False, True),
            ("states", True, True),
        )
    ),
    Ported(
        "recurrent weights transposed",
        "read the recurrent weights as (outputs, cells)",
        "they are (cells, outputs)",
        _arrays(_turned),
    ),
    Ported(
        "1 added to the forget gate's bias",
        "add 1 to the forget gate's bias, which the trained bias has in it",
        "add the model's bias only",
        _forget_bias,
    ),
    Ported("bias left out", "do not add the biases", "add each gate's bias", _arrays(_no_bias)),
    Ported("time in reverse", "take the last step first", "take the first step first", _in_reverse),
)
