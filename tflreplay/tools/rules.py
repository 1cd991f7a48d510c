"""A model's rule sheet: for every layer, all that an RTL or compiler writer must implement.

Parameters come from the model and an engine's table; accumulator ranges and saturation counts from
a chained replay of given inputs, and worst cases from weights and types.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tflreplay.ground.engine import Engine
from tflreplay.ground.rounding import (
    INT32_MAX,
    INT32_MIN,
    Accumulation,
    Array,
    Multiplier,
    VectorRule,
    requantize,
)
from tflreplay.ground.window import Window
from tflreplay.model import Model, Operator, Subgraph, Tensor
from tflreplay.ops import Row, card, row_of
from tflreplay.ops.base.call import Call, activation_range
from tflreplay.ops.base.card import Worst
from tflreplay.ops.seam import call_of, compute, first_half, recorded
from tflreplay.replayer.loop import failure


@dataclass(frozen=True)
class Range:
    """The integers from ``low`` to ``high``."""

    low: int
    high: int

    @property
    def bits(self) -> int:
        """The width of the smallest two's complement register that holds them."""
        return max((n if n >= 0 else ~n).bit_length() for n in (self.low, self.high)) + 1


@dataclass(frozen=True)
class Saturation:
    """Outputs cut off by the clamp below and above, and those that the output's type cannot hold.

    ``outside_type`` is part of the other two: the clamp is the type's range, or narrower.
    """

    low: int
    high: int
    outside_type: int
    elements: int


@dataclass(frozen=True)
class Requantization:
    """From accumulators to codes: ``clamp(rule(acc, multiplier) + zero_point, low, high)``.

    A per-channel multiplier is along the last axis. ``seen`` and ``saturation`` are of the replayed
    input, None where that did not reach the layer. ``worst`` is what weights and types allow,
    whatever the input: each of its ends is reached by one. It is that of the exact sum, None where
    it is not worked out. ``cuts`` says where a vector rule starts anew along the last axis, and
    ``bits`` how wide the register is that holds a sum.
    """

    multiplier: Multiplier
    zero_point: int
    low: int
    high: int
    cuts: tuple[int, ...]
    bits: int
    seen: Range | None
    worst: Range | None
    saturation: Saturation | None


@dataclass(frozen=True)
class LayerRules:
    """One op. ``row`` is None where the engine's table has none, and ``reason`` then says why.

    ``requantization`` is None for a kernel that gives finished codes. ``rescales`` are the
    multipliers that the kernel itself hands to the rule: of ADD and SUB one for each input, which
    is shifted left by 20 (int16: 15) before; of LEAKY_RELU those below zero and from zero on; last
    the output's, where the kernel gives finished codes. ``factors`` are the integers by which
    XNNPACK's ADD and SUB multiply their centred inputs instead. ``table`` is the output for every
    code of a unary op's input, from the lowest code on. ``windows`` are a sliding window's rows and
    columns. ``clamp`` is the lowest and highest code that the op gives, where it can be fewer than
    the type has.
    """

    op: Operator
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    row: Row | None = None
    requantization: Requantization | None = None
    rescales: tuple[Multiplier, ...] = ()
    factors: tuple[int, ...] = ()
    table: Array | None = None
    windows: tuple[Window, Window] | None = None
    clamp: tuple[int, int] | None = None
    reason: str = ""


def rulesheet(model: Model, inputs: Mapping[int, Array], engine: Engine) -> tuple[LayerRules, ...]:
    """Every op of the main subgraph, in execution order.

    Args:
        inputs: arrays by tensor index, for a chained replay.
        engine: whose arithmetic it is. No runtime is needed.
    """
    tensors = dict(inputs)
    layers = []
    for op in model.main.operators:
        layer, outputs = layer_rules(model.main, op, tensors, engine)
        layers.append(layer)
        tensors.update(outputs)
    return tuple(layers)


