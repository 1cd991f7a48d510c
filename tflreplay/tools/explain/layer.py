"""One layer's output elements, each as a ledger under every arithmetic that may have made it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import InputError, NotReplayed, TflreplayError
from tflreplay.ground.rounding import RULES, Accumulation, Array, Multiplier, Rule, VectorRule
from tflreplay.judgement.diagnosis.candidates import Candidate, base_row, candidates
from tflreplay.model import Model, Operator, Tensor
from tflreplay.ops import Row, card, row_of
from tflreplay.ops.base.call import Call, activation_range
from tflreplay.ops.base.ledger import (
    BY_RULE,
    Quotient,
    RescaledInputs,
    Slopes,
    Stages,
    Sum,
    Summing,
    Terms,
    wrapped,
)
from tflreplay.ops.base.rescaling import twice_largest_scale
from tflreplay.ops.base.step import AWAY, Step, away
from tflreplay.ops.base.terms import operand
from tflreplay.ops.seam import Tensors, call_of, compute, first_half
from tflreplay.replayer.loop import REFERENCE
from tflreplay.tools.explain.parameters import of_tensor, parameters
from tflreplay.tools.explain.reals import real_value
from tflreplay.tools.explain.records import (
    Exact,
    Explanation,
    Outcome,
    Place,
    Real,
    Rescaled,
    Scaling,
)
from tflreplay.tools.explain.steps import FLOORED, steps_of

Index = tuple[int, ...]


def explain(
    model: Model,
    tensors: Tensors,
    engine: Engine = REFERENCE,
    op_index: int = 0,
    index: Sequence[int] = (),
    others: Iterable[Rule] = (FLOORED,),
) -> Explanation:
    """One output element of an op as a ledger, under every arithmetic that may have made it.

    Args:
        tensors: arrays by tensor index: the op's inputs and, to have the engine's value marked, its
            output.
        engine: whose arithmetic is in force.
        index: which element of the op's output; one integer a dimension.
        others: rules to try besides :data:`~tflreplay.judgement.diagnosis.candidates.RULES_TRIED`.

    Raises:
        InputError: there is no such op or element.
        NotReplayed: the engine's tables have no row for the op, one of its inputs is not known, or
            the op is not one that can be explained.
    """
    return Layer(model, tensors, engine, op_index, others).explain(index)


@dataclass(frozen=True)
class _Way:
    """One arithmetic on the layer: its kernel's first half is done."""

    name: str
    call: Call
    result: Accumulation | Array

    @property
    def row(self) -> Row:
        return self.call.row


