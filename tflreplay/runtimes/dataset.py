"""A dataset: independent inputs of a model, one after the other, from images, arrays and lists."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from glob import glob
from itertools import count as counted
from pathlib import Path

from tflreplay.ground.errors import InputError
from tflreplay.ground.words import few
from tflreplay.model import Model
from tflreplay.runtimes.hints import NO_HINTS, Hints
from tflreplay.runtimes.inputs import IMAGE_SUFFIXES, samples_in

_LABEL = "label"  # the column of a manifest
_IN_FOLDERS = (*IMAGE_SUFFIXES, ".npy", ".npz")


@dataclass(frozen=True)
class Sample:
    """One input of a dataset.

    ``sources`` are what :func:`tflreplay.read_inputs` reads it from, and what ``--input`` takes.
    ``label`` is the class that it is known to be of.
    """

    number: int
    sources: tuple[str, ...]
    label: int | None = None

    @property
    def name(self) -> str:
        """Its sources, in words."""
        return " ".join(self.sources)


@dataclass(frozen=True)
class Dataset:
    """The samples, in order; ``source`` is what the user called it, ``notes`` what was left out.

    It holds ``total``, of which perhaps not all are taken.
    """

    source: str
    samples: tuple[Sample, ...]
    total: int
    notes: tuple[str, ...] = ()


def read_dataset(
    model: Model,
    source: str,
    limit: int | None = None,
    labels: str | Path | None = None,
    hints: Hints = NO_HINTS,
) -> Dataset:
    """The samples that ``source`` holds; their values are read when they are needed.

    Args:
        source: a folder of images, ``.npy`` and ``.npz``, those in its folders too; one such file;
            a pattern such as ``day1/*.png``; or a manifest, a ``.csv`` with a row a sample, a
            column of files for each input by name, and perhaps one of labels. In an array that
            holds several samples the first axis counts them, in the place of a batch of 1 or
            before it. An ``.npz`` holds the inputs by name.
        limit: how many samples to take, the first ones.
        labels: a text file or ``.npy`` that holds the class of each sample, an integer.

    Raises:
        InputError: there is no sample, a file cannot be read, or there are not as many labels as
            samples.
    """
    path, notes = Path(source), tuple[str, ...]()
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        taken = [file for file in files if file.suffix.lower() in _IN_FOLDERS]
        left = [str(file.relative_to(path)) for file in files if file not in set(taken)]
        notes = (f"{source}: {few(left)} left out: no image, .npy or .npz",) if left else ()
        samples = _of_files(model, taken, hints)
    elif path.suffix.lower() == ".csv" and path.exists():
        samples = _of_manifest(path)
    else:
        files = [path] if path.exists() else [Path(name) for name in sorted(glob(source))]
        samples = _of_files(model, files, hints)
    if not samples:
        raise InputError(
            f"--dataset {source}: no input is in there; give a folder of images, .npy or .npz, one "
            'such file, a pattern in quotes such as "day1/*.png", or a manifest.csv'
        )
    if labels is not None:
        known = _labels(Path(labels))
        if len(known) != len(samples):
            raise InputError(
                f"{labels}: {len(known)} labels for {len(samples)} inputs of {source}; "
                "give one for each, in their order"
            )
        samples = [replace(one, label=label) for one, label in zip(samples, known, strict=True)]
    return Dataset(source, tuple(samples[:limit]), len(samples), notes)


def dumps_of(folder: Path, dataset: Dataset) -> list[Path]:
    """The file or folder of tensors of each sample, by its number.

    They are named as the samples' files are, but for the suffix, or else they are as many as the
    dataset has samples, in the order of their names; numbers in names count as numbers.

    Raises:
        InputError: the folder cannot be read, or neither is so.
    """
    try:
        found = sorted(folder.iterdir(), key=_natural)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot read it: {error.strerror or error}; with --dataset, --against is a "
            "folder that holds a file or folder for each input"
        ) from None
    named = {entry.stem: entry for entry in found}
    stems = [Path(sample.sources[0].rpartition("=")[2]).stem for sample in dataset.samples]
    if len(set(stems)) == len(stems) and named.keys() >= set(stems):
        return [named[stem] for stem in stems]
    if len(found) != dataset.total:
        raise InputError(
            f"{folder}: {len(found)} files and folders for {dataset.total} inputs of "
            f"{dataset.source}; give one for each, in the order of their names or named as they are"
        )
    return found


def _natural(path: Path) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _of_files(model: Model, files: Sequence[Path], hints: Hints) -> list[Sample]:
    sources: list[str] = []
    for file in files:
        many = 1 if file.suffix.lower() in IMAGE_SUFFIXES else samples_in(model, file, hints)
        sources += [str(file)] if many == 1 else [f"{file}[{item}]" for item in range(many)]
    return [Sample(number, (source,)) for number, source in enumerate(sources)]


def _of_manifest(path: Path) -> list[Sample]:
    """A row a sample, ``name=file`` of each column; paths start where the manifest lies."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path}: cannot read the manifest: {error}") from None
    names = [name.strip() for name in rows[0]] if rows else []
    samples = []
    for number, row in enumerate(rows[1:]):
        where = f"{path}: row {number + 1}"
        if len(row) != len(names):
            raise InputError(f"{where} has {len(row)} fields, and the head {len(names)} names")
        cells = dict(zip(names, (cell.strip() for cell in row), strict=True))
        label = cells.pop(_LABEL, None)
        sources = tuple(f"{name}={path.parent / cell}" for name, cell in cells.items())
        samples.append(Sample(number, sources, None if label is None else _label(label, where)))
    return samples


def _labels(path: Path) -> list[int]:
    import numpy as np

    from tflreplay.runtimes.formats import numpy_files

    if path.suffix.lower() == ".npy":
        (found,) = numpy_files.read(path)
        if found.values.dtype.kind not in "iu":
            raise InputError(f"{path}: {found.values.dtype} are no labels; give integers")
        return [int(label) for label in np.ravel(found.values)]
    try:
        lines = path.read_text(encoding="utf-8-sig").split()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot read the labels: {error}") from None
    return [_label(line, f"{path}: label {number}") for number, line in zip(counted(1), lines)]


def _label(text: str, where: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InputError(f"{where}: {text!r} is no label; give the class as an integer") from None