def layer_rules(
    graph: Subgraph, op: Operator, tensors: Mapping[int, Array], engine: Engine
) -> tuple[LayerRules, dict[int, Array]]:
    """The layer, and its outputs by tensor index as far as ``tensors`` tell them."""
    layer = LayerRules(
        op,
        tuple(graph.tensors[index] if index >= 0 else None for index in op.inputs),
        tuple(graph.tensors[index] for index in op.outputs),
    )
    filled = _filled_in(layer.inputs, tensors)
    try:
        row = row_of(engine, graph, op)
        layer = replace(layer, row=row)
        call, arrays = call_of(graph, op, {**tensors, **filled}, engine, row)
        layer, outputs = _filled(layer, call, arrays, known=not filled)
    except Exception as error:  # one broken layer must not take the others' rules away
        return replace(layer, reason=failure(op, error)), {}
    return layer, {} if filled else dict(zip(op.outputs, outputs, strict=True))


def clamp_of(graph: Subgraph, op: Operator, engine: Engine) -> tuple[int, int] | None:
    """The lowest and the highest code that a fused activation leaves; None where there is none.

    Raises:
        NotReplayed: the engine's arithmetic of the op is not known.
    """
    given = [graph.tensors[index] if index >= 0 else None for index in op.inputs]
    call, _ = call_of(graph, op, _filled_in(given, {}), engine, row_of(engine, graph, op))
    return _clamp(call, None)


def _filled_in(given: Sequence[Tensor | None], known: Mapping[int, Array]) -> dict[int, Array]:
    """Arrays for activations that are not known: of parameters, none depends on their values."""
    return {
        tensor.index: np.full(tensor.shape, tensor.quantization.zero_point[0], tensor.numpy_dtype)
        for tensor in given
        if tensor is not None and tensor.quantization is not None
        if not tensor.is_constant and tensor.index not in known
        if -1 not in tensor.shape_signature
    }


def _filled(
    layer: LayerRules, call: Call, arrays: Sequence[Array | None], known: bool
) -> tuple[LayerRules, tuple[Array, ...]]:
    result, rescales = recorded(call, arrays)
    if isinstance(result, Accumulation):
        requantization, result = _requantized(call, arrays, result, known)
        layer = replace(layer, requantization=requantization)
    sliding = card(call.op.name).window
    layer = replace(
        layer,
        rescales=rescales,
        factors=_factors(call),
        table=_table(call),
        clamp=_clamp(call, layer.requantization),
        windows=sliding(call) if sliding is not None else None,
    )
    return layer, result if isinstance(result, tuple) else (result,)


def _requantized(
    call: Call, arrays: Sequence[Array | None], a: Accumulation, known: bool
) -> tuple[Requantization, Array]:
    """Both halves' parameters, and the codes."""
    raw = requantize(replace(a, low=INT32_MIN, high=INT32_MAX, dtype=np.dtype(np.int32)), call.rule)
    lowest, highest = call.output.code_range
    saturation = Saturation(
        int((raw < a.low).sum()),
        int((raw > a.high).sum()),
        int(((raw < lowest) | (raw > highest)).sum()),
        raw.size,
    )
    requantization = Requantization(
        a.multiplier,
        a.zero_point,
        a.low,
        a.high,
        a.cuts,
        a.bits,
        _range([a.values]) if known else None,
        worst_case(call, arrays),
        saturation if known else None,
    )
    return requantization, raw.clip(a.low, a.high).astype(a.dtype)


def _range(values: Sequence[Array]) -> Range | None:
    """From the lowest to the highest of the values; None where there are none."""
    if not all(array.size for array in values):
        return None
    return Range(
        min(int(array.min()) for array in values), max(int(array.max()) for array in values)
    )


def worst_case(call: Call, arrays: Sequence[Array | None]) -> Range | None:
    """Between which values the accumulator lies for every input; None where that is not known."""
    how = card(call.op.name).worst
    if how is Worst.BY_WEIGHTS and call.input(1).is_constant:
        return _worst_of_weights(call, *arrays)
    return None if how is None else _worst_of_ends(call, arrays)


