"""Integers that stand for all of a type, so that the rules' own code is proven, not a copy of it.

A rule takes a :class:`Symbol` as it takes an array: an operator on it makes a term of the solver.
Where the code asks which of two is larger, :func:`counterexample` follows every answer in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import z3

# Of a transcription that must not wrap.
WIDE = 128


class Symbol:
    """An integer of ``bits`` bits that wraps, as int64 of numpy does (or never, if wide enough)."""

    def __init__(self, term: z3.BitVecRef) -> None:
        self.term = term

    @property
    def bits(self) -> int:
        return self.term.size()

    def widened(self, bits: int) -> Symbol:
        return Symbol(z3.SignExt(bits - self.bits, self.term))

    def astype(self, dtype: Any) -> Symbol:
        """What numpy's cast keeps: the low bits."""
        kept = 8 * np.dtype(dtype).itemsize
        return self if kept >= self.bits else Symbol(_low(self.term, kept)).widened(self.bits)

    def __mul__(self, other: Any) -> Symbol:
        if isinstance(other, Symbol):
            return Symbol(_product(self.term, other.term))
        return Symbol(self.term * int(other))

    def __add__(self, other: Any) -> Symbol:
        return Symbol(self.term + _term(other))

    def __sub__(self, other: Any) -> Symbol:
        return Symbol(self.term - _term(other))

    def __neg__(self) -> Symbol:
        return Symbol(-self.term)

    def __mod__(self, other: int) -> Symbol:
        """Python's, by a power of two."""
        return self & (other - 1)

    def __floordiv__(self, other: int) -> Symbol:
        """Python's, by a power of two."""
        return self >> (other.bit_length() - 1)

    def __and__(self, other: Any) -> Symbol:
        return Symbol(self.term & int(other))

    def __lshift__(self, by: Any) -> Symbol:
        return Symbol(self.term << int(by))

    def __rshift__(self, by: Any) -> Symbol:
        return Symbol(self.term >> int(by))

    def __abs__(self) -> Symbol:
        return -self if self < 0 else self

    def __lt__(self, other: Any) -> Asked:
        return Asked(self.term < _term(other))

    def __le__(self, other: Any) -> Asked:
        return Asked(self.term <= _term(other))

    def __gt__(self, other: Any) -> Asked:
        return Asked(self.term > _term(other))

    def __ge__(self, other: Any) -> Asked:
        return Asked(self.term >= _term(other))

    def __eq__(self, other: object) -> Any:
        return Asked(self.term == _term(other))

    __radd__, __rmul__, __hash__ = __add__, __mul__, None


class Asked:
    """A comparison. Asked whether it is true, it is so on one path and not so on another."""

    def __init__(self, term: z3.BoolRef) -> None:
        self.term = term

    def __bool__(self) -> bool:
        return _path.decide(self.term)

    def __eq__(self, other: object) -> bool:
        return bool(self) == other

    __hash__ = None


class _Path:
    """The answers of the path that is followed now."""

    def __init__(self, answers: list[bool]) -> None:
        self.answers = answers
        self.terms: list[z3.BoolRef] = []

    def decide(self, term: z3.BoolRef) -> bool:
        if len(self.terms) == len(self.answers):
            self.answers.append(True)
        answer = self.answers[len(self.terms)]
        self.terms.append(term if answer else z3.Not(term))
        return answer


_path = _Path([])
_terms: dict[str, z3.BitVecRef] = {}
_products: dict[tuple[str, str], z3.BitVecRef] = {}


def int32(name: str) -> Symbol:
    """Every int32, held in 64 bits."""
    return Symbol(z3.SignExt(32, z3.BitVec(name, 32)))


def counterexample(
    ours: Callable[[], Any], theirs: Callable[[], Symbol], *given: z3.BoolRef
) -> z3.ModelRef | None:
    """Inputs for which the two differ; None once it is proven that there are none.

    Args:
        given: what is assumed of the inputs.
    """
    _products.clear()
    for result, found in _paths(ours):
        for expected, asked in _paths(theirs):
            solver = z3.Solver()
            solver.add(*given, *_product_facts(), *found, *asked)
            solver.add(_term_of(result, WIDE) != _term_of(expected, WIDE))
            if solver.check() != z3.unsat:
                return solver.model()
    return None


def _paths(function: Callable[[], Any]) -> Iterator[tuple[Any, list[z3.BoolRef]]]:
    """Every way through ``function``: what it returns, and the conditions under which it does."""
    global _path
    answers: list[bool] | None = []
    while answers is not None:
        _path = _Path(answers)
        result = function()
        yield result, _path.terms
        while answers and not answers[-1]:
            answers.pop()
        answers = [*answers[:-1], False] if answers else None


def _term_of(result: Any, bits: int) -> z3.BitVecRef:
    """A result, whether a symbol or a number, in as many bits."""
    value = np.asarray(result).item()
    return value.widened(bits).term if isinstance(value, Symbol) else z3.BitVecVal(value, bits)


def _product_facts() -> list[z3.BoolRef]:
    """All that the proofs know of a product of two int32: its bounds, and which pair reaches 2**62.

    The solver cannot reason about 32-bit multipliers in useful time, and needs not.
    """
    facts = []
    for (a, b), product in _products.items():
        smallest = [z3.BitVecVal(-(2**31), 32) == _terms[x] for x in (a, b)]
        facts += [
            product >= -(2**62) + 2**31,
            z3.If(z3.And(*smallest), product == 2**62, product <= 2**62 - 2**31),
        ]
    return facts


def _product(a: z3.BitVecRef, b: z3.BitVecRef) -> z3.BitVecRef:
    """A number of its own for each two int32, whatever the width that they are held in."""
    keys = []
    for factor in (a, b):
        low = z3.simplify(_low(factor, 32))
        _terms[low.sexpr()] = low
        keys.append(low.sexpr())
    key = (min(keys), max(keys))
    if key not in _products:
        _products[key] = z3.BitVec(f"product_{len(_products)}", 64)
    return z3.SignExt(a.size() - 64, _products[key]) if a.size() > 64 else _products[key]


def _low(term: z3.BitVecRef, bits: int) -> z3.BitVecRef:
    return z3.Extract(bits - 1, 0, term)


def _term(value: Any) -> Any:
    return value.term if isinstance(value, Symbol) else int(value)
