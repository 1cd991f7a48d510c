"""What tells the candidates of a layer apart, in words and as test vectors."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from tflreplay.ground.files import check_files, write_files
from tflreplay.ground.rounding import Array
from tflreplay.ground.words import shape_text
from tflreplay.judgement.measured import arithmetic
from tflreplay.tools.discriminate import Separation

_WIDTH = 96
_NAME_WIDTH = 56
_NOT_RUN = (
    "The engine runs on devices only. Save the inputs (--output FILE.npz), run the layer on them "
    "there, and see which candidate's outputs it gives."
)


def render(found: Separation, answers: Array | None) -> str:
    """Candidates with their evidence, those that stay alike, and the one that the engine computes.

    ``answers`` are the engine's outputs on the vectors; None where it cannot be run here.
    """
    own, *others = found.names
    engine, outputs = found.engine, found.outputs[own]
    head = (
        f"op {found.op.index} {found.op.name}, {arithmetic(engine)}: "
        f"{len(outputs)} inputs on which the candidates give different codes in "
        f"{found.discriminating:,} of {outputs.size:,} outputs "
        f"({shape_text(outputs.shape[1:])} each)"
    )
    parts = [_wrapped(head)]
    if found.accumulators is not None:
        parts.append(
            _wrapped(
                f"{len(found.accumulators):,} accumulators on which they differ, of "
                f"{found.accumulators.tried:,} looked at next to a rounding boundary"
            )
        )
    rows = [
        (
            textwrap.shorten(name, _NAME_WIDTH, placeholder=" ..."),
            f"{found.differing(own, name):,}",
            *([] if answers is None else [f"{np.count_nonzero(found.outputs[name] != answers):,}"]),
        )
        for name in (own, *others)
    ]
    heads = ["candidate", f"unlike {own}"[:30], "unlike the engine"][: len(rows[0])]
    aligned = ("left", "right", "right")[: len(heads)]
    parts.append(tabulate(rows, heads, "simple", colalign=aligned))
    parts += [_wrapped(f"No input tells apart: {'; '.join(group)}") for group in _alike(found)]
    parts.append(_wrapped(_NOT_RUN if answers is None else _conclusion(found, answers)))
    return "\n\n".join(parts)


def _alike(found: Separation) -> list[list[str]]:
    """Groups of candidates with equal outputs."""
    groups: dict[bytes, list[str]] = {}
    for name in found.names:
        groups.setdefault(found.outputs[name].tobytes(), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def _conclusion(found: Separation, answers: Array) -> str:
    fits = [name for name in found.names if np.array_equal(found.outputs[name], answers)]
    if not fits:
        return "The engine computes none of these."
    if not found.discriminating:
        return "Nothing found tells the candidates apart: here it does not matter which is meant."
    if len(fits) == 1:
        return f"The engine computes {fits[0]}; every other candidate is contradicted."
    return f"The engine computes one of: {'; '.join(fits)}."


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def check(path: Path, overwrite: bool = False) -> None:
    """Raise the OutputError of a file that :func:`write` would refuse to replace."""
    check_files(path.parent, (path.name,), overwrite)


def write(found: Separation, path: Path, overwrite: bool = False) -> None:
    """Save the vectors as ``.npz``.

    ``input_<tensor index>``: ``(vectors, *shape)``. ``candidates``: names. ``outputs``:
    ``(candidates, vectors, *shape)``. Where the op has accumulators: ``accumulator_candidates``,
    ``accumulator_channels`` and ``accumulators``, of one length, and ``accumulator_codes``:
    ``(candidates, accumulators)``.

    Raises:
        OutputError: the file exists and ``overwrite`` is not set, or cannot be written.
    """
    arrays: dict[str, Any] = {f"input_{index}": codes for index, codes in found.inputs.items()}
    arrays["candidates"] = np.array(found.names)
    arrays["outputs"] = np.stack([found.outputs[name] for name in found.names])
    if found.accumulators is not None:
        known = found.accumulators
        arrays["accumulator_candidates"] = np.array(list(known.codes))
        arrays["accumulator_channels"] = known.channels
        arrays["accumulators"] = known.values
        arrays["accumulator_codes"] = np.stack(list(known.codes.values()))

    def save(directory: Path) -> None:
        with open(directory / path.name, "wb") as file:
            np.savez_compressed(file, **arrays)

    write_files(path.parent, (path.name,), save, overwrite)
