"""Multipliers as terminal text, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import textwrap
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from tabulate import tabulate

from tflreplay import __version__
from tflreplay.ground.conventions import CONVENTIONS
from tflreplay.ground.errors import OutputError
from tflreplay.ground.files import check_files, write_files
from tflreplay.ground.rounding import RULES
from tflreplay.ground.words import few
from tflreplay.judgement.measured import arithmetic
from tflreplay.reports.rules.sheet import first_paragraph
from tflreplay.tools.multiplier import Multipliers, Reading, Stated
from tflreplay.tools.rules import LayerRules

# 1: the first.
FORMAT_VERSION = 1
_WIDTH = 96
_INDENT = 12


def render(found: Multipliers) -> str:
    """What was asked, and what each convention is."""
    parts = []
    if found.layer is not None:
        parts.append(_of_op(found, found.layer))
    if found.stated:
        parts.append(_table(found.stated))
    if found.readings:
        parts += [_read_table(found.readings), _verdict(found)]
    if found.stated or found.readings:
        parts.append("\n".join(_conventions()))
    else:
        parts.append("These kernels have no multiplier of two integers.")
    return "\n\n".join(parts)


def _of_op(found: Multipliers, layer: LayerRules) -> str:
    assert found.engine is not None
    title = f"{layer.op.name} on {layer.outputs[0].dtype}, {arithmetic(found.engine)}"
    return "\n".join([title, *(_line(name, text) for name, text in _facts(layer) if text)])


def _facts(layer: LayerRules) -> Iterator[tuple[str, str]]:
    row = layer.row
    assert row is not None
    yield "multiplier", str(row.multiplier)
    rule = f"{row.rule}: {first_paragraph(RULES[row.rule].apply)}" if row.rule else ""
    yield "rule", rule
    yield "algorithm", row.algorithm
    yield "factors", ", ".join(map(str, layer.factors))
    yield "offsets", "; ".join(f"{name} {value} ({how})" for name, value, how in offsets(layer))
    yield "clamp", "" if layer.clamp is None else f"{layer.clamp[0]} .. {layer.clamp[1]}"
    yield "source", row.source


def offsets(layer: LayerRules) -> Iterator[tuple[str, int, str]]:
    """What ports call an offset: its name, its value, and which sign of the zero point it is."""
    activations = [t for t in layer.inputs if t is not None and not t.is_constant]
    for position, tensor in enumerate(activations, 1):
        number = str(position) if len(activations) > 1 else ""
        yield f"input{number}_offset", -tensor.zero_point, "minus the zero point"
    yield "output_offset", layer.outputs[0].zero_point, "the zero point"


def _line(name: str, text: str) -> str:
    first = f"  {name}".ljust(_INDENT + 2)
    return textwrap.fill(text, _WIDTH, initial_indent=first, subsequent_indent=" " * len(first))


def _table(stated: tuple[Stated, ...]) -> str:
    rows = []
    for one in stated:
        of = f"{one.of}, << {one.left_shift}" if one.left_shift else one.of
        for position, written in enumerate(one.written):
            numbers = (written.multiplier, written.shift) if written.held else ("none", "")
            off = _off(written.value, one.real) if written.held else ""
            real = repr(one.real) if not position else ""
            rows.append((of if not position else "", real, written.convention.name, *numbers, off))
    titles = ("of", "real multiplier", "convention", "multiplier", "shift", "off by")
    drop = 0 if any(one.of for one in stated) else 1
    return tabulate(
        [row[drop:] for row in rows],
        titles[drop:],
        "simple",
        colalign=("left", "left", "left", "right", "right", "right")[drop:],
        disable_numparse=True,
    )


def _off(value: Fraction, real: float) -> str:
    """How far what is written lies from the real multiplier, as a part of that."""
    off = value / Fraction(real) - 1
    return f"{float(off):+.1e}" if off else "exact"


def _read_table(readings: tuple[Reading, ...]) -> str:
    rows = []
    for reading in readings:
        written = reading.written
        value = repr(float(written.value)) if written.held else "out of its range"
        normalised = ("yes" if reading.normalised else "no") if written.held else ""
        rows.append((written.convention.name, value, normalised, _beside(reading)))
    first = readings[0].written
    titles = [f"{first.multiplier}, {first.shift} read as", "stands for", "normalised"]
    keep = 4 if any(reading.fits for reading in readings) else 3
    return tabulate(
        [row[:keep] for row in rows],
        [*titles, "beside that of the scales"][:keep],
        "simple",
        disable_numparse=True,
    )


def _beside(reading: Reading) -> str:
    if not reading.fits or not reading.written.held:
        return ""
    fitting = [fit for fit in reading.fits if fit.own or fit.near]
    if fitting:
        of = few([fit.of for fit in fitting if fit.of])
        how = "its own" if all(fit.own for fit in fitting) else "fits"
        return " ".join(filter(None, (how, of)))
    nearest = min(reading.fits, key=lambda fit: max(fit.times, 1 / fit.times))
    off = nearest.times - 1
    times = f"off by {off:+.1e}" if abs(off) < 1e-3 else f"{nearest.times:.6g} times"
    return " of ".join(filter(None, (times, nearest.of)))


def _verdict(found: Multipliers) -> str:
    """Which reading is right, where there are scales to say so."""
    first = found.readings[0].written
    given = f"{first.multiplier} and {first.shift}"
    if not found.stated:
        text = f"{given}: the scales would tell which reading is meant; give them, too."
        return textwrap.fill(text, _WIDTH)
    fitting = [
        reading
        for reading in found.readings
        if reading.written.held and any(fit.own or fit.near for fit in reading.fits)
    ]
    if not fitting:
        return textwrap.fill(f"{given} fit these scales in no convention.", _WIDTH)
    formulas = dict.fromkeys(reading.written.convention.formula for reading in fitting)
    text = f"{given} fit these scales as {' or '.join(formulas)}"
    if not any(reading.normalised for reading in fitting):
        widest = max(reading.written.convention.bits for reading in fitting)
        text += (
            f"; they are not normalised: {first.multiplier.bit_length()} bits of {widest} are used"
        )
    return textwrap.fill(f"{text}.", _WIDTH)


def _conventions() -> Iterator[str]:
    for one in CONVENTIONS:
        yield textwrap.fill(
            f"{one.name}: {one.formula}; {one.users}", _WIDTH, subsequent_indent="    "
        )


def document(found: Multipliers) -> dict[str, Any]:
    """Everything as plain dicts, lists, strings and numbers."""
    layer = found.layer
    return {
        "format_version": FORMAT_VERSION,
        "tflreplay_version": __version__,
        "engine": None if found.engine is None else arithmetic(found.engine),
        "op": None if layer is None else layer.op.name,
        "type": None if layer is None else layer.outputs[0].dtype,
        "rule": None if layer is None or layer.row is None else layer.row.rule or None,
        "offsets": {} if layer is None else {name: value for name, value, _ in offsets(layer)},
        "clamp": None if layer is None or layer.clamp is None else list(layer.clamp),
        "factors": [] if layer is None else list(layer.factors),
        "conventions": {
            one.name: {"formula": one.formula, "users": one.users, "source": one.source}
            for one in CONVENTIONS
        },
        "multipliers": [
            {
                "of": one.of or None,
                "real_multiplier": one.real,
                "left_shift": one.left_shift,
                "written": {
                    written.convention.name: {
                        "multiplier": written.multiplier,
                        "shift": written.shift,
                    }
                    if written.held
                    else None
                    for written in one.written
                },
            }
            for one in found.stated
        ],
        "readings": {
            reading.written.convention.name: _reading(reading) for reading in found.readings
        },
    }


def _reading(reading: Reading) -> dict[str, Any] | None:
    if not reading.written.held:
        return None
    return {
        "stands_for": float(reading.written.value),
        "normalised": reading.normalised,
        "fits": [
            {"of": fit.of or None, "own": fit.own, "near": fit.near, "times": fit.times}
            for fit in reading.fits
        ],
    }


def _csv(found: Multipliers) -> str:
    """A line for each multiplier in each convention."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(("of", "real_multiplier", "left_shift", "convention", "multiplier", "shift"))
    for one in found.stated:
        for written in one.written:
            numbers = (written.multiplier, written.shift) if written.held else ("", "")
            start = (one.of, repr(one.real), one.left_shift)
            lines.writerow((*start, written.convention.name, *numbers))
    return text.getvalue()


_TEXTS: dict[str, Callable[[Multipliers], str]] = {
    ".csv": _csv,
    ".json": lambda found: json.dumps(document(found), indent=1, allow_nan=False) + "\n",
}


def check(path: Path, overwrite: bool) -> None:
    """Raise the :class:`OutputError` of a file that :func:`write` would refuse."""
    if path.suffix.lower() not in _TEXTS:
        raise OutputError(f"{path}: give a name that ends in {' or '.join(_TEXTS)}")
    check_files(path.parent, [path.name], overwrite)


def write(found: Multipliers, path: Path, overwrite: bool) -> None:
    """The table as CSV, or everything as JSON, by the name of the file.

    Raises:
        OutputError: the file exists and ``overwrite`` is not set, or it cannot be written.
    """
    text = _TEXTS[path.suffix.lower()](found)

    def fill(scratch: Path) -> None:
        (scratch / path.name).write_text(text, "ascii")

    write_files(path.parent, [path.name], fill, overwrite)
