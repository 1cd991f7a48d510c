"""One element's ledger as terminal text, and as JSON.

A line is ``formula = exact value -> what it is rounded to``; digits that do not fit are cut off and
end in dots, none is rounded. What gives the same code stands together, so that the side of a tie on
which a rule falls can be seen.
"""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from fractions import Fraction
from typing import Any

from tabulate import tabulate

from tflreplay.ground.words import printable
from tflreplay.judgement.measured import arithmetic
from tflreplay.ops.base.ledger import Factor, Sum, Term, wrapped
from tflreplay.ops.base.step import TIES, Step
from tflreplay.tools.explain.records import (
    Exact,
    Explanation,
    Outcome,
    Parameters,
    Real,
    Rescaled,
    Scaling,
)

# 1: the first.
FORMAT_VERSION = 1

_WIDTH = 96
_DIGITS = 12  # after the point, unless more are needed to see the side of a tie
_MOST_DIGITS = 60
_FEW = 4  # names that a sentence can hold
_NAME_WIDTH = 20

Line = tuple[str, str, str]  # a formula, what it comes to, and a remark


def render(explanation: Explanation) -> str:
    """The ledger, from the codes that are read to the verdict, in at most 96 columns."""
    e = explanation
    sections = [_title(e), _quantization(e), *_origin(e)]
    if e.exact is not None:
        sections.append(_exact(e.exact))
    sections += _by_code(e)
    sections.append(_verdict(e))
    return "\n\n".join(filter(None, sections))


def _title(e: Explanation) -> str:
    if e.place is None:
        return ""
    place, lines = e.place, []
    lines.append(
        f"op {place.op_index} {place.op}, output element {_where(place.index)} of "
        f"{list(place.shape)}, channel {place.channel}"
    )
    if e.engine is not None:
        lines.append(f"{arithmetic(e.engine)}, on the captured inputs of this op")
    lines += e.notes
    return "\n".join(_fill(line) for line in lines)


def _quantization(e: Explanation) -> str:
    """The scales and zero points, and the range that the code is cut to."""
    lines = [] if all(p.scale is None for p in e.parameters) else [_table(e.parameters)]
    first = next((o for o in e.outcomes if o.low is not None), None)
    if first is not None:
        added = "" if lines or first.zero_point is None else f"zo = {first.zero_point}, "
        lines.append(f"Output codes: {added}from {first.low} to {first.high}")
    return "\n".join(lines)


def _table(parameters: Sequence[Parameters]) -> str:
    rows = []
    for p in parameters:
        channel = "" if p.channel is None else f" (channel {p.channel})"
        rows.append(
            (
                p.role,
                "" if p.tensor is None else f"{p.tensor} {_short(p.name)}",
                p.dtype,
                "" if p.scale is None else f"s{p.number} = {p.scale!r}{channel}",
                "" if p.zero_point is None else f"z{p.number} = {p.zero_point}",
            )
        )
    headers = ("", "tensor", "type", "scale", "zero point")
    shown = [i for i in range(len(headers)) if any(row[i] for row in rows)]
    return str(
        tabulate(
            [[row[i] for i in shown] for row in rows],
            [headers[i] for i in shown],
            "simple",
            disable_numparse=True,
        )
    )


def _origin(e: Explanation) -> Iterator[str]:
    """Where the accumulator and the multiplier in force come from."""
    seam = _seam(e)
    if e.real is not None:
        yield _real(e.real)
    staged = next((o for o in e.outcomes if o.multipliers), None)
    if staged is not None:
        lines = [line for scaling in staged.multipliers for line in _scaling(scaling)]
        yield "\n".join(["Multipliers", *lines])
    if seam is None:
        return
    if seam.inputs:
        yield _inputs(seam)
    elif seam.sum is not None:
        yield _sum(seam.sum)
    if seam.scaling is not None:
        yield "\n".join(["Multiplier", *_scaling(seam.scaling)])


