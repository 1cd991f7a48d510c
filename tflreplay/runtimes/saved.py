"""Tensors in files: a saved capture, or what a device dumped.

A saved capture is an .npz: an array for each tensor, keyed by its index, and ``provenance``, a JSON
text that says where they came from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tflreplay import __version__
from tflreplay.ground.errors import InputError, OutputError
from tflreplay.ground.fields import Fields, WrongField
from tflreplay.ground.machine import Machine
from tflreplay.model import Model
from tflreplay.runtimes import Capture
from tflreplay.runtimes.dumps import dump
from tflreplay.runtimes.formats import Found, read, read_folder
from tflreplay.runtimes.hints import NO_HINTS, Hints

Array = np.ndarray[Any, Any]

FORMAT_VERSION = 1
_PROVENANCE = "provenance"


def check(path: Path, overwrite: bool = False) -> None:
    """Refuse a path that :func:`save` would refuse.

    Raises:
        OutputError: it does not end in .npz, or it exists and ``overwrite`` is not set.
    """
    from tflreplay.ground.files import check_files

    if path.suffix != ".npz":
        raise OutputError(
            f"{path}: saved tensors are known by their suffix; choose a name that ends in .npz"
        )
    check_files(path.parent, [path.name], overwrite)


def save(
    capture: Capture,
    path: Path,
    model: Model,
    inputs: Mapping[int, Array],
    overwrite: bool = False,
) -> None:
    """Write a capture of ``model`` on ``inputs`` to an .npz that :func:`load_source` reads.

    Raises:
        OutputError: :func:`check` refuses the path, or it cannot be written; what was there is left
            as it was.
    """
    from tflreplay.ground.files import write_files

    check(path, overwrite)
    provenance = {
        "format_version": FORMAT_VERSION,
        "tflreplay": __version__,
        "model": model.path.name,
        "model_sha256": model.sha256,
        "input_sha256": inputs_sha256(inputs),
        "runtime": capture.runtime,
        "version": capture.version,
        "engine": capture.engine,
        "threads": capture.threads,
        "machine": str(capture.machine),
        "note": capture.note,
        "failure": capture.failure,
        "origin": capture.origin,
        "missing": capture.missing,
    }
    arrays = {str(index): array for index, array in capture.tensors.items()}
    arrays[_PROVENANCE] = np.array(json.dumps(provenance))

    def fill(scratch: Path) -> None:
        with open(scratch / path.name, "wb") as file:
            np.savez(file, allow_pickle=False, **arrays)

    write_files(path.parent, [path.name], fill, overwrite)


def inputs_sha256(inputs: Mapping[int, Array]) -> str:
    """Of every input's index, dtype, shape and bytes."""
    digest = hashlib.sha256()
    for index, array in sorted(inputs.items()):
        digest.update(f"{index} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def load_source(
    path: str | Path,
    model: Model,
    inputs: Mapping[int, Array] | None = None,
    hints: Hints = NO_HINTS,
    reals: Collection[int] = (),
) -> Capture:
    """Read tensors of ``model`` from a file.

    Args:
        path: what :func:`save` wrote; or a device's dump, a file or a folder in any of the forms of
            :mod:`tflreplay.runtimes.formats`.
        model: whose tensors they are.
        inputs: where given, input tensors in the file must be the same.
        hints: what is known of a dump's arrays, see :func:`tflreplay.runtimes.hints.read_hints`.
        reals: those of ``inputs`` that were given in real numbers: a dump may hold other codes of
            them, since a device makes its own.

    Returns:
        A capture. ``problems`` name the arrays of a dump that were left out, or what was done to
        take them; ``missing`` says it of the tensors. Of a file that tflreplay did not write,
        ``runtime`` is the file's name, version, engine and machine are empty, and ``absent`` tells
        the tensors that no array is called like from those whose array was left out. The machine
        is empty also of a file written before it was recorded.

    Raises:
        InputError: the file cannot be read, belongs to another model or other inputs, or none of
            its arrays fits a tensor.
    """
    path = Path(path)
    found, others = read_folder(path) if path.is_dir() else (read(path), [])
    saved = [array.values for array in found if array.name == _PROVENANCE]
    if saved:
        source = _saved(path, model, found, saved[0])
    else:
        source = dump(path, model, found, others, hints)
    for index, array in (inputs or {}).items():
        theirs = source.tensors.get(index)
        if not saved and index in reals:
            continue
        if theirs is not None and not np.array_equal(theirs, array):
            raise InputError(
                f"{path}: its input tensor {model.main.tensors[index].label} is not the one given; "
                "give the input that it was made with"
            )
    return source


def _saved(path: Path, model: Model, found: list[Found], text: Array) -> Capture:
    try:
        told = Fields(json.loads(str(text)))
        if told.get("format_version", int) != FORMAT_VERSION:
            raise InputError(
                f"{path}: written by tflreplay {told.get('tflreplay', str)} in another format; "
                "capture it again"
            )
        sha256 = told.get("model_sha256", str)
        if sha256 != model.sha256:
            raise InputError(
                f"{path}: captured from another model ({told.get('model', str)}, sha256 "
                f"{sha256[:12]}...) than {model.path} ({model.sha256[:12]}...)"
            )
        return Capture(
            tensors={int(each.name): each.values for each in found if each.name != _PROVENANCE},
            runtime=told.get("runtime", str),
            version=told.get("version", str),
            engine=told.get("engine", str),
            threads=told.count("threads"),
            note=told.get("note", str),
            failure=told.get("failure", str),
            origin=told.texts_by_index("origin"),
            missing=told.texts_by_index("missing"),
            machine=Machine.parse(told.get_or("machine", "")),
        )
    except (WrongField, ValueError, RecursionError) as error:
        raise InputError(f"{path}: its provenance is damaged ({error}); capture it again") from None