class Layer:
    """An op on given tensors, to explain several of its elements. Arguments as :func:`explain`."""

    def __init__(
        self,
        model: Model,
        tensors: Tensors,
        engine: Engine = REFERENCE,
        op_index: int = 0,
        others: Iterable[Rule] = (FLOORED,),
    ):
        self.model, self.tensors, self.engine = model.as_run(tensors), tensors, engine
        model = self.model
        own = explained_row(model, engine, op_index)
        self.op = model.main.operators[op_index]
        self.card = card(self.op.name)
        with _naming(self.op):
            found = candidates(engine, model.main, self.op)
            self._ways = tuple(
                self._prepared(found or (Candidate(own.rule or own.algorithm, own),), tuple(others))
            )
            call, arrays = call_of(model.main, self.op, tensors, engine, own)
        self._arrays: Sequence[Any] = arrays
        (self.output,) = compute(call, arrays)

    def _prepared(self, tried: Sequence[Candidate], others: Sequence[Rule]) -> Iterator[_Way]:
        done: dict[tuple[object, ...], Accumulation | Array] = {}
        ways = [(c.name, c.row, RULES[c.row.rule or "double"]) for c in tried]
        base = base_row(self.engine, self.model.main, self.op)
        if base is not None:
            ways += [(rule.name, base, rule) for rule in others]
        for name, row, rule in ways:
            try:
                call, arrays = call_of(self.model.main, self.op, self.tensors, self.engine, row)
                call = replace(call, rule=rule)
                by_rule = rule if isinstance(row.ledger, BY_RULE) else None
                key = (row.kernel, row.multiplier, row.algorithm, row.clamp, by_rule)
                if key not in done:
                    result = first_half(call, arrays)
                    assert not isinstance(result, tuple)
                    done[key] = result
                yield _Way(name, call, done[key])
            except NotReplayed:
                # Another engine's kernel may not take what this engine's does.
                if row is tried[0].row:
                    raise

    def explain(self, index: Sequence[int]) -> Explanation:
        """The ledger of one element.

        Raises:
            InputError: there is no such element.
            NotReplayed: its multiplier is too large for the rule in force.
        """
        where = self._checked(index)
        sums: dict[object, Sum] = {}
        own, *others = self._ways
        with _naming(self.op):
            outcomes = [self._outcome(own, where, sums)]
        for way in others:
            # Not defined for this multiplier, or another engine's kernel that has no ledger.
            with suppress(NotReplayed):
                outcomes.append(self._outcome(way, where, sums))
        ours = self.output[where].item()
        _agree("code", self.op, where, outcomes[0].code, ours)
        tensors = self.model.main.tensors
        output, theirs = tensors[self.op.outputs[0]], self.tensors.get(self.op.outputs[0])
        real = None
        if self.card.function is not None and not any(way.row.rule for way in self._ways):
            x = tensors[self.op.inputs[0]]
            real = real_value(self.card.function, x, self._arrays[0], where)
        return Explanation(
            Place(
                str(self.model.path),
                self.op.index,
                self.op.name,
                where,
                self.output.shape,
                where[-1] if where else 0,
            ),
            self.engine,
            tuple(parameters(self.op, tensors, where)),
            tuple(outcomes),
            real,
            self._exact(outcomes, real, output, where),
            None if theirs is None or theirs.shape != self.output.shape else theirs[where].item(),
        )

    def _checked(self, index: Sequence[int]) -> Index:
        shape, given = self.output.shape, ",".join(map(str, index))
        if len(index) != len(shape):
            raise InputError(
                f"--at {given}: {len(index)} numbers for an output of shape {list(shape)} "
                f"(op {self.op.index} {self.op.name}); give {len(shape)}"
            )
        for i, size in zip(index, shape, strict=True):
            if not 0 <= i < size:
                raise InputError(
                    f"--at {given}: outside of the output of op {self.op.index} {self.op.name}, "
                    f"whose shape is {list(shape)}; {i} should be from 0 to {size - 1}"
                )
        return tuple(index)

    def _outcome(self, way: _Way, index: Index, sums: dict[object, Sum]) -> Outcome:
        """``sums`` holds those that other arithmetic has already taken on this element."""
        ledger = way.row.ledger
        if isinstance(ledger, Slopes):
            return self._sloped(way, ledger, index)
        if isinstance(ledger, Quotient):
            return self._quotient(way, ledger, index)
        if isinstance(ledger, Stages):
            return self._staged(way, ledger, index)
        if not isinstance(way.result, Accumulation):
            return Outcome(way.name, way.row.algorithm, way.result[index].item())
        a = way.result
        acc = int(a.values[index])
        rule, note = _rule_at(a, way.call.rule, index)
        total: Sum | None = None
        inputs: tuple[Rescaled, ...] = ()
        if isinstance(ledger, RescaledInputs):
            inputs = self._rescaled(way.call, ledger, rule, index)
            together = sum(part.value for part in inputs)
            together = together**2 if ledger.squared else together
            _agree("accumulator", self.op, index, together, acc)
        else:
            summing = _summing(way.row)
            if summing not in sums:
                sums[summing] = summing(way.call, self._arrays, index, a.values.shape)
            total = replace(sums[summing], bits=a.bits)
            _agree("accumulator", self.op, index, total.accumulator, acc)
        multiplier = a.multiplier[np.asarray(index[-1])] if index else a.multiplier
        if way is self._ways[0]:
            note = "; ".join(filter(None, [note, way.row.algorithm]))
        outcome = Outcome(
            way.name,
            note,
            0,
            total,
            inputs,
            Scaling.of(str(way.row.multiplier), multiplier),
            zero_point=a.zero_point,
            low=a.low,
            high=a.high,
            squared=isinstance(ledger, RescaledInputs) and ledger.squared,
        )
        outcome = finished(outcome, rule, acc, multiplier)
        code = int(np.asarray(outcome.code).astype(a.dtype))
        return replace(outcome, code=code, stored="" if code == outcome.code else a.dtype.name)

    def _rescaled(
        self, call: Call, ledger: RescaledInputs, rule: Rule, index: Index
    ) -> tuple[Rescaled, ...]:
        ta, tb = call.input(0), call.input(1)
        twice = twice_largest_scale(ta, tb)
        assert self.card.left_shift is not None
        left_shift = self.card.left_shift(ta)
        parts = []
        for position, (tensor, sign) in enumerate(((ta, 1), (tb, ledger.sign))):
            factor = operand(call, self._arrays, position, index)
            multiplier = Multiplier.of(np.float64(ledger.number(tensor.scale / twice)))
            steps, result = steps_of(rule, factor.value << left_shift, multiplier)
            how = f"s{position + 1} / (2 * max(s1, s2))"
            scaling = Scaling.of(how, multiplier)
            parts.append(Rescaled(factor, left_shift, sign, scaling, steps, result))
        return tuple(parts)

    def _sloped(self, way: _Way, ledger: Slopes, index: Index) -> Outcome:
        call = way.call
        ti, to = call.input(0), call.output
        total = ledger.of(call, self._arrays, index, self.output.shape)
        acc = total.accumulator
        si, so = ledger.number(ti.scale), ledger.number(to.scale)
        below = total.largest[0].factors[0].value < 0
        real = si * ledger.number(ledger.slope(call)) / so if below else si / so
        negated = bool(real < 0) and not ledger.signed
        multiplier = Multiplier.of(abs(real) if negated else real)
        outcome = Outcome(
            way.name,
            "",
            0,
            total,
            (),
            Scaling.of(str(way.row.multiplier), multiplier),
            negated=negated,
            zero_point=to.zero_point,
            low=to.code_range[0],
            high=to.code_range[1],
        )
        assert not isinstance(way.result, Accumulation)
        outcome = finished(outcome, way.call.rule, acc, multiplier)
        _agree("code", self.op, index, outcome.code, way.result[index].item())
        return outcome

    def _staged(self, way: _Way, ledger: Stages, index: Index) -> Outcome:
        assert not isinstance(way.result, Accumulation)
        staged, to = ledger.of(way.call, self._arrays, index, self.output.shape), way.call.output
        rounded = staged.steps[-1].result
        low, high = 0, 1  # of a truth value
        if to.dtype != "bool":
            activation = way.call.op.options.get("fused_activation_function", "NONE")
            low, high = activation_range(way.call, activation)
        zero_point = to.zero_point if staged.zero_point is None else None
        code = wrapped(rounded + (zero_point or 0), staged.bits)
        code = way.result.dtype.type(min(max(code, low), high)).item()
        _agree("code", self.op, index, code, way.result[index].item())
        return Outcome(
            way.name,
            staged.note or way.row.algorithm,
            code,
            staged.sum,
            steps=staged.steps,
            rounded=rounded,
            zero_point=zero_point,
            low=low,
            high=high,
            multipliers=tuple(Scaling.of(how, m) for how, m in staged.multipliers),
            bits=staged.bits,
            inner_zero_point=staged.zero_point or 0,
            exact=staged.exact and Exact(*staged.exact),
        )

    def _quotient(self, way: _Way, ledger: Quotient, index: Index) -> Outcome:
        total = ledger.of(way.call, self._arrays, index, self.output.shape)
        count = total.taps - total.padding
        quotient = Fraction(total.total, count)
        rounded = away(quotient)
        low, high = activation_range(way.call, way.call.option("fused_activation_function"))
        step = Step(f"{total.total} / {count}", quotient, rounded, AWAY)
        return Outcome(
            way.name,
            way.row.algorithm,
            min(max(rounded, low), high),
            total,
            steps=(step,),
            rounded=rounded,
            low=low,
            high=high,
            exact=Exact(step.formula, quotient),
        )

    def _exact(
        self, outcomes: Sequence[Outcome], real: Real | None, output: Tensor, index: Index
    ) -> Exact | None:
        so = of_tensor(output, index).scale
        if so is None:
            return None
        if real is not None:
            # Far outside of every type there is no tie to look at.
            if not abs(real.value) < so * 2**32:
                return None
            return Exact(f"{real.value!r} / {so!r}", Fraction(real.value) / Fraction(so))
        if self.card.sign:
            sign = "+" if self.card.sign > 0 else "-"
            tensors = [self.model.main.tensors[i] for i in self.op.inputs]
            call = self._ways[0].call
            a, b = (operand(call, self._arrays, i, index).value for i in (0, 1))
            s1, s2 = (tensor.scale for tensor in tensors)
            right = b * Fraction(s2) * (1 if sign == "+" else -1)
            together = a * Fraction(s1) + right
            formula = f"({a} * {s1!r} {sign} {b} * {s2!r})"
            if any(outcome.squared for outcome in outcomes):
                formula, together = f"{formula}**2", together**2
            return Exact(f"{formula} / {so!r}", together / Fraction(so))
        first = next((o for o in outcomes if o.sum is not None and o.scaling is not None), None)
        if first is None or first.sum is None or first.scaling is None:
            return outcomes[0].exact
        acc, scale = first.sum.accumulator, first.scaling.real
        scale = -scale if first.negated else scale
        return Exact(f"{acc} * {scale!r}", acc * Fraction(scale))


