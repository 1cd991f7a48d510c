"""The fields of a JSON object, or a TOML table, from a file, which may hold anything."""

from __future__ import annotations

import sys
from collections.abc import Collection
from math import inf
from typing import Any, TypeVar

T = TypeVar("T")

_KINDS = {str: "a text", int: "a whole number", list: "a list", dict: "an object"}


class WrongField(Exception):
    """What is wrong, and where, in words."""


class Fields:
    """A JSON object, each of whose fields must be of the type that it is asked for.

    ``where`` is its place in the document. Every method raises :class:`WrongField`.
    """

    def __init__(self, value: Any, where: str = "") -> None:
        if not isinstance(value, dict):
            raise WrongField(f"{where or 'it'} is not an object")
        self._fields = value
        self._where = where

    def get(self, name: str, kind: type[T]) -> T:
        """A field of exactly this type: True is no number."""
        value = self._value(name)
        if type(value) is not kind:
            raise self.wrong(name, _KINDS[kind])
        return value

    def get_or(self, name: str, absent: T) -> T:
        """As :meth:`get`, or ``absent`` where an older file does not have the field."""
        return self.get(name, type(absent)) if name in self._fields else absent

    def count(self, name: str, top: int = sys.maxsize) -> int:
        """A whole number from 0 to ``top``."""
        value = self.get(name, int)
        if not 0 <= value <= top:
            raise self.wrong(name, f"from 0 to {top}")
        return value

    def size(self, name: str) -> float:
        """A number from 0 on; null stands for one that is not finite."""
        value = self._value(name)
        if value is None:
            return inf
        if type(value) not in (int, float) or not 0 <= value <= sys.float_info.max:
            raise self.wrong(name, "null or a finite number from 0 on")
        return float(value)

    def object(self, name: str) -> Fields:
        return Fields(self.get(name, dict), self._place(name))

    def object_or_none(self, name: str) -> Fields | None:
        """None for null."""
        return None if self._value(name) is None else self.object(name)

    def objects(self, name: str) -> list[Fields]:
        """A list of objects; empty where there is none."""
        found = self.get_or(name, list[Any]())
        return [Fields(each, f"{self._place(name)} {i}") for i, each in enumerate(found, 1)]

    def only(self, names: Collection[str]) -> None:
        """Refuse every other field."""
        for name in self._fields:
            if name not in names:
                raise WrongField(f"{self._place(name)} is unknown: use {', '.join(names)}")

    def texts(self, name: str) -> list[str]:
        found = self.get(name, list)
        if not all(isinstance(text, str) for text in found):
            raise self.wrong(name, "a list of texts")
        return found

    def texts_by_index(self, name: str) -> dict[int, str]:
        """An object of texts, whose keys are whole numbers."""
        found = self.get(name, dict)
        if not all(key.isdecimal() and isinstance(text, str) for key, text in found.items()):
            raise self.wrong(name, "an object of texts by index")
        return {int(key): text for key, text in found.items()}

    def wrong(self, name: str, wanted: str) -> WrongField:
        return WrongField(f"{self._place(name)} is not {wanted}")

    def _value(self, name: str) -> Any:
        if name not in self._fields:
            raise WrongField(f"{self._place(name)} is missing")
        return self._fields[name]

    def _place(self, name: str) -> str:
        return f"{self._where}.{name}" if self._where else name
