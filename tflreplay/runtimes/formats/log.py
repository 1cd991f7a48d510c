"""What the functions of ``tflreplay dumper`` print, between whatever else a firmware prints.

A line is ``tflreplay:NAME:TYPE:START/COUNT:HEX:CRC``: the values from START on, low byte first,
and the CRC-32 of all that stands before the last colon. :mod:`tflreplay.reports.dumper` writes the
C that prints it.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tflreplay.ground.errors import InputError
from tflreplay.runtimes.formats.found import Found

MARK = "tflreplay:"
_LINE = re.compile(
    r"tflreplay:(?P<name>\w+):(?P<type>\w+):(?P<start>\d{1,19})/(?P<count>\d{1,19}):(?P<hex>[0-9a-f]*):"
    r"(?P<crc>[0-9a-f]{8})"
)
_TYPES = (
    "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
    "float16", "float32", "float64",
)  # fmt: skip


@dataclass
class _Dump:
    name: str
    dtype: np.dtype[np.generic]
    count: int
    line: int
    content: bytearray = field(default_factory=bytearray)

    @property
    def held(self) -> int:
        return len(self.content) // self.dtype.itemsize


def read(path: Path, text: str) -> list[Found]:
    """Every dump in the order of the log.

    Raises:
        InputError: a line is damaged, or one is lost.
    """
    dumps: list[_Dump] = []
    for number, line in enumerate(text.splitlines(), 1):
        place = line.find(MARK)
        if place >= 0:
            _take(path, number, line[place:].rstrip(), dumps)
    for dump in dumps:
        _check_whole(path, dump)
    return [
        Found(
            dump.name,
            f"{path}, line {dump.line}",
            np.frombuffer(bytes(dump.content), dump.dtype.newbyteorder("<")),
        )
        for dump in dumps
    ]


def _take(path: Path, number: int, line: str, dumps: list[_Dump]) -> None:
    found = _LINE.match(line)
    name = line.split(":")[1]
    if not found or zlib.crc32(line[: found.end() - 9].encode()) != int(found["crc"], 16):
        raise InputError(
            f"{path}: line {number}, of {name[:40]!r}, is damaged: its checksum is not that of its "
            "values; was something printed in between, or a byte lost? Log again"
        )
    if found["type"] not in _TYPES:
        raise InputError(f"{path}: line {number}: {found['type']!r} is no type of {_TYPES}")
    dtype, start, count = np.dtype(found["type"]), int(found["start"]), int(found["count"])
    if start == 0:
        dumps.append(_Dump(name, dtype, count, number))
    same = [dump for dump in dumps if dump.name == name]
    if not same or (same[-1].dtype, same[-1].count) != (dtype, count) or same[-1].held != start:
        held = same[-1].held if same else 0
        raise InputError(
            f"{path}: line {number} has values of {name!r} from {start} on, and there are {held} "
            "before: lines are lost; log again, slower"
        )
    same[-1].content += bytes.fromhex(found["hex"])


def _check_whole(path: Path, dump: _Dump) -> None:
    if len(dump.content) != dump.count * dump.dtype.itemsize:
        raise InputError(
            f"{path}: {dump.name!r}, from line {dump.line} on, has {dump.held} of {dump.count} "
            "values: the log is cut short; log again to its end"
        )