def _worst_of_weights(
    call: Call, x: Array | None, weights: Array | None, bias: Array | None = None
) -> Range | None:
    """Every input at the end of its type that suits the sign of its weight.

    The sum is linear, so the kernel itself gives it in two parts, for positive and for negative
    weights; it knows which taps lie in the padding.
    """
    assert x is not None
    assert weights is not None
    no_bias = None if bias is None else np.zeros_like(bias)

    def wrapped(code: int, part: Array) -> Array:
        result = first_half(call, (np.full_like(x, code), part.astype(weights.dtype), no_bias))
        assert isinstance(result, Accumulation)
        return result.values.astype(np.int64)

    quantization = call.input(1).quantization
    assert quantization is not None
    low, high = call.input(0).code_range
    # Not every kernel looks at the weights' zero point.
    zero = int(quantization.zero_point[0])
    if wrapped(high, np.full_like(weights, zero)).any():
        zero = 0

    def sums(code: int, part: Array) -> Array:
        """Exact, where 32 bits wrap: by the weights' digits to the base 16, whose sums do not."""
        centred = part.astype(np.int64) - zero
        digits = np.sign(centred) * (np.abs(centred) // 16)
        return 16 * wrapped(code, digits + zero) + wrapped(code, centred - 16 * digits + zero)

    positive, negative = weights.clip(min=zero), weights.clip(max=zero)
    constant = 0 if bias is None else bias.astype(np.int64)
    return _range(
        [
            sums(low, positive) + sums(high, negative) + constant,
            sums(high, positive) + sums(low, negative) + constant,
        ]
    )


def _worst_of_ends(call: Call, arrays: Sequence[Array | None]) -> Range | None:
    """Every input as a whole at either end of its type, or at its zero point."""
    activations = {
        tensor.index: tensor
        for tensor in call.inputs
        if tensor is not None and not tensor.is_constant
    }
    choices = [(*t.code_range, t.zero_point) for t in activations.values()]
    found = []
    for codes in itertools.product(*choices):
        code_of = dict(zip(activations, codes, strict=True))
        ends = [
            array
            if array is None or tensor is None or tensor.index not in code_of
            else np.full_like(array, code_of[tensor.index])
            for tensor, array in zip(call.inputs, arrays, strict=True)
        ]
        result = first_half(call, ends)
        assert isinstance(result, Accumulation)
        found.append(result.values)
    return _range(found)


def _factors(call: Call) -> tuple[int, ...]:
    """What one code more in each input adds to the accumulator of XNNPACK's ADD and SUB."""
    if not call.row.factors:
        return ()
    zeros = [np.full(1, t.zero_point, t.numpy_dtype) for t in (call.input(0), call.input(1))]
    factors = []
    for position in range(2):
        # From the zero point to a code that the type has.
        step = -1 if call.input(position).zero_point == call.input(position).code_range[1] else 1
        codes = [array + array.dtype.type(step * (i == position)) for i, array in enumerate(zeros)]
        result = first_half(call, codes)
        assert isinstance(result, Accumulation)
        factors.append(step * int(result.values[0]))
    return tuple(factors)


def _clamp(call: Call, found: Requantization | None) -> tuple[int, int] | None:
    if found is not None:
        return found.low, found.high
    activation = call.op.options.get("fused_activation_function")
    quantized = call.output.quantization is not None and call.output.numpy_dtype.kind in "iu"
    return activation_range(call, activation) if activation is not None and quantized else None


def _table(call: Call) -> Array | None:
    """The output for every code; None where it depends on more than the code."""
    inputs = [tensor for tensor in call.inputs if tensor is not None]
    if not card(call.op.name).unary or isinstance(call.rule, VectorRule):
        return None
    if {inputs[0].dtype, call.output.dtype} - {"int8", "uint8"}:
        return None
    low, high = inputs[0].code_range
    (table,) = compute(call, [np.arange(low, high + 1, dtype=inputs[0].numpy_dtype)])
    return table