def _seam(e: Explanation) -> Outcome | None:
    """The first outcome that has an accumulator: the rule in force, if there is one.

    None where the arithmetic in force is told without one.
    """
    if e.outcomes[0].steps and e.outcomes[0].accumulator is None:
        return None
    return next((o for o in e.outcomes if o.accumulator is not None), None)


def _real(real: Real) -> str:
    lines = ["Real value, computed in float64"]
    formula = real.formula
    if real.factor is not None:
        lines.append(f"x{_where(real.factor.where)} = {real.factor.code}")
        formula = f"{real.formula} = si * {_centred(real.factor)}"
    lines.append(f"real = {formula} = {real.real!r}")
    if real.function != "real":
        lines.append(f"{real.function} = {real.value!r}")
    return "\n".join([lines[0], *_indented(lines[1:])])


def _sum(total: Sum) -> str:
    if not total.taps and total.bias is None:
        return f"Accumulator: {total.accumulator}"
    head = f"Accumulator: {total.formula}"
    if total.taps and total.formula.startswith("sum of"):
        head += f", {total.taps:,} taps"
        if total.padding:
            head += f", {total.padding:,} of them in the padding, which add nothing"
    rows = [_term(term) for term in total.largest]
    if total.others:
        rows.append((f"the {total.others:,} smaller terms", "", f"{total.rest}"))
    if not total.taps:
        rows.append(("acc", "", f"{total.rest}"))
    if total.bias is not None:
        rows.append(("bias", "", f"{total.bias}"))
    if total.total != total.accumulator:
        rows.append((f"wrapped to {total.bits} bits", "", f"{total.total} ->"))
    if len(rows) > 1:
        rows.append(("accumulator", "", f"{total.accumulator}"))
    table = tabulate(rows, (), "plain", colalign=("left", "left", "right"), disable_numparse=True)
    lines = table.splitlines()
    if len(rows) > 1:
        width = max(len(row[2]) for row in rows)
        lines.insert(-1, " " * (len(lines[-1]) - width) + "-" * width)
    notes = [_fill(f"    where {note}", " " * 8) for note in total.notes]
    return "\n".join([_fill(head), *_indented(lines), *notes])


def _term(term: Term) -> tuple[str, str, str]:
    where = " * ".join(f"{f.symbol}{_where(f.where)}" for f in term.factors)
    centred = [_centred(factor) for factor in term.factors]
    if term.times != 1:
        centred.append(f"{term.times}")
    value = f"{term.value}"
    if len(centred) == 1 and centred[0] == value:
        return where, "", value
    return where, " * ".join(centred), value


def _centred(factor: Factor) -> str:
    if factor.zero_point is None:
        return f"{factor.code}"
    return f"({_plus(factor.code, -factor.zero_point)})"


def _inputs(outcome: Outcome) -> str:
    inputs = outcome.inputs
    together = f"rescaled a {'+' if inputs[1].sign > 0 else '-'} rescaled b"
    together = f"({together})**2" if outcome.squared else together
    lines = [f"Accumulator: {together}, each rescaled by the rule itself"]
    for part in inputs:
        f = part.factor
        lines.append(
            f"    {f.symbol}{_where(f.where)}   {_centred(f)} * 2**{part.left_shift} = "
            f"{f.value << part.left_shift}"
        )
        lines += [f"    {line}" for line in _scaling(part.scaling)]
    return "\n".join(lines)


def _scaling(s: Scaling) -> list[str]:
    how = textwrap.wrap(f"{s.how} = {s.real!r}", _WIDTH - 8)
    value = Fraction(s.mantissa) * Fraction(2) ** (s.shift - 31)
    form = (
        f"mantissa {s.mantissa}, shift {s.shift} (the exponent: negative goes right)",
        f"mantissa * 2**(shift - 31) = {_decimal(value, 20)}",
    )
    return _indented([*how, *form])


