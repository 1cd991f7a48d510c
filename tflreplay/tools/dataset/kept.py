"""What a dataset came to so far, in a file, for a run to go on from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from tflreplay.ground.errors import InputError
from tflreplay.ground.fields import Fields, WrongField
from tflreplay.judgement.comparison import Comparison, LayerDiff
from tflreplay.judgement.dataset import Classes, InputResult, Part
from tflreplay.judgement.difference import Channels, Difference
from tflreplay.judgement.suspects import Known, Suspects
from tflreplay.model import Model

NAME = "dataset-so-far.json"
FORMAT_VERSION = 1
_SIDES = ("isolated", "chained", "stretch")
_COUNTS = (
    "elements", "mismatches", "plus_one", "minus_one", "max_abs", "total", "close", "tolerance",
    "signs", "share",
)  # fmt: skip
_FACTS = ("channel_axis", "rule", "reason", "origin", "absent", "inputs", "lacking")


def keep(part: Part, about: Mapping[str, str], path: Path) -> None:
    """Write ``part``, and ``about``, what it is of; what was there before is replaced.

    Raises:
        OSError: it cannot be written.
    """
    document = {
        "format_version": FORMAT_VERSION,
        "about": dict(about),
        "layers": [_layer(layer) for layer in part.comparison.layers],
        "inputs": [_input(one) for one in part.inputs],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}")
    scratch.write_text(json.dumps(document, separators=(",", ":")), encoding="ascii")
    scratch.replace(path)


def kept(path: Path, about: Mapping[str, str], model: Model) -> Part:
    """What :func:`keep` wrote.

    Raises:
        InputError: it cannot be read, or is of another run than ``about``.
    """
    try:
        found = Fields(json.loads(path.read_bytes()))
        theirs = found.get("about", dict)
        if found.get("format_version", int) != FORMAT_VERSION:
            raise WrongField("another format_version")
        other = [name for name, text in about.items() if theirs.get(name) != text]
        if other:
            raise InputError(
                f"{path}: kept of a run with another {', another '.join(other)}; give the same as "
                "then, or leave out --resume"
            )
        return Part(
            Comparison(tuple(_to_layer(each, model) for each in found.get("layers", list))),
            tuple(map(_to_input, found.get("inputs", list))),
        )
    except OSError as error:
        raise InputError(
            f"{path}: cannot go on from it: {error.strerror}; give the --out of a run over a "
            "dataset that was interrupted"
        ) from None
    except (WrongField, ValueError, KeyError, TypeError, IndexError) as error:
        raise InputError(f"{path}: damaged ({error}); leave out --resume") from None


def _layer(layer: LayerDiff) -> dict[str, Any]:
    sides = {side: _difference(getattr(layer, side)) for side in _SIDES}
    if layer.chained is layer.isolated:
        sides["chained"] = "isolated"
    return {
        "op_index": layer.op_index,
        "tensor": layer.tensor.index,
        "shape": layer.shape,
        "suspects": layer.suspects.ops,
        "since": layer.suspects.since,
        **{name: getattr(layer, name) for name in _FACTS},
        **sides,
    }


def _to_layer(found: dict[str, Any], model: Model) -> LayerDiff:
    isolated = _to_difference(found["isolated"])
    chained = found["chained"]
    return LayerDiff(
        op_index=found["op_index"],
        op=model.main.operators[found["op_index"]].name,
        tensor=model.main.tensors[found["tensor"]],
        shape=tuple(found["shape"]),
        isolated=isolated,
        chained=isolated if chained == "isolated" else _to_difference(chained),
        stretch=_to_difference(found["stretch"]),
        suspects=Suspects(
            tuple(found["suspects"]), tuple(Known(tensor, op) for tensor, op in found["since"])
        ),
        **{name: found[name] for name in _FACTS},
    )


def _difference(diff: Difference | None) -> Any:
    if diff is None:
        return None
    return {
        **{name: getattr(diff, name) for name in _COUNTS},
        "histogram": list(diff.histogram.items()),
        "channels": [getattr(diff.channels, each.name).tolist() for each in fields(Channels)],
        "channel_histogram": diff.channel_histogram.tolist(),
    }


def _to_difference(found: Any) -> Difference | None:
    if found is None:
        return None
    return Difference(
        **{name: found[name] for name in _COUNTS},
        histogram=dict(found["histogram"]),
        channels=Channels(*(np.array(values) for values in found["channels"])),
        channel_histogram=_rows(found["channel_histogram"], 3),
    )


def _input(one: InputResult) -> dict[str, Any]:
    classes = one.classes
    return {
        **{each.name: getattr(one, each.name) for each in fields(InputResult)},
        "made": one.made.tolist(),
        "chained": one.chained.tolist(),
        "classes": classes and [classes.ours, classes.theirs, classes.label],
    }


def _to_input(found: dict[str, Any]) -> InputResult:
    ours, theirs, label = found["classes"] or ((), (), None)
    made = InputResult(**found)
    return replace(
        made,
        made=_rows(found["made"], 2),
        chained=_rows(found["chained"], 2),
        classes=Classes(tuple(ours), tuple(theirs), label) if found["classes"] else None,
    )


def _rows(found: list[Any], columns: int) -> np.ndarray[Any, Any]:
    return np.array(found, np.int64).reshape(-1, columns)
