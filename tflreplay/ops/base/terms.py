"""Where an accumulator comes from: its terms, found one by one from the op's definition.

The kernels compute whole layers by matrix products; nothing of that is used here, so that a sum
that agrees with theirs says something.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.ground.window import Window
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.ledger import Factor, Sum, Term
from tflreplay.ops.base.roles import Roles

Index = tuple[int, ...]
Arrays = Sequence[Any]

# Of a longer sum only the largest terms are listed.
_ALL = 9
_LARGEST = 6
_WEIGHTED = Roles(weights=1, bias=2)


@dataclass(frozen=True)
class Codes:
    """One factor of every term: codes at ``where``, an integer array ``(terms, rank)``."""

    symbol: str
    array: Array
    where: Array
    zero_point: int | None

    @property
    def values(self) -> Array:
        codes = self.array[tuple(self.where.T)].astype(np.int64)
        return np.asarray(codes - (self.zero_point or 0))

    def factor(self, term: int) -> Factor:
        where = tuple(int(i) for i in self.where[term])
        return Factor(self.symbol, where, int(self.array[where]), self.zero_point)


def sum_of_products(
    formula: str,
    factors: Sequence[Codes],
    *,
    taps: int | None = None,
    bias: int | None = None,
    notes: tuple[str, ...] = (),
) -> Sum:
    """The sum of the factors' products. ``taps`` counts the terms with those in the padding."""
    values = math.prod((f.values for f in factors[1:]), start=factors[0].values)
    shown = len(values) if len(values) <= _ALL else _LARGEST
    order = (
        np.argsort(-np.abs(values), kind="stable")[:shown] if shown < len(values) else range(shown)
    )
    terms = tuple(Term(tuple(f.factor(int(i)) for f in factors)) for i in order)
    return Sum(
        formula,
        len(values) if taps is None else taps,
        0 if taps is None else taps - len(values),
        terms,
        len(values) - shown,
        int(values.sum()) - sum(term.value for term in terms),
        bias,
        notes,
    )


def sum_of_terms(formula: str, *terms: Term, notes: tuple[str, ...] = ()) -> Sum:
    return Sum(formula, len(terms), 0, terms, 0, 0, None, notes)


def weighted_sum(
    call: Call,
    arrays: Arrays,
    x_where: Array,
    w_where: Array,
    channel: int,
    *,
    taps: int | None,
    centred: bool,
    roles: Roles = _WEIGHTED,
) -> Sum:
    """The sum of x times the weights at these places, and the channel's bias, if there is one.

    ``centred`` says that the weights' zero point is subtracted.
    """
    assert roles.weights is not None
    assert roles.bias is not None
    x, weights = roles.activation, roles.weights
    given = arrays[roles.bias] if roles.bias < len(arrays) else None
    bias = None if given is None else int(given[channel])
    formula = f"sum of (x - z1) * {'(w - z2)' if centred else 'w'}"
    return sum_of_products(
        formula if bias is None else f"{formula} + bias",
        [
            Codes("x", arrays[x], x_where, call.input(x).zero_point),
            Codes(
                "w", arrays[weights], w_where, call.input(weights).zero_point if centred else None
            ),
        ],
        taps=taps,
        bias=bias,
    )


def inside(w: Window, output: int, size: int) -> Array:
    """``(taps, 2)``: which taps of a window fall into the input, and where they do."""
    taps = np.arange(w.size)
    positions = output * w.stride + taps * w.dilation - w.before
    pairs = np.stack([taps, positions], axis=1)
    return pairs[(positions >= 0) & (positions < size)]


def grid(*columns: Array) -> list[Array]:
    """Every combination of the rows of ``columns``, the last one fastest, one array each."""
    chosen = np.indices([len(column) for column in columns]).reshape(len(columns), -1)
    return [column[i] for column, i in zip(columns, chosen, strict=True)]


def operand(call: Call, arrays: Arrays, position: int, index: Index) -> Factor:
    """The code of a broadcast operand that an output element is made of."""
    array = arrays[position]
    own = index[len(index) - array.ndim :]
    where = tuple(0 if size == 1 else i for size, i in zip(array.shape, own, strict=True))
    tensor = call.input(position)
    return Factor("ab"[position], where, int(array[where]), tensor.zero_point)


def input_code(call: Call, arrays: Arrays, index: Index) -> Factor:
    """The input code at the output's place."""
    return Factor("x", index, int(arrays[0][index]), call.input(0).zero_point)


def centred(call: Call, arrays: Arrays, index: Index, shape: Index) -> Sum:
    """The input less its zero point."""
    return sum_of_terms("x - zi", Term((input_code(call, arrays, index),)))


def by_eight_bits(x: Factor, ratio: np.float32, name: str) -> Sum:
    """The input times a ratio of scales with 8 fractional bits, as XNNPACK computes it."""
    m = round(float(np.float32(256) * ratio))
    return sum_of_terms("(x - zi) * m", Term((x,), m), notes=(f"m = round(256 * {name}) = {m}",))