def finished(outcome: Outcome, rule: Rule, acc: int, multiplier: Multiplier) -> Outcome:
    """The outcome with the steps from the accumulator to the code."""
    steps, rounded = steps_of(rule, acc, multiplier)
    rounded = -rounded if outcome.negated else rounded
    assert outcome.low is not None
    assert outcome.high is not None
    code = wrapped(rounded + (outcome.zero_point or 0), outcome.bits)
    return replace(
        outcome,
        steps=steps,
        rounded=rounded,
        code=min(max(code, outcome.low), outcome.high),
    )


def explained_row(model: Model, engine: Engine, op_index: int) -> Row:
    """The engine's arithmetic of an op that can be explained: all that needs no tensors.

    Raises:
        InputError: there is no such op.
        NotReplayed: the engine's tables have no row for the op, or it is not one to be explained.
    """
    operators = model.main.operators
    if not 0 <= op_index < len(operators):
        raise InputError(
            f"--layer {op_index}: {model.path} has {len(operators)} operators; "
            f"give one from 0 to {len(operators) - 1}"
        )
    op = operators[op_index]
    with _naming(op):
        row = row_of(engine, model.main, op)
        quantized = all(model.main.tensors[i].quantization is not None for i in op.outputs)
        if not quantized and not card(op.name).gives_reals and not row.moves:
            raise NotReplayed("its output is not quantized")
        known = card(op.name)
        if row.ledger is None and (row.rule or known.function is None):
            why = "only moves data" if row.moves else f"requantizes nothing: {row.algorithm}"
            raise NotReplayed(known.unexplained or f"it {why}")
    return row


