"""The accessors of the schema package, on files that may be damaged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np


class Bytes(bytes):
    """File content whose slices never come back short, as a plain bytes slice may.

    It also counts what is read: in a damaged file, many tables can share one huge vector.
    """

    def __init__(self, content: bytes):
        self.allowance = 8 * len(content)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            if not 0 <= key.start <= key.stop <= len(self):
                raise IndexError(f"bytes {key.start} to {key.stop} of a file of {len(self)}")
            self.spend(key.stop - key.start)
        return super().__getitem__(key)

    def spend(self, count: int) -> None:
        self.allowance -= count
        if self.allowance < 0:
            raise IndexError("its tables overlap")


def tables(table: Any, name: str) -> Iterator[Any]:
    get: Callable[[int], Any] = getattr(table, name)
    count = getattr(table, f"{name}Length")()
    table._tab.Bytes.spend(32 * count)  # four times what the smallest table takes
    return (get(i) for i in range(count))


def vector(table: Any, name: str) -> np.ndarray | None:
    array: np.ndarray | int = getattr(table, f"{name}AsNumpy")()
    if isinstance(array, int):  # 0 stands for a field that is not there
        return None
    table._tab.Bytes.spend(array.nbytes)
    return array


def numbers(table: Any, name: str) -> tuple[Any, ...]:
    array = vector(table, name)
    return () if array is None else tuple(array.tolist())


def text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", errors="replace")
