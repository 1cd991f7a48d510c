"""Write the files of a port kit: all of them, or none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tflreplay.ground.files import check_files, write_files
from tflreplay.reports.extract import header, readme
from tflreplay.reports.extract.vectors import parameters, tensors
from tflreplay.reports.rules import sheet
from tflreplay.tools.extract import PortKit


def check(directory: Path, op_index: int, overwrite: bool = False) -> None:
    """Raise the :class:`OutputError` of a kit that :func:`write` would refuse to replace."""
    check_files(directory, _documents(op_index), overwrite)


def write(kit: PortKit, directory: str | Path, overwrite: bool = False) -> list[Path]:
    """Write the kit into ``directory``, which is created if it is missing.

    Returns:
        The paths of its files.

    Raises:
        OutputError: one of the files exists and ``overwrite`` is not set, or the directory cannot
            be written to; it then holds what it held before.
    """
    document = sheet.document(kit.model, [kit.rules], kit.engine, kit.notes)
    (layer,) = document["layers"]
    name_of = {tensor.index: tensor.name for tensor in kit.model.main.tensors}
    arrays = {name_of[i]: array for i, array in (*kit.inputs.items(), *kit.outputs.items())}
    values = [*(found for _, found in tensors(kit)), *parameters(layer)]
    texts = [
        readme.render(kit, layer, list(arrays), [found.name for found in values]),
        header.render(kit, layer),
        json.dumps(document, indent=1, allow_nan=False) + "\n",
    ]
    documents = _documents(kit.op.index)
    npy = [f"{name}.npy" for name in arrays]
    memory = [f"{found.name}.hex" for found in values]

    def fill(scratch: Path) -> None:
        (scratch / documents[0]).write_bytes(kit.model.content)
        for name, text in zip(documents[1:], texts, strict=True):
            (scratch / name).write_text(text, "utf-8", errors="backslashreplace")
        for name, array in zip(npy, arrays.values(), strict=True):
            np.save(scratch / name, array, allow_pickle=False)
        for name, found in zip(memory, values, strict=True):
            (scratch / name).write_text(found.hex, "ascii")

    return write_files(Path(directory), [*documents, *npy, *memory], fill, overwrite)


def _documents(op_index: int) -> tuple[str, ...]:
    """Files that every kit has."""
    return f"op{op_index}.tflite", "README.md", f"op{op_index}.h", "rules.json"