def _exact(exact: Exact) -> str:
    value = _decimal(exact.value, 20)
    formula = f"    {exact.formula} = {value}"
    if len(formula) > _WIDTH:
        formula = f"    {exact.formula}\n    = {value}"
    distance = exact.distance
    if distance == 0:
        told = f"    exactly a tie: halfway between {math.floor(exact.value)} and the next code"
    else:
        side = "above" if distance > 0 else "below"
        told = f"    {_small(abs(distance))} codes {side} the nearest tie, {_decimal(exact.tie)}"
    return "\n".join(["Exact value, in output codes before any rounding", formula, told])


def _by_code(e: Explanation) -> Iterator[str]:
    """The outcomes that give the same code together, the engine's first."""
    codes = list(dict.fromkeys(outcome.code for outcome in e.outcomes))
    codes.sort(key=lambda code: code != e.theirs)
    for code in codes:
        same = [outcome for outcome in e.outcomes if outcome.code == code]
        mark = "  <- the engine's value" if code == e.theirs else ""
        head = f"Code {_code(code)}{_side(e, same)}{mark}"
        yield "\n".join([head, "-" * len(head), *_blocks(e, same)])


def _side(e: Explanation, same: Sequence[Outcome]) -> str:
    """On which side of the tie these outcomes fall."""
    rounded = {o.rounded - o.inner_zero_point for o in same if o.rounded is not None}
    if e.exact is None or len(rounded) != 1:
        return ""
    (value,) = rounded
    if abs(value - e.exact.tie) != Fraction(1, 2):
        return ""
    side = "above" if value > e.exact.tie else "below"
    return f": rounded to {value}, {side} the tie {_decimal(e.exact.tie)}"


def _blocks(e: Explanation, outcomes: Iterable[Outcome]) -> Iterator[str]:
    """Each different computation once, under the names of all that compute so."""
    blocks: dict[object, list[Outcome]] = {}
    for outcome in outcomes:
        blocks.setdefault(_computation(outcome), []).append(outcome)
    seam = _seam(e)
    for same in blocks.values():
        yield from _names(e, same)
        yield from _indented(_aligned(_lines(same, seam)))


def _computation(o: Outcome) -> object:
    if not o.steps:
        return o.name
    steps = [o.steps, *(part.steps for part in o.inputs)]
    told = tuple(tuple((step.formula, step.stored, step.result) for step in each) for each in steps)
    return o.accumulator, o.zero_point, o.low, o.high, told


def _names(e: Explanation, same: Sequence[Outcome]) -> Iterator[str]:
    force = " (in force)"
    plain = [
        o.name + (force if o is e.ours else "") for o in same if "(" not in o.name and not o.note
    ]
    if plain:
        yield _fill(", ".join(plain), "")
    for o in same:
        if "(" in o.name or o.note:
            note = f": {o.note}" if o.note and o.note not in o.name else ""
            yield _fill(o.name + (force if o is e.ours else "") + note, "")


def _lines(same: Sequence[Outcome], seam: Outcome | None) -> Iterator[Line]:
    o = same[0]
    if o.rounded is None:
        yield "by an algorithm of its own", f"= {_code(o.code)}", ""
        return
    if o.sum is not None and (seam is None or o.sum.accumulator != seam.accumulator):
        for note in o.sum.notes:
            yield note, "", ""
        if len(o.sum.largest) <= 2:
            for where, formula, value in map(_term, o.sum.largest):
                yield " = ".join(filter(None, (where, formula))), f"= {value}", ""
        yield f"accumulator: {o.sum.formula}", f"= {o.sum.accumulator}", ""
    for position, part in enumerate(o.inputs):
        for steps in zip(*(s.inputs[position].steps for s in same), strict=True):
            formula, value, remark = _step(steps)
            yield f"{part.factor.symbol}: {formula}", value, remark
    if o.inputs:
        a, b = o.inputs
        together = _plus(a.value, b.value)
        yield f"({together})**2" if o.squared else together, f"= {o.accumulator}", ""
    for steps in zip(*(s.steps for s in same), strict=True):
        formula, value, remark = _step(steps)
        label = steps[0].label
        yield f"{label}: {formula}" if label else formula, value, remark
    if not o.steps:
        yield f"{o.accumulator} by the rule", f"-> {o.rounded}", ""
    if o.negated:
        yield "negated", f"= {o.rounded}", ""
    cut = "" if o.unclamped == o.code else f"-> {o.code}"
    remark = ", ".join(_limits(o))
    if o.zero_point is not None:
        yield _plus(o.rounded, o.zero_point), f"= {o.unclamped} {cut}".rstrip(), remark
    elif cut:
        yield f"{o.rounded}", cut, remark


