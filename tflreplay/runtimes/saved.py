"""Tensors in files: a saved capture, or what a device dumped.

A saved capture is an .npz: an array for each tensor, keyed by its index, and ``provenance``, a JSON
text that says where they came from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tflreplay import __version__
from tflreplay.ground.errors import InputError, NotReplayed, OutputError
from tflreplay.ground.fields import Fields, WrongField
from tflreplay.ground.machine import Machine
from tflreplay.model import Model, Tensor
from tflreplay.runtimes import Capture

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
    path: str | Path, model: Model, inputs: Mapping[int, Array] | None = None
) -> Capture:
    """Read tensors of ``model`` from a file.

    Args:
        path: what :func:`save` wrote; or any .npz whose arrays, or a folder whose .npy files, are
            called by a tensor's index or its name, "/" perhaps replaced by "_".
        model: whose tensors they are.
        inputs: where given, input tensors in the file must be the same.

    Returns:
        A capture. ``problems`` name the arrays that were left out, or given another shape, and
        why; ``missing`` says it of the tensors. Of a file that tflreplay did not write, ``runtime``
        is the file's name, version, engine and machine are empty, and ``not_dumped`` holds the
        tensors that no array is called like. The machine is empty also of a file written before it
        was recorded.

    Raises:
        InputError: the file cannot be read, belongs to another model or other inputs, or none of
            its arrays fits a tensor.
    """
    path = Path(path)
    found = _read(path)
    saved = [array for name, array in found if name == _PROVENANCE]
    source = _saved(path, model, found, saved[0]) if saved else _dump(path, model, found)
    for index, array in (inputs or {}).items():
        theirs = source.tensors.get(index)
        if theirs is not None and not np.array_equal(theirs, array):
            raise InputError(
                f"{path}: its input tensor {model.main.tensors[index].label} is not the one given; "
                "give the input that it was made with"
            )
    return source


def _read(path: Path) -> list[tuple[str, Array]]:
    """The name and the array of every entry."""
    if path.is_dir():
        files = sorted(path.glob("*.npy"))
        if not files:
            raise InputError(f"{path}: no .npy file is in there")
        return [(file.stem, array) for file in files for _, array in _load(file)]
    if path.suffix != ".npz":
        raise InputError(f"{path}: not a folder of .npy files, nor an .npz file")
    return _load(path)


def _load(path: Path) -> list[tuple[str, Array]]:
    """The arrays of an .npz, or the one of an .npy, which has no name."""
    try:
        with open(path, "rb") as file:
            content = np.load(file, allow_pickle=False)
            if isinstance(content, np.ndarray):
                return [("", content)]
            return [(name, content[name]) for name in content.files]
    except OSError as error:
        raise InputError(f"{path}: cannot read it: {error.strerror or error}") from None
    except Exception as error:  # numpy and zipfile raise many kinds: of sizes, encodings, syntax
        raise InputError(
            f"{path}: damaged, or not a numpy file: {error or type(error).__name__}"
        ) from None


def _saved(path: Path, model: Model, found: list[tuple[str, Array]], text: Array) -> Capture:
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
            tensors={int(name): array for name, array in found if name != _PROVENANCE},
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


def _dump(path: Path, model: Model, found: list[tuple[str, Array]]) -> Capture:
    """Match names with tensors; what is not certain is left out and told."""
    graph = model.main
    written = {index for op in graph.operators for index in op.outputs} | set(graph.inputs)
    by_name: dict[str, list[int]] = {}
    for index in sorted(written):
        name = graph.tensors[index].name
        for alias in {name, name.replace("/", "_"), str(index)}:
            by_name.setdefault(alias, []).append(index)

    problems: list[str] = []
    matched: dict[int, list[tuple[str, Array]]] = {}
    unsure: dict[int, str] = {}  # what may be there, but under a name that others have too
    for name, array in found:
        indices = by_name.get(name, [])
        exact = [index for index in indices if graph.tensors[index].name == name]
        if len(indices) > 1 and len(exact) == 1 and not name.isdecimal():
            indices = exact
        if len(indices) == 1:
            matched.setdefault(indices[0], []).append((name, array))
        elif indices:
            several = ", ".join(map(str, indices))
            problems.append(f"{name}: left out: may be any of the tensors {several}")
            unsure |= dict.fromkeys(indices, problems[-1])
        else:
            problems.append(f"{name}: left out: no op output or input is called that")

    tensors: dict[int, Array] = {}
    missing = dict.fromkeys(sorted(written), f"not in {path.name}") | unsure
    for index, arrays in matched.items():
        names = " and ".join(name for name, _ in arrays)
        if len(arrays) > 1:
            problem = f"{names}: left out: all of them are called like tensor {index}"
        else:
            fitted, problem = _fit(graph.tensors[index], arrays[0][1])
            problem = problem and f"{names}: {problem}"
            if fitted is not None:
                tensors[index] = fitted
        if problem:
            problems.append(problem)
        if index in tensors:
            del missing[index]
        else:
            missing[index] = problem
    if not tensors:
        names = ", ".join(repr(name) for name, _ in found[:3]) or "nothing"
        told = f" ({problems[0]})" if matched else ""
        raise InputError(
            f"{path}: none of its {len(found)} arrays ({names}, ...) fits a tensor of "
            f"{model.path}{told}; call each by its tensor's index or name"
        )
    return Capture(
        tensors=tensors,
        runtime=path.absolute().name,  # "." has none
        version="",
        engine="",
        threads=1,
        missing=missing,
        origin=dict.fromkeys(tensors, "file"),
        problems=tuple(problems),
        not_dumped=frozenset(missing.keys() - matched.keys() - unsure.keys()),
    )


def _fit(tensor: Tensor, array: Array) -> tuple[Array | None, str]:
    """The array as the tensor has it, or None; and what was wrong or was done."""
    try:
        wanted = tensor.numpy_dtype
    except NotReplayed:
        return None, f"left out: tensor {tensor.index} is {tensor.dtype}"
    if array.dtype.newbyteorder("=") != wanted:
        return None, f"left out: {array.dtype}, but tensor {tensor.index} is {tensor.dtype}"
    array = array.astype(wanted, copy=False)
    signature = tensor.shape_signature
    if len(array.shape) == len(signature) and all(
        want in (-1, size) for want, size in zip(signature, array.shape, strict=True)
    ):
        return array, ""
    shape = list(tensor.shape)
    if array.ndim == 1 and array.size == np.prod(shape, dtype=np.int64):
        return array.reshape(shape), f"its {array.size} values were given the shape {shape}"
    return None, f"left out: shape {list(array.shape)}, but tensor {tensor.index} is {shape}"
