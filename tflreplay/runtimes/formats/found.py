"""An array as a file holds it, before anybody asked which tensor it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from tflreplay.ground.rounding import Array


class Kind(Enum):
    """How much of the values' type the file tells."""

    TYPED = "typed"  # all of it
    NUMBERS = "numbers"  # they are written in decimals: it is whatever holds them
    WORDS = "words"  # their bits, as unsigned integers as wide as they were written
    BYTES = "bytes"  # nothing: uint8, low byte first unless somebody says otherwise


@dataclass(frozen=True)
class Found:
    """One array.

    ``name`` is what the file calls it, empty where only the file has a name. ``where`` is its
    place, for messages. ``shaped`` is False where the file does not tell the shape; ``values``
    are then flat. ``step`` is the last decimal of numbers that were printed, 0 where they are as
    they were. ``notes`` tell what was done to read it.
    """

    name: str
    where: str
    values: Array = field(repr=False)
    kind: Kind = Kind.TYPED
    shaped: bool = False
    step: float = 0.0
    notes: tuple[str, ...] = ()