def _limits(o: Outcome) -> Iterator[str]:
    """Why the code is not what the zero point makes of the rounded value."""
    assert o.unclamped is not None
    assert o.low is not None
    assert o.high is not None
    held = wrapped(o.unclamped, o.bits)
    if held != o.unclamped:
        yield f"wraps to {o.bits} bits"
    if not o.low <= held <= o.high:
        yield f"cut to {o.low} .. {o.high}"
    if o.stored:
        yield f"read as {o.stored}"


def _step(steps: Sequence[Step]) -> Line:
    """Steps that differ at most in where they would round a tie."""
    step, hows = steps[0], dict.fromkeys(step.how for step in steps)
    if step.exact == step.result:
        return step.formula, f"= {step.result}", ""
    value, remarks = f"= {_decimal(step.exact)}", []
    if step.stored is not None and _decimal(step.stored) != _decimal(step.exact):
        value += f" ~ {_decimal(step.stored)}"
        remarks.append(f"~ {step.precision}")
    if step.tie and step.how in TIES:
        remarks.append(f"a tie: {' or '.join(hows)}")
    else:
        remarks += [how for how in hows if how not in TIES]
    return step.formula, f"{value} -> {step.result}", ", ".join(remarks)


def _aligned(lines: Iterable[Line]) -> list[str]:
    """The formulas of a block in a column."""
    lines = list(lines)
    width = max(len(formula) for formula, value, _ in lines if value)
    result = []
    for formula, value, remark in lines:
        text = f"{formula:{width}} {value}".rstrip()
        if len(text) > _WIDTH:
            result.append(formula)
            text = f"    {value}"
        if len(text) + len(remark) + 7 <= _WIDTH:
            result.append(f"{text}   {remark}".rstrip())
        else:
            result += [text, f"{'':{width}}   {remark}"]
    return result


def _verdict(e: Explanation) -> str:
    codes = {outcome.code for outcome in e.outcomes}
    parts = []
    if e.theirs is not None:
        parts.append(f"{e.source or 'The engine'} gave {_code(e.theirs)}.")
    if e.ours is not None:
        parts.append(f"Our replay ({e.ours.name}) gives {_code(e.ours.code)}.")
    if len(codes) == 1 and len(e.outcomes) > 1:
        (code,) = codes
        if e.theirs is None or code == e.theirs:
            parts.append(
                "All that is tried here gives this code: this element tells nothing apart."
            )
    if e.theirs is not None and not e.reproducing:
        parts.append(f"Nothing that is tried here gives {_code(e.theirs)}.")
        parts += filter(None, [_needed(e)])
    elif e.theirs is not None and len(codes) > 1:
        parts.append(_split(e))
    return _fill(" ".join(parts))


def _split(e: Explanation) -> str:
    """Who gives the engine's value and who does not, by name where they are few."""
    same, tried = e.reproducing, len(e.outcomes)
    others = [outcome for outcome in e.outcomes if outcome.code != e.theirs]
    told = f"Of {tried} ways tried, {len(same)} {'gives' if len(same) == 1 else 'give'} that"
    if len(same) <= _FEW:
        return f"{told}: {_listed(e, same)}."
    return f"{told}; not: {_listed(e, others)}." if len(others) <= _FEW else f"{told}."


