"""Arrays in C source: headers, ``model_data.cc``, what ``xxd -i`` writes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

SUFFIXES = (".h", ".hpp", ".hh", ".inc", ".c", ".cc", ".cpp", ".cxx")

_COMMENTS = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.S)
_DIRECTIVES = re.compile(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", re.M)
_ATTRIBUTES = re.compile(
    r"__attribute__\s*\(\((?:[^()]|\([^()]*\))*\)\)|(?:_A|a)lignas\s*\([^)]*\)"
)
_ARRAY = re.compile(
    r"\b(?P<type>(?:\w+\s+){1,8})(?P<name>\w+)\s*(?P<sizes>(?:\[[^\]{}]*\]\s*)+)(?:\w+\s*)*=\s*\{"
)
_BRACES = re.compile(r"[{}]")
_CAST = re.compile(r"\(\s*(?:const\s+)?[a-zA-Z]\w*\s*\)")
_QUALIFIERS = {"static", "const", "constexpr", "extern", "volatile", "inline", "alignas", "PROGMEM"}
_TYPES = {
    "int8_t": "int8", "signed char": "int8", "char": "int8", "q7_t": "int8",
    "uint8_t": "uint8", "unsigned char": "uint8",
    "int16_t": "int16", "short": "int16", "q15_t": "int16",
    "uint16_t": "uint16", "unsigned short": "uint16",
    "int32_t": "int32", "int": "int32", "q31_t": "int32",
    "uint32_t": "uint32", "unsigned int": "uint32", "unsigned": "uint32",
    "int64_t": "int64", "uint64_t": "uint64",
    "float": "float32", "float32_t": "float32", "double": "float64",
    "bool": "bool", "_Bool": "bool",
}  # fmt: skip
_NAMES: dict[str, float] = {
    "NAN": float("nan"), "INFINITY": float("inf"), "-INFINITY": -float("inf"),
    "true": 1, "false": 0,
    "INT8_MIN": -(2**7), "INT16_MIN": -(2**15), "INT32_MIN": -(2**31), "INT64_MIN": -(2**63),
}  # fmt: skip


class CSyntax(Exception):
    """What cannot be read, and the line, in words."""


@dataclass(frozen=True)
class CArray:
    """An initialized array. ``shape`` is None where a macro, or nothing, says how long it is."""

    name: str
    c_type: str
    shape: tuple[int, ...] | None
    body: str
    line: int

    @property
    def dtype(self) -> str:
        """numpy's name of the type; empty where it is none of C's numbers."""
        return _TYPES.get(self.c_type, "")

    def values(self) -> np.ndarray[Any, Any]:
        """The values, in ``shape`` or flat; int64 or float64 where the type is not known.

        Raises:
            CSyntax: an element is no number, does not fit the type, or there are more or fewer
                elements than declared.
        """
        texts = self.body.replace("{", "").replace("}", "").split(",")
        if not texts[-1].strip():
            texts.pop()
        if self.shape is not None and prod(self.shape) != len(texts):
            raise CSyntax(
                f"line {self.line}: {self.name} is declared with {prod(self.shape)} elements and "
                f"holds {len(texts)}"
            )
        flat = self._typed(self._numbers(texts))
        return flat if self.shape is None else flat.reshape(self.shape)

    def _numbers(self, texts: list[str]) -> np.ndarray[Any, Any]:
        try:
            return np.array([int(text, 0) for text in texts], np.int64)
        except (ValueError, OverflowError):
            found = [self._number(text, position) for position, text in enumerate(texts)]
        if any(isinstance(number, float) for number in found):
            return np.array(found, np.float64)
        try:
            return np.array(found, np.int64 if min(found, default=0) < 0 else np.uint64)
        except OverflowError:
            raise CSyntax(f"line {self.line}: {self.name} holds a number of over 64 bits") from None

    def _number(self, text: str, position: int) -> float:
        plain = re.sub(r"[()\s]", "", _CAST.sub("", text))
        if plain in _NAMES:
            return _NAMES[plain]
        is_hex = plain.lstrip("+-").lower().startswith("0x")
        try:
            whole = plain.rstrip("uUlL")
            octal = re.fullmatch(r"([+-]?)0([0-7]+)", whole)
            return int(octal[1] + octal[2], 8) if octal else int(whole, 0)
        except ValueError:
            pass
        try:
            if is_hex:
                return float.fromhex(plain.rstrip("fFlL") if "p" in plain.lower() else "")
            return float(plain.rstrip("fFlL"))
        except (ValueError, OverflowError):
            what = f"element {position} of {self.name}, {text.strip()[:20]!r}"
            raise CSyntax(f"line {self.line}: {what}, is no number") from None

    def _typed(self, numbers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """In the declared type; C keeps the low bits of what an integer type cannot hold."""
        if not self.dtype:
            return numbers
        dtype = np.dtype(self.dtype)
        if dtype.kind in "iu" and numbers.dtype.kind in "iu":
            bits = 8 * dtype.itemsize
            low = int(numbers.min(initial=0))
            high = int(numbers.max(initial=0))
            if low < -(2 ** (bits - 1)) or high >= 2**bits:
                worst = low if low < -(2 ** (bits - 1)) else high
                raise CSyntax(f"line {self.line}: {worst} in {self.name} is no {self.c_type}")
        elif dtype.kind in "iu":
            raise CSyntax(f"line {self.line}: {self.name} is {self.c_type} and holds fractions")
        return numbers.astype(dtype)


def arrays(source: str) -> Iterator[CArray]:
    """Every initialized array of a C or C++ source, in order.

    Raises:
        CSyntax: an array is not closed.
    """
    code = _COMMENTS.sub(_blank, source)
    code = _ATTRIBUTES.sub(_blank, _DIRECTIVES.sub(_blank, code))
    start = 0
    while found := _ARRAY.search(code, start):
        line = code.count("\n", 0, found.start("name")) + 1
        end = _closing(code, found.end())
        if end is None:
            raise CSyntax(f"line {line}: {found['name']} has no end: the file is cut short")
        words = [word for word in found["type"].split() if word not in _QUALIFIERS]
        sizes = re.findall(r"\[\s*(.*?)\s*\]", found["sizes"], re.S)
        known = all(re.fullmatch(r"\d{1,18}[uUlL]*", size) for size in sizes)
        shape = tuple(int(size.rstrip("uUlL")) for size in sizes) if known else None
        yield CArray(found["name"], " ".join(words), shape, code[found.end() : end], line)
        start = end


def _closing(code: str, start: int) -> int | None:
    """Where the brace closes that was opened before ``start``."""
    depth = 1
    for brace in _BRACES.finditer(code, start):
        depth += 1 if brace[0] == "{" else -1
        if not depth:
            return brace.start()
    return None


def _blank(found: re.Match[str]) -> str:
    """Nothing but the lines, so that those after it keep their numbers."""
    return " " + "\n" * found[0].count("\n")
