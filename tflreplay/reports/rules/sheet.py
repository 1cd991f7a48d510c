"""A model's rule sheet: a table for people, and JSON with every number for programs.

In the JSON, arrays of multipliers hold one for the tensor or one for each channel, the index of the
output's last axis. Weights are not repeated: a constant tensor's index says where they are in the
model. What does not apply or is not known is null.
"""

from __future__ import annotations

import importlib
import inspect
import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tabulate import tabulate

from tflreplay import __version__
from tflreplay.ground.engine import Engine
from tflreplay.ground.files import check_files, write_files
from tflreplay.ground.rounding import RULES, Array, Multiplier, Rule, VectorRule
from tflreplay.ground.words import printable, short
from tflreplay.judgement.measured import assumed_ops
from tflreplay.model import Model, Tensor
from tflreplay.ops import card
from tflreplay.tools.rules import LayerRules, Range, Requantization

# 1: the first.
FORMAT_VERSION = 1
_WIDTH = 100
_COLUMNS = (
    "#",
    "op",
    "rule",
    "multiplier",
    "shift",
    "zp",
    "clamp",
    "acc seen",
    "bits",
    "saturated",
)
# Left out, in this order, where the table would be wider than 100 columns.
_DISPENSABLE = ("multiplier", "clamp")
_LEGEND = """\
bits: the narrowest accumulator for what was seen / for the layer's worst input
saturated: outputs that the clamp cuts off, low / high"""


def render(layers: Sequence[LayerRules]) -> str:
    """The table, in at most 100 columns."""
    rows = [_row(layer) for layer in layers]
    for dropped in range(len(_DISPENSABLE) + 1):
        keep = [i for i, name in enumerate(_COLUMNS) if name not in _DISPENSABLE[:dropped]]
        text = tabulate(
            [[row[i] for i in keep] for row in rows],
            [_COLUMNS[i] for i in keep],
            "simple",
            colalign=["left" if _COLUMNS[i] in ("op", "rule") else "right" for i in keep],
            disable_numparse=True,
        )
        if max(map(len, text.splitlines())) <= _WIDTH:
            break
    reasons = [
        f"Not replayed: #{layer.op.index}: {printable(layer.reason)}"
        for layer in layers
        if layer.reason
    ]
    return "\n\n".join([text, *reasons, _LEGEND])


def _row(layer: LayerRules) -> tuple[str, ...]:
    row, found = layer.row, layer.requantization
    how = (row.rule or row.algorithm) if row is not None else "-"
    title = (str(layer.op.index), short(layer.op.name, 17), short(how, 16))
    if found is None:
        return (*title, *("-",) * 7)
    seen, worst, cut = found.seen, found.worst, found.saturation
    return (
        *title,
        _span(found.multiplier.real, "{:.2g}"),
        _span(found.multiplier.shift, "{}"),
        str(found.zero_point),
        f"{found.low}..{found.high}",
        f"{_compact(seen.low)}..{_compact(seen.high)}" if seen is not None else "-",
        f"{seen.bits if seen is not None else '-'}/{worst.bits if worst is not None else '-'}",
        f"{cut.low}/{cut.high}" if cut is not None else "-",
    )


def _span(values: Array, form: str) -> str:
    low, high = form.format(values.min()), form.format(values.max())
    return low if low == high else f"{low}..{high}"


def _compact(value: int) -> str:
    """``-9999``, ``-114k``, ``79M``."""
    for unit, name in ((10**6, "M"), (10**3, "k")):
        if abs(value) >= 10 * unit:
            return f"{round(value / unit)}{name}"
    return str(value)


def document(
    model: Model, layers: Sequence[LayerRules], engine: Engine, inputs: Sequence[str]
) -> dict[str, Any]:
    """The sheet as plain dicts, lists, strings and numbers. ``inputs``: a sentence on each."""
    return {
        "format_version": FORMAT_VERSION,
        "tflreplay_version": __version__,
        "model": {"path": str(model.path), "sha256": model.sha256},
        "engine": {
            "name": engine.name,
            "runtime": engine.runtime,
            "version": engine.version,
            "machine": str(engine.machine),
            "profile": None if engine.profile is None else engine.profile.name,
            "assumed": [op.index for op in assumed_ops(model, engine)],
        },
        "inputs": list(inputs),
        "layers": [_layer(layer) for layer in layers],
    }


def check(path: Path, overwrite: bool = False) -> None:
    """Raise the :class:`OutputError` of a file that :func:`write` would refuse to replace."""
    check_files(path.parent, [path.name], overwrite)