def _listed(e: Explanation, outcomes: Sequence[Outcome]) -> str:
    # Of a number from no model, the note says which ops compute so.
    return "; ".join(f"{o.name} ({o.note})" if o.note and not e.place else o.name for o in outcomes)


def _needed(e: Explanation) -> str:
    """What accumulator would have given the engine's value."""
    seam = _seam(e)
    if seam is None or seam.scaling is None or not seam.scaling.real or e.exact is None:
        return ""
    assert e.theirs is not None
    wanted = Fraction(e.theirs) - (seam.zero_point or 0)
    half = Fraction(1, 2)
    ends = sorted((wanted + side) / Fraction(seam.scaling.real) for side in (-half, half))
    low, high = math.ceil(ends[0]), math.floor(ends[1])
    if e.theirs == seam.low:
        told = f"at most {high}"
    elif e.theirs == seam.high:
        told = f"at least {low}"
    elif low > high:
        return (
            "With this multiplier and zero point no accumulator gives it: one of them is another."
        )
    else:
        told = f"from {low} to {high}"
    return (
        f"With this multiplier and zero point it takes an accumulator {told}, not "
        f"{seam.accumulator}: one of the three is another, or the bias is left out or added twice."
    )


def _decimal(value: Fraction, digits: int = _DIGITS) -> str:
    """Decimals, cut off after ``digits`` of them: fewer of a large number, more beside a tie."""
    digits = max(3, digits + 1 - len(str(math.floor(abs(value)))))
    distance = abs(2 * value - round(2 * value))
    if distance:
        digits = max(digits, min(math.ceil(-math.log10(distance)) + 3, _MOST_DIGITS))
    scaled = abs(value) * 10**digits
    whole = math.floor(scaled)
    sign = "-" if value < 0 else ""
    before, after = divmod(whole, 10**digits)
    decimals = f"{after:0{digits}d}"
    if whole != scaled:
        return f"{sign}{before}.{decimals}..."
    decimals = decimals.rstrip("0")
    return f"{sign}{before}.{decimals}" if decimals else f"{sign}{before}"


def _small(value: Fraction) -> str:
    return f"{float(value):.6g}"


def _code(code: float) -> str:
    return repr(code)


def _plus(a: int, b: int) -> str:
    return f"{a} + {b}" if b >= 0 else f"{a} - {-b}"


def _where(index: Sequence[int]) -> str:
    return f"[{','.join(map(str, index))}]"


def _short(name: str) -> str:
    name = printable(name)
    return name if len(name) <= _NAME_WIDTH else f"...{name[3 - _NAME_WIDTH :]}"


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _fill(text: str, indent: str = "    ") -> str:
    return textwrap.fill(text, _WIDTH, subsequent_indent=indent or "  ")


def document(explanation: Explanation) -> dict[str, Any]:
    """The ledger as plain dicts, lists, strings and numbers.

    An exact value is ``{"fraction": "n/d", "decimal": "..."}``; the rest is as in
    :mod:`tflreplay.tools.explain.records`.
    """
    return {"format_version": FORMAT_VERSION, **_plain(explanation)}


def dumps(explanation: Explanation) -> str:
    """The ledger as compact JSON, in ASCII."""
    return json.dumps(document(explanation), separators=(",", ":"), allow_nan=False)


# What is computed from a record's fields, and is told too.
_DERIVED = {
    Factor: ("value",),
    Term: ("value",),
    Sum: ("total", "accumulator"),
    Rescaled: ("value",),
    Step: ("tie",),
    Outcome: ("accumulator", "unclamped"),
    Exact: ("tie", "distance"),
}


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        names = [field.name for field in fields(value)] + list(_DERIVED.get(type(value), ()))
        return {name: _plain(getattr(value, name)) for name in names}
    if isinstance(value, Fraction):
        return {"fraction": str(value), "decimal": _decimal(value, 20)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
