"""What a run is held to: for each layer exact, or off by no more than so much.

Written as ``exact``, ``any`` (whatever it gives is fine), or conditions such as
``max_abs<=1, rate<=0.01`` that must all hold; or as a TOML file of such texts::

    default = "exact"            # the default

    [op]
    CONV_2D = "max_abs<=1, rate<=0.01"

    [layer]                      # by op index; it beats the op, which beats the default
    17 = "any"

Over a dataset, ``changed<=0`` beside other conditions, or ``changed = 0`` in the file, is of the
inputs whose class changes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import isinf
from pathlib import Path
from typing import Any

from tflreplay.ground.errors import InputError
from tflreplay.ground.words import short
from tflreplay.judgement.comparison import LayerDiff
from tflreplay.model import Model

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_CONDITION = re.compile(r"\s*(max_abs|rate)\s*<=\s*(\d+\.?\d*(?:[eE][-+]?\d+)?)\s*")
_FORMS = "write exact, any, or conditions such as max_abs<=1,rate<=0.01"
_TABLES = ("op", "layer")
_SHOWN = 60  # characters of a key in a message


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
    """What each layer is held to. ``source`` is the text, or the file, that they were read from.

    ``changed`` is in how many inputs of a dataset the class may change; None where it is not asked.
    """

    source: str
    default: Expectation = EXACT
    ops: Mapping[str, Expectation] = field(default_factory=dict)
    layers: Mapping[int, Expectation] = field(default_factory=dict)
    changed: int | None = None

    def of(self, layer: LayerDiff) -> Expectation:
        return self.layers.get(layer.op_index) or self.ops.get(layer.op) or self.default


def read_expectations(source: str, model: Model) -> Expectations:
    """Read what is expected of ``model`` from a text, or from a file whose name ends in ``.toml``.

    Raises:
        InputError: it cannot be read, or names an op or a layer that ``model`` does not have.
    """
    if not source.endswith(".toml"):
        of_layers, changed = _changed(source)
        return Expectations(source, _expectation(of_layers, "--expect"), changed=changed)
    document = _document(source)
    for key in document:
        if key not in ("default", "changed", *_TABLES):
            raise InputError(
                f"{source}: {key!r} is unknown; there are default, changed, [op] and [layer]"
            )
    changed = document.get("changed")
    if changed is not None and (type(changed) is not int or changed < 0):
        raise InputError(f"{source}: changed = {changed!r} is no number of inputs, from 0 on")
    op, layer = (document.get(name, {}) for name in _TABLES)
    for name, table in (("op", op), ("layer", layer)):
        if not isinstance(table, dict):
            raise InputError(f"{source}: {name} is not a table; write it below [{name}]")
    return Expectations(
        source,
        _expectation(document.get("default", EXACT.text), f"{source}: default"),
        {
            _op(name, model, source): _expectation(text, f"{source}: [op] {short(name, _SHOWN)}")
            for name, text in op.items()
        },
        {
            _layer(key, model, source): _expectation(text, f"{source}: [layer] {key}")
            for key, text in layer.items()
        },
        changed,
    )


def _changed(text: str) -> tuple[str, int | None]:
    """The conditions of layers, ``exact`` where there are none; and that of the classes."""
    parts = text.split(",")
    found = [part for part in parts if re.fullmatch(r"\s*changed\s*<=\s*\d+\s*", part)]
    if len(found) != 1:
        return text, None
    rest = ",".join(part for part in parts if part not in found)
    return rest or EXACT.text, int(found[0].partition("<=")[2])


def _document(source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(source).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{source}: cannot read what is expected: {error.strerror}; name a .toml file that is "
            f"there, or {_FORMS}"
        ) from None
    except (ValueError, RecursionError) as error:  # not TOML, or not UTF-8
        raise InputError(f"{source}: not valid TOML: {error}") from None


def _expectation(text: Any, where: str) -> Expectation:
    if text == EXACT.text:
        return EXACT
    if text == "any":
        return Expectation("any", {})
    if isinstance(text, dict):
        raise InputError(
            f"{where}: a table, which a key with a dot makes too, is not a text in quotes; the key "
            "of a layer is its op index, such as 17, and that of an op with a dot is in quotes"
        )
    if not isinstance(text, str):
        value = "an array" if isinstance(text, list) else repr(text)
        raise InputError(f"{where}: {value} is not a text in quotes; {_FORMS}")
    limits: dict[str, float] = {}
    for part in text.split(","):
        found = _CONDITION.fullmatch(part)
        if found is None:
            raise InputError(f"{where}: {part.strip()!r} is no condition; {_FORMS}")
        name, top = found[1], float(found[2])
        if isinf(top):
            raise InputError(f"{where}: {text}: {name} is not finite; write any for no limit")
        if name in limits:
            raise InputError(f"{where}: {text}: {name} is given twice")
        if name == "rate" and top > 1:
            raise InputError(f"{where}: {text}: rate is a share of the elements, from 0 to 1")
        limits[name] = top
    return Expectation(text, limits)


def _op(name: str, model: Model, source: str) -> str:
    known = sorted({op.name for op in model.main.operators})
    if name not in known:
        close = get_close_matches(name.upper(), known, 1)
        hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(known) or 'none'}"
        raise InputError(f"{source}: [op] {short(name, _SHOWN)}: the model has no such op; {hint}")
    return name


def _layer(key: str, model: Model, source: str) -> int:
    count = len(model.main.operators)
    known = {str(index): index for index in range(count)}
    if key not in known:
        has = f"0 to {count - 1}" if count else "none"
        raise InputError(
            f"{source}: [layer] {short(key, _SHOWN)}: there is no such layer; the key is an op "
            f"index, and the model has layers {has}"
        )
    return known[key]
