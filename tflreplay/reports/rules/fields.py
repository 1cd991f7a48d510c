"""A rule sheet in the names of an interface: a C header, or the same as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tflreplay import __version__
from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import OutputError
from tflreplay.ground.files import check_files, write_files
from tflreplay.judgement.measured import arithmetic
from tflreplay.model import Model
from tflreplay.reports import c_source
from tflreplay.reports.extract.text import environment
from tflreplay.tools.fields import INTERFACES, LayerFields, Struct

# 1: the first.
FORMAT_VERSION = 1
_SUFFIXES = (".h", ".json")


def check(path: Path, overwrite: bool) -> None:
    """Raise the :class:`OutputError` of a file that :func:`write` would refuse."""
    if path.suffix.lower() not in _SUFFIXES:
        raise OutputError(f"{path}: --fields writes a name that ends in {' or '.join(_SUFFIXES)}")
    check_files(path.parent, [path.name], overwrite)


def write(
    path: Path,
    model: Model,
    layers: Sequence[LayerFields],
    interface: str,
    engine: Engine,
    overwrite: bool,
) -> None:
    """A header or JSON, by the name of the file.

    Raises:
        OutputError: the file exists and ``overwrite`` is not set, or it cannot be written.
    """
    if path.suffix.lower() == ".h":
        text = header(model, layers, interface, engine)
    else:
        text = json.dumps(document(model, layers, interface, engine), indent=1) + "\n"

    def fill(scratch: Path) -> None:
        (scratch / path.name).write_text(text, "utf-8", errors="backslashreplace")

    write_files(path.parent, [path.name], fill, overwrite)


def header(model: Model, layers: Sequence[LayerFields], interface: str, engine: Engine) -> str:
    """C99, or C++20: every name begins with ``op3_`` or ``OP3_``, by the op's number."""
    return (
        environment()
        .get_template("fields.h.j2")
        .render(
            model=model,
            layers=[(layer, list(_declared(layer))) for layer in layers],
            interface=INTERFACES[interface],
            guard=f"TFLREPLAY_{interface.replace('-', '_').upper()}_FIELDS_H",
            arithmetic=arithmetic(engine),
            version=__version__,
        )
    )


def _declared(layer: LayerFields) -> Iterator[str]:
    for struct in layer.structs:
        yield c_source.struct(f"op{layer.rules.op.index}", struct)


def document(
    model: Model, layers: Sequence[LayerFields], interface: str, engine: Engine
) -> dict[str, Any]:
    """The same as plain dicts, lists, strings and numbers."""
    return {
        "format_version": FORMAT_VERSION,
        "tflreplay_version": __version__,
        "model": {"path": str(model.path), "sha256": model.sha256},
        "engine": arithmetic(engine),
        "interface": interface,
        "source": INTERFACES[interface].source,
        "layers": [
            {
                "op_index": layer.rules.op.index,
                "op": layer.rules.op.name,
                "fields": dict(_told(layer.structs)),
                "reason": layer.reason or None,
            }
            for layer in layers
        ],
    }


def _told(structs: Sequence[Struct]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for struct in structs:
        yield struct.type or struct.name or "arguments", struct.values
