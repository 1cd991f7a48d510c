"""The README of a port kit: what a bug report needs to say about the layer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from tabulate import tabulate

from tflreplay import __version__
from tflreplay.ground.words import printable
from tflreplay.model import Tensor
from tflreplay.reports.extract.text import against, environment, formula, rescaled
from tflreplay.reports.extract.vectors import tensors
from tflreplay.reports.markdown import code, text
from tflreplay.runtimes import RUNTIMES
from tflreplay.runtimes.running import arena
from tflreplay.tools.extract import PortKit

Row = tuple[str, ...]
_TENSOR: Row = ("tensor", "in the model", "type", "shape", "scale", "zero point")


def render(
    kit: PortKit, layer: Mapping[str, Any], activations: Sequence[str], arrays: Sequence[str]
) -> str:
    """The README's text.

    Args:
        layer: as in :mod:`tflreplay.reports.rules.sheet`.
        activations: the inputs and outputs, which are there as .npy.
        arrays: what is there as .hex.
    """
    inputs = list(activations[: len(kit.inputs)])
    several = len(inputs) > 1
    engine = kit.engine
    runtime = RUNTIMES[engine.runtime]
    return (
        environment()
        .get_template("port_kit.md.j2")
        .render(
            kit=kit,
            layer=layer,
            name=f"op{kit.op.index}",
            against=against(kit),
            summary=summary(kit),
            runtime=runtime,
            resolver=runtime.engines[engine.name],
            inputs=inputs,
            outputs=list(activations[len(inputs) :]),
            arena=arena(kit.model),
            feed="".join(f" --input {f'{x}=' if several else ''}{x}.npy" for x in inputs),
            arrays=arrays,
            formula=formula(layer),
            tensors=_table(
                ("tensor", "in the model", "type", "shape", "scale", "zero point"), _rows(kit)
            ),
            options=_table(("option", "value"), _options(layer["options"])),
            arithmetic=_table(("", ""), _arithmetic(kit, layer)),
            multipliers=_multipliers(layer),
            origin=_table(("", ""), _origin(kit)),
        )
    )


def summary(kit: PortKit) -> str:
    """What running the op by itself showed, in one sentence."""
    where = f"op {kit.op.index} {kit.op.name}, run by itself in {against(kit)}"
    found = [difference for difference in kit.alone.values() if difference is not None]
    if len(found) < len(kit.alone):
        return printable(f"{where}: not compared: {kit.failure}")
    elements = sum(difference.elements for difference in found)
    mismatches = sum(difference.mismatches for difference in found)
    largest = max((difference.max_abs for difference in found), default=0)
    return printable(
        f"{where}: {mismatches:,} of {elements:,} elements differ, max_abs {largest:g}"
    )


def _table(head: Row, rows: Iterable[Row]) -> str:
    return tabulate(list(rows), head, "pipe", disable_numparse=True)


def _rows(kit: PortKit) -> Iterator[Row]:
    for tensor, _ in tensors(kit):
        shape = " x ".join(map(str, tensor.shape)) or "scalar"
        name = code(kit.names[tensor.index])
        yield f"`{tensor.name}`", name, tensor.dtype, shape, *_quantization(tensor)


def _quantization(tensor: Tensor) -> Row:
    found = tensor.quantization
    if found is None:
        return "", ""
    if not found.per_axis:
        return str(found.scale[0]), str(found.zero_point[0])
    zeros = _span(found.zero_point)
    return f"{_span(found.scale)}, {found.scale.size} along axis {found.axis}", zeros


def _options(options: Mapping[str, Any]) -> Iterator[Row]:
    for name, value in options.items():
        yield f"`{name}`", code(str(value))


def _arithmetic(kit: PortKit, layer: Mapping[str, Any]) -> Iterator[Row]:
    rule = layer["rule"]
    if rule is not None:
        yield "rule", f"`{rule['name']}`. {_cell(rule['words'])}"
        vector = rule["vector"]
        if vector is not None:
            yield (
                "where",
                (
                    f"in whole vectors of {vector['width']} along {vector['loop']}; "
                    f"the remainder: {_cell(vector['remainder'])}"
                ),
            )
    for title, key in (
        ("algorithm", "algorithm"),
        ("formula", "formula"),
        ("real multiplier", "multiplier_precision"),
        ("bounds of the fused activation", "activation_bounds"),
        ("the engine's source", "source"),
    ):
        if layer[key]:
            yield title, _cell(layer[key])
    if layer["factors"]:
        yield "factors ma, mb", ", ".join(map(str, layer["factors"]))
    if layer["windows"] is not None:
        rows, columns = layer["windows"]["rows"], layer["windows"]["columns"]
        yield (
            "padding",
            (
                f"{rows['before']} above, {rows['after']} below, "
                f"{columns['before']} left, {columns['after']} right"
            ),
        )
    bounds = kit.rules.clamp
    if bounds is not None:
        yield "activation range", f"{bounds[0]} to {bounds[1]}"
    found = layer["requantization"]
    if found is not None:
        seen, worst = found["accumulator"]["seen"], found["accumulator"]["worst_case"]
        for title, span in (("accumulator seen", seen), ("its worst case", worst)):
            if span is not None:
                yield title, f"{span['low']} to {span['high']}, {span['bits']} bits"
        cut = found["saturation"]
        if cut is not None:
            yield "outputs cut off", f"{cut['low']} low, {cut['high']} high of {cut['elements']}"


def _multipliers(layer: Mapping[str, Any]) -> str:
    """What the rule is handed: for each input that is rescaled, then for the output."""
    found = layer["requantization"]
    handed = []
    for position, (of, rescale) in enumerate(zip(rescaled(layer), layer["rescales"], strict=True)):
        shifted = rescale["left_shift"]
        first = f", shifted left by {shifted} first" if shifted else ""
        handed.append((f"`rescale_{position}`: {of}{first}", rescale))
    if found is not None:
        handed.append(("`multiplier`, `shift`: output", found))
    keys = ("real_multiplier", "quantized_multiplier", "shift")
    return _table(
        ("", *(key.replace("_", " ") for key in keys)),
        ((title, *(_span(np.array(numbers[key])) for key in keys)) for title, numbers in handed),
    )


def _span(values: Any) -> str:
    low, high = values.min(), values.max()
    return str(low) if low == high else f"{low!s} to {high!s}"


def _cell(text: str) -> str:
    return printable(text).replace("|", "\\|")


def _origin(kit: PortKit) -> Iterator[Row]:
    engine = kit.engine
    yield "model", f"{code(kit.source.path.name)}, sha256 `{kit.source.sha256}`"
    yield "layer", f"op {kit.op.index} {code(kit.op.name)}, version {kit.op.version}"
    yield "captured from", f"{against(kit)}, {engine.threads} thread, {engine.machine}"
    for note in kit.notes:
        yield "input", text(note)
    for note in filter(None, (kit.captured.note, kit.captured.failure)):
        yield "note", text(note)
    yield "written by", f"tflreplay {__version__}"
