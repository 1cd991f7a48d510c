"""Reads the words in which rows say how a multiplier is computed, and computes it so.

``float64 (float32 s1*s2)/so``: s1, s2 and so are float32 numbers; every operation is rounded to the
type that stands before it, and the result of the inner one is then taken for a float64.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tflreplay.ground.rounding import round_half_away

Names = Mapping[str, float]
# The types of numbers: float64 is a Python float, whose power is that of C.
TYPES: dict[str, Any] = {"float32": np.float32, "float64": float}
OPERATIONS: dict[type, Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
FUNCTIONS = {
    "abs": abs,
    "max": max,
    "sqrt": lambda x: type(x)(math.sqrt(x)),  # correctly rounded in either type
    "round_half_away": lambda x: round_half_away(np.asarray(x)).item(),
    "round_half_even": lambda x: np.rint(x).item(),
}


def clauses(text: str) -> tuple[list[str], list[str]]:
    """The formulas of a text, and what it says of them beside."""
    parts = _split(text)
    defined = dict(part.split(" = ", 1) for part in parts if " = " in part)
    formulas = [part for part in parts if part.startswith(tuple(TYPES))]
    notes = [part for part in parts if part not in formulas and " = " not in part]
    for name, meaning in defined.items():
        formulas = [re.sub(rf"\b{name}\b", f"({meaning})", formula) for formula in formulas]
    return [formula.partition(" where ")[0] for formula in formulas], notes


def values(text: str, names: Iterable[Names]) -> set[float]:
    """What the formulas give, each for all the names that it knows."""
    known = list(names)
    formulas, _ = clauses(text)
    found = {
        float(evaluate(formula, each))
        for formula in formulas
        for each in known
        if _names(formula) <= set(each)
    }
    assert all(any(_names(formula) <= set(each) for each in known) for formula in formulas), text
    return found


def exchanged(text: str) -> list[str]:
    """The same formulas, the type of one operation or of all exchanged for the other one."""
    parts = re.split("(float32|float64)", text)
    types = range(1, len(parts), 2)
    other = {"float32": "float64", "float64": "float32"}
    return [
        "".join(other[part] if i in chosen else part for i, part in enumerate(parts))
        for chosen in (*([i] for i in types), types)
    ]


def evaluate(formula: str, names: Names) -> Any:
    return _value(_parsed(formula), names, float)


def _split(text: str) -> list[str]:
    """Parts between commas and semicolons, but for those in parentheses."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter in ",;" and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def _parsed(formula: str) -> ast.expr:
    """``float32 x`` becomes ``float32(x)``, as far as its parentheses reach, and ``|x|`` abs(x)."""
    formula = re.sub(r"\|(\w+)\|", r"abs(\1)", formula)
    while found := re.search(r"\b(float32|float64) ", formula):
        end, depth = found.end(), 0
        while end < len(formula) and depth >= 0:
            depth += (formula[end] == "(") - (formula[end] == ")")
            end += depth >= 0
        before, inner, after = formula[: found.start()], formula[found.end() : end], formula[end:]
        formula = f"{before}{found[1]}({inner}){after}"
    return ast.parse(formula, mode="eval").body


def _names(formula: str) -> set[str]:
    nodes = ast.walk(_parsed(formula))
    return {n.id for n in nodes if isinstance(n, ast.Name)} - {*TYPES, *FUNCTIONS}


def _value(node: ast.expr, names: Names, number: Any) -> Any:
    if isinstance(node, ast.Constant):
        return number(node.value)
    if isinstance(node, ast.Name):
        return number(np.float32(names[node.id]))
    if isinstance(node, ast.UnaryOp):
        assert isinstance(node.op, ast.USub)
        return -_value(node.operand, names, number)
    if isinstance(node, ast.BinOp):
        sides = (_value(side, names, number) for side in (node.left, node.right))
        return number(OPERATIONS[type(node.op)](*sides))
    assert isinstance(node, ast.Call)
    assert isinstance(node.func, ast.Name)
    name = node.func.id
    if name in TYPES:
        return number(_value(node.args[0], names, TYPES[name]))
    return number(FUNCTIONS[name](*(_value(arg, names, number) for arg in node.args)))
