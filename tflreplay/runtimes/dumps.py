"""A device's dump: arrays matched with tensors, and fitted; what is not certain is left out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tflreplay.ground.errors import InputError, NotReplayed
from tflreplay.ground.rounding import Array
from tflreplay.ground.words import few, series
from tflreplay.model import Model, Tensor
from tflreplay.runtimes import Capture
from tflreplay.runtimes.formats import Found
from tflreplay.runtimes.hints import Hint, Hints
from tflreplay.runtimes.layouts import also_channels_first
from tflreplay.runtimes.names import FORMS, Names
from tflreplay.runtimes.values import Misfit, Reading, as_dumped, fit

_Said = dict[str, list[str]]  # what is to be told, and of which arrays


@dataclass(frozen=True)
class _Match:
    """An array and the tensor that it is; ``reading`` is None where it does not fit."""

    name: str
    found: Found = field(repr=False)
    hint: Hint
    reading: Reading | None
    problem: str = ""


def dump(
    path: Path, model: Model, found: Sequence[Found], others: Sequence[str], hints: Hints
) -> Capture:
    """The tensors of a dump.

    Args:
        found: the arrays of the file or folder ``path``.
        others: files of the folder that hold no tensors.
        hints: what is known of the arrays.

    Returns:
        As :func:`tflreplay.runtimes.saved.load_source`.

    Raises:
        InputError: none of the arrays fits a tensor.
    """
    names = Names(model)
    said: _Said = defaultdict(list)
    matched, unsure = _matched(path, model, names, found, hints, said)
    tensors, left_out = _taken(model, matched, said)
    problems = [f"{few(arrays)}: {text}" for text, arrays in said.items()]
    if not tensors:
        raise InputError(_nothing(path, model, found, bool(matched), problems))
    problems += [f"{array.where}: {note}" for array in found for note in array.notes]
    if others:
        problems.append(f"not read: {few(others)}, which hold no tensors")
    called = {match.name for matches in matched.values() for match in matches}
    if unused := [name for name in hints.entries if name not in {*called, path.name, "*"}]:
        problems.append(f"the mapping's {few(unused)} is the name of no array here")
    absent = names.activations - tensors.keys()
    missing = dict.fromkeys(sorted(absent), f"not in {path.name}") | unsure | left_out
    return Capture(
        tensors=tensors,
        runtime=path.absolute().name,  # "." has none
        version="",
        engine="",
        threads=1,
        missing={index: why for index, why in missing.items() if index in absent},
        origin=dict.fromkeys(tensors, "file"),
        problems=tuple(problems),
        absent={
            index: "not read" if index in matched or index in unsure else "not dumped"
            for index in absent
        },
    )


def _matched(
    path: Path, model: Model, names: Names, found: Sequence[Found], hints: Hints, said: _Said
) -> tuple[dict[int, list[_Match]], dict[int, str]]:
    """The arrays of each tensor; and of the tensors that an array may be, whose name others have
    too, why they are missing."""
    matched: dict[int, list[_Match]] = defaultdict(list)
    unsure: dict[int, str] = {}
    for array in found:
        name = array.name or path.stem
        hint = hints.of(name, path.name if not path.is_dir() else "")
        named = names.find(hint.tensor or name)
        if named.index is None:
            told = f"left out: {named.problem}"
            said[told].append(name)
            unsure |= dict.fromkeys(named.unsure, f"{name}: {told}")
            continue
        if named.how:
            said[named.how].append(name)
        tensor = model.main.tensors[named.index]
        matched[named.index].append(_match(tensor, name, array, hint))
    return matched, unsure


def _taken(
    model: Model, matched: Mapping[int, list[_Match]], said: _Said
) -> tuple[dict[int, Array], dict[int, str]]:
    """The array of each tensor, and why there is none."""
    tensors: dict[int, Array] = {}
    left_out: dict[int, str] = {}
    channels_first = any(
        match.reading is not None and match.reading.hint.layout == "NCHW"
        for matches in matched.values()
        for match in matches
    )
    for index, matches in matched.items():
        tensor = model.main.tensors[index]
        match, problem = _one(tensor, matches, channels_first)
        name = _all_of(matches) if problem else match.name
        if match.reading is None or problem:
            told = f"left out: {problem or match.problem}"
            said[told].append(name)
            left_out[index] = f"{name}: {told}"
            continue
        for how in match.reading.how:
            said[how].append(name)
        if not tensor.is_constant:
            tensors[index] = match.reading.array
        elif told := _of_constant(tensor, match.reading.array):
            said[told].append(name)
    return tensors, left_out


def _match(tensor: Tensor, name: str, found: Found, hint: Hint) -> _Match:
    try:
        return _Match(name, found, hint, fit(tensor, found, hint, as_dumped))
    except Misfit as misfit:
        return _Match(name, found, hint, None, str(misfit))
    except NotReplayed:
        return _Match(name, found, hint, None, f"tensor {tensor.index} is {tensor.dtype}")


def _all_of(matches: Sequence[_Match]) -> str:
    """What they are called, or where that does not tell them apart, their places."""
    names = [each.name for each in matches]
    if len(set(names)) < len(names):
        names = [Path(each.found.where).name for each in matches]
    return series(names)


def _one(tensor: Tensor, matches: list[_Match], channels_first: bool) -> tuple[_Match, str]:
    """The array of a tensor, or why none of several is taken."""
    first = matches[0]
    same = [
        first.reading is not None
        and each.reading is not None
        and np.array_equal(first.reading.array, each.reading.array)
        for each in matches[1:]
    ]
    if not all(same):
        return first, f"all of them are called like tensor {tensor.index}"
    if (
        channels_first
        and not first.hint.layout
        and first.reading is not None
        and first.reading.hint.layout == "NHWC"
        and also_channels_first(tensor.shape, first.found.values)
    ):
        return first, (
            "may be NHWC, or NCHW as others are here: give --layout NCHW or "
            "--layout NHWC, or a layout for each in a file given to --map"
        )
    return first, ""


def _of_constant(tensor: Tensor, array: Array) -> str:
    """What a dump of a constant shows: nothing, where it is what the model has."""
    if tensor.data is None or array.shape != tensor.data.shape:
        return ""
    if wrong := int((array != tensor.data).sum()):
        counted = f"{wrong:,} of {array.size:,}"
        return f"constant tensor {tensor.label} of the model has other values, {counted}"
    return ""


def _nothing(
    path: Path, model: Model, found: Sequence[Found], matched: bool, problems: list[str]
) -> str:
    names = ", ".join(repr(array.name or path.stem) for array in found[:3])
    text = f"{path}: none of its {len(found)} arrays ({names}, ...) fits a tensor of {model.path}"
    told = "; ".join(dict.fromkeys(problems[:2]))
    if matched:
        return f"{text} ({told})"
    line = f'"{found[0].name or path.stem}" = "op 0"'
    return f"{text} ({told}); call each by {FORMS}, or say it in a file given to --map: {line}"
