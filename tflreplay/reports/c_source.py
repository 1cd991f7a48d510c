"""Declarations in C: the numbers, arrays and structs of every header that is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from tflreplay.reports.extract.vectors import Vector, vector
from tflreplay.tools.fields import Struct
from tflreplay.tools.fields.parameters import Value


def define(prefix: str, name: str, value: int) -> str:
    """A macro, in capitals."""
    return f"#define {prefix.upper()}_{name.upper()} ({value})"


def array(prefix: str, found: Vector) -> str:
    """A constant array."""
    size = found.values.size
    return f"static const {found.c_type} {prefix}_{found.name}[{size}] = {{\n{found.c_values}\n}};"


def struct(prefix: str, found: Struct) -> str:
    """A variable of the struct's type, behind the arrays that it points to; or loose numbers."""
    before = f"{found.name}_" if found.name else ""
    arrays = [
        array(prefix, vector(f"{before}{name}", np.array(values, np.int32), "int32"))
        for name, values in found.values.items()
        if isinstance(values, list)
    ]
    if not found.type:
        numbers = [
            define(prefix, f"{before}{name}", value)
            for name, value in found.values.items()
            if isinstance(value, int)
        ]
        return "\n".join([*numbers, *arrays])
    fields = _fields(found.values, f"{prefix}_{before}")
    variable = f"static const {found.type} {prefix}_{found.name} = {{\n{fields}\n}};"
    return "\n".join([*arrays, variable])


def _fields(values: Mapping[str, Value], pointed: str) -> str:
    return "\n".join(f"    .{name} = {text}," for name, text in _initializers(values, pointed))


def _initializers(values: Mapping[str, Value], pointed: str) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, int):
            yield name, str(value)
        elif isinstance(value, Sequence):
            # The struct's pointer is to what is not constant, though nothing writes there.
            yield name, f"(int32_t *){pointed}{name}"
        else:
            inner = (f".{key} = {text}" for key, text in _initializers(value, pointed))
            yield name, f"{{ {', '.join(inner)} }}"
