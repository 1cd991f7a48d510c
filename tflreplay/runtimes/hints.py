"""What somebody says of the arrays in a file: ``--layout``, and a mapping file, ``--map``.

A mapping file is TOML. It has an entry for an array, by the name that its file gives it or the name
of the file; ``*`` stands for all others. An entry is the tensor that it is, or all of::

    "conv1.bin" = "op 5"
    "pool" = "ops 3 to 5"
    "logits" = {tensor = "StatefulPartitionedCall:0", layout = "NCHW", type = "float32"}
    "*" = {values = "real"}
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from tflreplay.ground.errors import InputError
from tflreplay.runtimes.layouts import LAYOUTS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

VALUES = ("codes", "unsigned", "real")


@dataclass(frozen=True)
class Hint:
    """Of one array; what is empty was not said.

    ``type`` is numpy's name of what raw bytes or hex words hold, ``>i2`` for one with the high byte
    first. ``values`` are ``codes``, ``unsigned`` (codes whose bits are written as an unsigned
    number) or ``real``.
    """

    tensor: str = ""
    layout: str = ""
    type: str = ""
    values: str = ""


NO_HINT = Hint()


@dataclass(frozen=True)
class Hints:
    """Of all arrays. ``layout`` is for those of which ``entries`` say none."""

    entries: Mapping[str, Hint] = field(default_factory=dict)
    layout: str = ""

    def of(self, name: str, file: str) -> Hint:
        """What is said of the array ``name`` of ``file``."""
        rest = replace(self.entries.get("*", NO_HINT), tensor="")
        found = self.entries.get(name) or self.entries.get(file) or rest
        return replace(found, layout=found.layout or self.layout)


NO_HINTS = Hints()


def read_hints(layout: str | None = None, path: Path | None = None) -> Hints:
    """
    Raises:
        InputError: the file cannot be read, or an entry says something else than it may.
    """
    if path is None:
        return Hints(layout=layout or "")
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot read it: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a TOML file: {error}") from None
    return Hints({name: _hint(path, name, said) for name, said in document.items()}, layout or "")


def _hint(path: Path, name: str, said: Any) -> Hint:
    if isinstance(said, str | int) and not isinstance(said, bool):
        return Hint(tensor=str(said))
    known = [each.name for each in fields(Hint)]
    if not isinstance(said, dict) or not set(said) <= set(known):
        raise InputError(
            f'{path}: {name!r}: give the tensor that it is, such as "op 5", or a table of '
            f"{', '.join(known)}"
        )
    found = Hint(**{key: str(value) for key, value in said.items()})
    for key, value, allowed in (
        ("layout", found.layout, LAYOUTS),
        ("values", found.values, VALUES),
    ):
        if value and value not in allowed:
            raise InputError(f"{path}: {name!r}: {key} {value!r} is none of {', '.join(allowed)}")
    if found.type:
        try:
            known_type = np.dtype(found.type).kind in "biuf"
        except (TypeError, ValueError, SyntaxError):
            known_type = False
        if not known_type:
            raise InputError(
                f"{path}: {name!r}: {found.type!r} is no type of numbers; give one such as int32, "
                "float32, or >i2 with the high byte first"
            )
    return found
