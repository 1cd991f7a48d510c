"""Numbers that were printed: CSV, plain text, and logs with a name before each tensor's values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tflreplay.ground.errors import InputError
from tflreplay.ground.rounding import Array
from tflreplay.runtimes.formats.found import Found, Kind

# What numpy, Python and C print around numbers.
_PUNCTUATION = re.compile(r"[\s,;\[\](){}|]+")
_NUMBER = re.compile(
    r"[+-]?(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|nan|inf(?:inity)?)", re.I
)
# "conv1: 1 2 3", "I (12) main: tensor_30 [1, 4, 4, 8] = [", "conv1, 1, 2".
_NAMED = re.compile(
    r"(?:^|.*[\s>])(?P<name>[A-Za-z_][^\s:=,\[(]*|\d+(?=\s*[:=]))"
    r"\s*(?:[\[(][^\])]*[\])]\s*)?[:=,](?P<values>.*)$"
)
_REMARK = re.compile(r"\s*(?:#|//)")


@dataclass
class _Section:
    name: str
    line: int
    words: list[str] = field(default_factory=list)


def read(path: Path, text: str) -> list[Found]:
    """The arrays of a text, each with the name that stands before its values, if any does.

    Lines that hold something else than numbers are skipped before a name, and end its values.

    Raises:
        InputError: values are left out (``...``), stand under no name where others have one, or
            there are none.
    """
    lines = text.splitlines()
    if any(_values(line) is None and _named(line) for line in lines):
        sections, skipped = _log(path, lines)
    else:
        sections, skipped = _plain(path, lines)
    if not any(section.words for section in sections):
        raise InputError(f"{path}: no numbers are in there")
    notes = (f"{skipped} other lines were skipped",) if skipped else ()
    return [
        _found(path, section, notes if position == 0 else ())
        for position, section in enumerate(sections)
        if section.words
    ]


def _plain(path: Path, lines: list[str]) -> tuple[list[_Section], int]:
    """One array; the first line may be a heading."""
    section = _Section("", 0)
    heading = 0
    for number, line in enumerate(lines, 1):
        words = _values(line)
        if words is not None:
            section.words += words
        elif not section.words and not heading and not _holds_number(line):
            heading = number
        else:
            _refuse(path, number, line)
    return [section], 1 if heading else 0


def _log(path: Path, lines: list[str]) -> tuple[list[_Section], int]:
    sections: list[_Section] = []
    current: _Section | None = None
    skipped = 0
    for number, line in enumerate(lines, 1):
        words = _values(line)
        if words is None and (found := _named(line)):
            current = _Section(found[0], number, found[1])
            sections.append(current)
        elif words is None:
            _refuse_ellipsis(path, number, line)
            current = None
            skipped += 1
        elif current is not None:
            current.words += words
        elif words:
            raise InputError(
                f"{path}: line {number} holds values under no name, after a line that holds none; "
                "take the other lines out, or print with the functions of tflreplay dumper, which "
                "stand any line between theirs"
            )
    return sections, skipped


def _values(line: str) -> list[str] | None:
    """The numbers of a line that holds nothing else; None of another one."""
    if _REMARK.match(line):
        return []
    words = [word for word in _PUNCTUATION.split(line) if word]
    return words if all(map(_NUMBER.fullmatch, words)) else None


def _holds_number(line: str) -> bool:
    return any(map(_NUMBER.fullmatch, filter(None, _PUNCTUATION.split(line))))


def _named(line: str) -> tuple[str, list[str]] | None:
    """The name that begins a tensor's values, and those behind it."""
    found = _NAMED.match(line)
    words = _values(found["values"]) if found else None
    return (found["name"], words) if found and words is not None else None


def _refuse(path: Path, number: int, line: str) -> None:
    _refuse_ellipsis(path, number, line)
    words = (word for word in _PUNCTUATION.split(line) if word)
    wrong = next(word for word in words if not _NUMBER.fullmatch(word))
    raise InputError(f"{path}: line {number}: {wrong[:20]!r} is no number")


def _refuse_ellipsis(path: Path, number: int, line: str) -> None:
    if "..." in _PUNCTUATION.split(line):
        raise InputError(
            f"{path}: line {number}: '...' stands for values that were not printed; print all of "
            "them (numpy.set_printoptions(threshold=sys.maxsize))"
        )


def _found(path: Path, section: _Section, notes: tuple[str, ...]) -> Found:
    where = f"{path}, line {section.line}" if section.name else str(path)
    words = section.words
    try:
        values, step = _numbers(words)
    except OverflowError:
        raise InputError(f"{where}: holds a number of over 64 bits") from None
    return Found(section.name, where, values, Kind.NUMBERS, step=step, notes=notes)


def _numbers(words: list[str]) -> tuple[Array, float]:
    """The values, and their last decimal: integers where all are, else float64."""
    try:
        whole = [int(word, 0 if "x" in word.lower() else 10) for word in words]
    except ValueError:
        floats = [float.fromhex(w) if "x" in w.lower() else float(w) for w in words]
        return np.array(floats), min(_steps(words))
    return np.array(whole, np.int64 if min(whole) < 0 else np.uint64), 0.0


def _steps(words: list[str]) -> Iterator[float]:
    """Of each number the unit of its last digit; 0 where it has enough of them for a float32."""
    for word in words:
        mantissa, _, exponent = word.lower().partition("e")
        digits = mantissa.lstrip("+-").replace(".", "").lstrip("0")
        decimals = len(mantissa.partition(".")[2])
        unit = float(f"1e{exponent or 0}") * 10.0 ** -min(decimals, 300)
        yield unit if len(digits) < 9 else 0.0
