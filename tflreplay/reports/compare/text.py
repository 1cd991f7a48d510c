"""``agreement.csv`` and ``agreement.json``."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from tflreplay import __version__
from tflreplay.judgement.agreement import NOT_COMPARED, Agreement, LayerAgreement
from tflreplay.reports.compare.words import story

# 1: the first.
FORMAT_VERSION = 1
COLUMNS = ("op_index", "op", "tensor", "elements", "source_a", "source_b", "mismatches")


def csv_text(result: Agreement) -> str:
    """A row for each layer and each two sources; ``mismatches`` empty where not compared."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for layer in result.layers:
        for i, a in enumerate(result.sources):
            for j in range(i + 1, len(result.sources)):
                differ = int(layer.mismatches[i, j])
                writer.writerow(
                    (
                        layer.op_index,
                        layer.op,
                        layer.tensor.index,
                        layer.elements,
                        a,
                        result.sources[j],
                        "" if differ == NOT_COMPARED else differ,
                    )
                )
    return file.getvalue()


def dumps(result: Agreement) -> str:
    """The agreement as JSON; ``mismatches`` is a matrix, null where not compared."""

    def matrix(layer: LayerAgreement) -> list[list[int | None]]:
        return [
            [None if n == NOT_COMPARED else n for n in row] for row in layer.mismatches.tolist()
        ]

    document: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "tflreplay_version": __version__,
        "model": {"path": str(result.model.path), "sha256": result.model.sha256},
        "inputs": list(result.inputs),
        "command": result.command,
        "verdict": result.verdict,
        "sources": list(result.sources),
        "origins": list(result.origins),
        "machines": list(map(str, result.machines)),
        "notes": [*result.notes, *result.failures],
        "layers": [
            {
                "op_index": layer.op_index,
                "op": layer.op,
                "tensor": layer.tensor.index,
                "name": layer.tensor.name,
                "status": layer.status,
                "text": story(result, layer),
                "elements": layer.elements,
                "groups": [[result.sources[i] for i in group] for group in layer.groups],
                "mismatches": matrix(layer),
            }
            for layer in result.layers
        ],
    }
    return json.dumps(document, separators=(",", ":"))