def write(sheet: dict[str, Any], path: Path, overwrite: bool = False) -> None:
    """Write what :func:`document` gives.

    Raises:
        OutputError: the file exists and ``overwrite`` is not set, or it cannot be written.
    """
    text = json.dumps(sheet, separators=(",", ":"), allow_nan=False)
    fill: Callable[[Path], Any] = lambda scratch: (scratch / path.name).write_text(text, "ascii")  # noqa: E731
    write_files(path.parent, [path.name], fill, overwrite)


def _layer(layer: LayerRules) -> dict[str, Any]:
    row, left_shift = layer.row, 0
    shifted = card(layer.op.name).left_shift
    if shifted is not None and layer.inputs[0] is not None:
        left_shift = shifted(layer.inputs[0])
    return {
        "op_index": layer.op.index,
        "op": layer.op.name,
        "version": layer.op.version,
        "options": dict(layer.op.options),
        "inputs": [_tensor(tensor) if tensor is not None else None for tensor in layer.inputs],
        "outputs": [_tensor(tensor) for tensor in layer.outputs],
        "rule": _rule(RULES[row.rule]) if row is not None and row.rule else None,
        "algorithm": (row.algorithm or None) if row is not None else None,
        "formula": formula(row.kernel) if row is not None else None,
        "multiplier_precision": (str(row.multiplier) or None) if row is not None else None,
        "activation_bounds": str(row.clamp) if row is not None and row.rule else None,
        "source": row.source if row is not None else None,
        "windows": None
        if layer.windows is None
        else {name: asdict(w) for name, w in zip(("rows", "columns"), layer.windows, strict=True)},
        "requantization": _requantization(layer.requantization),
        "rescales": [
            {"left_shift": left_shift if position < 2 else 0, **_multiplier(multiplier)}
            for position, multiplier in enumerate(layer.rescales)
        ],
        "factors": list(layer.factors),
        "table": layer.table.tolist() if layer.table is not None else None,
        "reason": layer.reason or None,
    }


def _tensor(tensor: Tensor) -> dict[str, Any]:
    found = tensor.quantization
    return {
        "tensor": tensor.index,
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype,
        "constant": tensor.is_constant,
        "quantization": None
        if found is None
        else {
            "axis": found.axis if found.per_axis else None,
            "scales": _reals(found.scale),
            "zero_points": found.zero_point.tolist(),
        },
    }


def _rule(rule: Rule) -> dict[str, Any]:
    """``vector`` is null, or says which elements of each loop the rule in words is for."""
    vector = None
    if isinstance(rule, VectorRule):
        vector = {
            "width": rule.width,
            "loop": "the whole output" if rule.flat else "the last axis",
            "remainder": first_paragraph(rule.tail.apply),
        }
    return {"name": rule.name, "words": first_paragraph(rule.apply), "vector": vector}


def _requantization(found: Requantization | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        **_multiplier(found.multiplier),
        "zero_point": found.zero_point,
        "clamp": [found.low, found.high],
        "cuts": list(found.cuts),
        "accumulator": {"seen": _range(found.seen), "worst_case": _range(found.worst)},
        "saturation": asdict(found.saturation) if found.saturation is not None else None,
    }


def _multiplier(multiplier: Multiplier) -> dict[str, Any]:
    return {
        "real_multiplier": _reals(multiplier.real),
        "quantized_multiplier": multiplier.mantissa.reshape(-1).tolist(),
        "shift": multiplier.shift.reshape(-1).tolist(),
    }


def _range(found: Range | None) -> dict[str, int] | None:
    return {**asdict(found), "bits": found.bits} if found is not None else None


def _reals(values: Array) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values.reshape(-1).tolist()]


def formula(kernel: Callable[..., Any]) -> str:
    """What a kernel computes, and where that names other functions, what those compute."""
    told: dict[str, str] = {}
    _tell(kernel, told)
    (_, first), *others = told.items()
    return " ".join([first, *(f"`{name}`: {text}" for name, text in others)])


def _tell(function: Callable[..., Any], told: dict[str, str]) -> None:
    text = first_paragraph(function)
    told[function.__name__] = _REFERENCE.sub(lambda found: f"`{found['name']}`", text)
    for found in _REFERENCE.finditer(text):
        if found["name"] not in told:
            module = found["module"].rstrip(".") or function.__module__
            _tell(getattr(importlib.import_module(module), found["name"]), told)


# Of another function, in a docstring.
_REFERENCE = re.compile(r":func:`~?(?P<module>(?:\w+\.)*)(?P<name>\w+)`")


def first_paragraph(function: Callable[..., Any]) -> str:
    """Of its docstring, in one line: what a rule or a kernel does, in words."""
    return " ".join((inspect.getdoc(function) or "").split("\n\n")[0].split()).replace("``", "`")
