"""What a device computes, as text and as its profile."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tabulate import tabulate

from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import OutputError
from tflreplay.ground.files import check_files, write_files
from tflreplay.ground.machine import MEASURED_ON, Machine
from tflreplay.ground.words import series
from tflreplay.reports.probe import HEADERS, WIDTH, line
from tflreplay.runtimes import RUNTIMES
from tflreplay.runtimes.packages import PROFILE_SUFFIX, is_profile
from tflreplay.runtimes.profiles import profile_text
from tflreplay.tools.probe import Fingerprint


def render(found: Fingerprint, device: str) -> str:
    """A line for each op, the evidence in sentences, and the known engine that is nearest."""
    asked = [finding for finding in found.findings if not finding.reason]
    table = tabulate(
        [(*line(finding), f"{found.differs.get(finding.op, 0):,}") for finding in asked],
        (*HEADERS, "nearest engine\nis wrong in"),
        colalign=("left", "left", *["right"] * 5),
        maxcolwidths=[None, 44] + [None] * 5,
        disable_numparse=True,
    )
    sentences = (_wrapped(f"{finding.op}: {finding.text}") for finding in found.findings)
    return "\n\n".join([device, table, "\n".join(sentences), _wrapped(nearest(found))])


def nearest(found: Fingerprint) -> str:
    """Which known engines the device is nearest to, and where it differs from them."""
    count = len(found.measured)
    kinds = f"{count} kind{'' if count == 1 else 's'} of op"
    if not found.differs:
        return f"As {engines(found.nearest)}: every output of {kinds} is the same."
    where = ", ".join(f"{op} ({wrong:,} outputs)" for op, wrong in found.differs.items())
    return (
        f"Nearest are {engines(found.nearest)}, which differ in {len(found.differs)} of {kinds}: "
        f"{where}."
    )


def engines(which: Sequence[Engine]) -> str:
    """``the reference kernels of LiteRT 2.3.0, 2.2.0``; and on which machines, if not x86-64."""
    versions: dict[tuple[str, str, Machine], list[str]] = defaultdict(list)
    for engine in which:
        versions[engine.runtime, engine.name, engine.machine].append(engine.version)
    machines: dict[str, list[Machine]] = defaultdict(list)
    for (runtime, name, machine), numbers in versions.items():
        kernels = f"the {name} kernels of {RUNTIMES[runtime].title} {', '.join(numbers)}"
        machines[kernels].append(machine)
    return series(
        [
            kernels if where == [MEASURED_ON] else f"{kernels} on {', '.join(map(str, where))}"
            for kernels, where in machines.items()
        ]
    )


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def check(path: Path, overwrite: bool = False) -> None:
    """Raise the :class:`OutputError` that :func:`write` would, before there is anything to write.

    Raises:
        OutputError: the name does not end in ``.toml``, or one of the files exists and
            ``overwrite`` is not set.
    """
    if not is_profile(path.name):
        raise OutputError(f"{path}: a profile is known by its suffix: end it in {PROFILE_SUFFIX}")
    check_files(path.parent, [path.name, _vectors(path)], overwrite)


def write(found: Fingerprint, path: Path, overwrite: bool = False) -> list[Path]:
    """Write the profile, and beside it the vectors of what is unexplained; raises as :func:`check`.

    Returns:
        What was written.
    """
    check(path, overwrite)
    names = [path.name, *([_vectors(path)] if found.vectors else [])]

    def fill(scratch: Path) -> None:
        text = profile_text(found.engine(path.name))
        (scratch / path.name).write_text(text, "utf-8")
        if found.vectors:
            with open(scratch / _vectors(path), "wb") as file:
                np.savez(file, allow_pickle=False, **found.vectors)

    return write_files(path.parent, names, fill, overwrite)


def _vectors(path: Path) -> str:
    return f"{path.stem}-unexplained.npz"