def _summing(row: Row) -> Summing:
    if not isinstance(row.ledger, Terms):
        raise NotReplayed("its sums have no ledger yet")
    return row.ledger.of


@contextmanager
def _naming(op: Operator) -> Iterator[None]:
    """The op named in front of a reason."""
    try:
        yield
    except NotReplayed as reason:
        raise NotReplayed(f"op {op.index} {op.name} is not explained: {reason}") from None


def _rule_at(a: Accumulation, rule: Rule, index: Index) -> tuple[Rule, str]:
    """The rule that holds for one element, and why if that depends on where it stands."""
    if not isinstance(rule, VectorRule):
        return rule, ""
    shape = np.shape(a.values)
    if rule.flat:
        position, length = int(np.ravel_multi_index(index, shape)) if index else 0, math.prod(shape)
    else:
        position, length = (index[-1], shape[-1]) if index else (0, 1)
    for part, own in rule.parts(length, a.cuts):
        if part.start <= position < part.stop:
            body = own is not rule.tail
            name = next(r.name for r in RULES.values() if r.apply is own.apply)
            where = "the vector body" if body else "the scalar tail"
            return RULES[name], (
                f"element {position} of a loop over {length} is in {where}, which rounds {name}"
            )
    raise AssertionError


def _agree(what: str, op: Operator, index: Index, ledger: Any, kernel: Any) -> None:
    """The ledger must say what the kernel computed."""
    if ledger != kernel and not (ledger != ledger and kernel != kernel):
        raise TflreplayError(
            f"op {op.index} {op.name}, element {list(index)}: the ledger's {what} is {ledger}, "
            f"the kernel's {kernel}; please report this as a bug of tflreplay"
        )
