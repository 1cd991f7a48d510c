"""What a run is held to: for each layer exact, or off by no more than so much.

Written as ``exact``, ``any`` (whatever it gives is fine), or conditions such as
``max_abs<=1, rate<=0.01`` that must all hold; or as a TOML file of such texts::

    default = "exact"            # the default

    [op]
    CONV_2D = "max_abs<=1, rate<=0.01"

    [layer]                      # by op index; it beats the op, which beats the default
    17 = "any"
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from tflreplay.comparison import LayerDiff
from tflreplay.errors import InputError
from tflreplay.model import Model
from tflreplay.schema import BUILTIN_NAMES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_CONDITION = re.compile(r"\s*(max_abs|rate)\s*<=\s*(\d+\.?\d*(?:[eE][-+]?\d+)?)\s*")
_FORMS = "write exact, any, or conditions such as max_abs<=1,rate<=0.01"
_TABLES = ("op", "layer")


@dataclass(frozen=True)
class Expectation:
    """What one layer is held to: ``limits`` are upper bounds of a Difference's ``max_abs``, in
    codes or the real units of a floating-point output, and ``rate``, a share of the elements.

    Each is of the isolated difference, or of the chained one where only that was compared: what a
    layer inherits is not held against it. An exact layer meets them all.
    """

    text: str = "exact"
    limits: Mapping[str, float] = field(default_factory=lambda: {"rate": 0.0})

    def met_by(self, layer: LayerDiff) -> bool | None:
        """None where something is expected, and nothing was compared."""
        if not self.limits:
            return True
        if layer.main is None:
            return None
        diff = layer.main
        return diff.exact or all(getattr(diff, name) <= top for name, top in self.limits.items())


EXACT = Expectation()


@dataclass(frozen=True)
class Expectations:
    """What each layer is held to. ``source`` is the text, or the file, that they were read from."""

    source: str
    default: Expectation = EXACT
    ops: Mapping[str, Expectation] = field(default_factory=dict)
    layers: Mapping[int, Expectation] = field(default_factory=dict)

    def of(self, layer: LayerDiff) -> Expectation:
        return self.layers.get(layer.op_index) or self.ops.get(layer.op) or self.default


def read_expectations(source: str, model: Model) -> Expectations:
    """Read what is expected of ``model`` from a text, or from a file whose name ends in ``.toml``.

    Raises:
        InputError: it cannot be read, or names an op that does not exist or a layer that ``model``
            does not have.
    """
    if not source.endswith(".toml"):
        return Expectations(source, _expectation(source, "--expect"))
    document = _document(source)
    for key in document:
        if key not in ("default", *_TABLES):
            raise InputError(f"{source}: {key!r} is unknown; there are default, [op] and [layer]")
    op, layer = (document.get(name, {}) for name in _TABLES)
    for name, table in (("op", op), ("layer", layer)):
        if not isinstance(table, dict):
            raise InputError(f"{source}: {name} is not a table; write it below [{name}]")
    return Expectations(
        source,
        _expectation(document.get("default", EXACT.text), f"{source}: default"),
        {
            _op(name, model, source): _expectation(text, f"{source}: [op] {name}")
            for name, text in op.items()
        },
        {
            _layer(key, model, source): _expectation(text, f"{source}: [layer] {key}")
            for key, text in layer.items()
        },
    )


def _document(source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(source).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{source}: cannot read what is expected: {error.strerror}") from None
    except ValueError as error:  # not TOML, or not UTF-8
        raise InputError(f"{source}: not valid TOML: {error}") from None


def _expectation(text: Any, where: str) -> Expectation:
    if text == EXACT.text:
        return EXACT
    if text == "any":
        return Expectation("any", {})
    if not isinstance(text, str):
        raise InputError(f"{where}: {text!r} is not a text in quotes; {_FORMS}")
    limits: dict[str, float] = {}
    for part in text.split(","):
        found = _CONDITION.fullmatch(part)
        if found is None:
            raise InputError(f"{where}: {part.strip()!r} is no condition; {_FORMS}")
        name, top = found[1], float(found[2])
        if name in limits:
            raise InputError(f"{where}: {text}: {name} is given twice")
        if name == "rate" and top > 1:
            raise InputError(f"{where}: {text}: rate is a share of the elements, from 0 to 1")
        limits[name] = top
    return Expectation(text, limits)


def _op(name: str, model: Model, source: str) -> str:
    known = {*BUILTIN_NAMES.values(), *(op.name for op in model.main.operators)}
    if name not in known and not name.startswith("CUSTOM:"):
        close = get_close_matches(name.upper(), known, 1)
        hint = f"did you mean {close[0]}?" if close else "names are as in layers.csv"
        raise InputError(f"{source}: [op] {name}: there is no such op; {hint}")
    return name


def _layer(key: str, model: Model, source: str) -> int:
    count = len(model.main.operators)
    if not key.isdecimal() or int(key) >= count:
        raise InputError(
            f"{source}: [layer] {key}: there is no such layer; "
            f"the model has layers 0 to {count - 1}"
        )
    return int(key)
