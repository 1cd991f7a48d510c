"""Which source a user's kernels follow: a terminal table, and JSON."""

from __future__ import annotations

import json
from typing import Any

from tabulate import tabulate

from tflreplay import __version__
from tflreplay.ground.words import printable
from tflreplay.judgement.followed import Followed

# 1: the first.
FORMAT_VERSION = 1


def render(result: Followed) -> str:
    """The layers in which a kernel is not alike with every source; last, what each op follows."""
    told = [
        *(f"input: {note}" for note in result.inputs),
        *(f"note: {note}" for note in (*result.notes, *result.failures)),
    ]
    lines = [
        (str(layer.op_index), layer.op, f"{layer.elements:,}", *map(_count, layer.differing))
        for layer in result.layers
        if any(count != 0 for count in layer.differing)
    ]
    headers = ("#", "op", "elements", *map(printable, result.sources))
    align = ("right", "left", *["right"] * (len(headers) - 2))
    table = tabulate(lines, headers, disable_numparse=True, colalign=align) if lines else ""
    if table and (others := len(result.layers) - len(lines)):
        table += f"\n(in the other {others} nothing differs)"
    verdicts = [verdict(result, op) for op in result.kernels]
    return "\n".join(
        [*map(printable, told), *filter(None, (table,)), "", *map(printable, verdicts)]
    )


def verdict(result: Followed, op: str) -> str:
    """What the op's kernel follows, in a sentence."""
    layers, followed = len(result.layers_of(op)), result.followed(op)
    subject = f"{result.kernels[op]}, {layers} layer{'s'[: layers != 1]} of {op}"
    apart = {source: result.apart(op, source) for source in result.sources}
    differ = ", ".join(f"{source} in {count}" for source, count in apart.items() if count)
    if followed:
        others = f"; it differs from {differ}" if differ else ""
        return f"FOLLOWS {', '.join(followed)}: {subject}, bit-exact{others}"
    if all(apart.values()):
        return f"FOLLOWS NONE: {subject}; it differs from {differ}"
    others = f"; it differs from {differ}" if differ else ""
    return f"INCOMPLETE: {subject}; not all of them could be compared{others}"


def dumps(result: Followed) -> str:
    """As JSON; ``differing`` is null where there was nothing to compare."""
    document: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "tflreplay_version": __version__,
        "model": {"path": str(result.model.path), "sha256": result.model.sha256},
        "inputs": list(result.inputs),
        "sources": list(result.sources),
        "notes": [*result.notes, *result.failures],
        "kernels": [
            {
                "op": op,
                "kernel": kernel,
                "follows": result.followed(op),
                "text": verdict(result, op),
            }
            for op, kernel in result.kernels.items()
        ],
        "layers": [
            {
                "op_index": layer.op_index,
                "op": layer.op,
                "tensor": layer.tensor.index,
                "elements": layer.elements,
                "differing": list(layer.differing),
            }
            for layer in result.layers
        ],
    }
    return json.dumps(document, separators=(",", ":"))


def _count(differing: int | None) -> str:
    return "-" if differing is None else f"{differing:,}"
