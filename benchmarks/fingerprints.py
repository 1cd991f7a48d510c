"""Fingerprint synthetic devices blind: ``python -m benchmarks.fingerprints DEVICES MODEL...``.

Each computes every kind of op by an arithmetic chosen at random. From its outputs of the kit alone
a profile is made, written and read again; that must replay each model as the device does. Printed
are the pairs of a device and a kind of op for which several arithmetics are left, though they are
not one function.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.probe.devices import device, mismatches, outputs
from tflreplay.model import load
from tflreplay.reports import fingerprint as report
from tflreplay.runtimes.inputs import random_inputs
from tflreplay.runtimes.profiles import read_profile
from tflreplay.tools.probe import TYPES, cases, fingerprint_of, kit
from tflreplay.tools.probe.identify import kinds


def main(count: int, paths: list[str]) -> None:
    models = [load(path) for path in paths]
    fed = [random_inputs(model, seed=1).arrays for model in models]
    probed, start = cases(TYPES), time.perf_counter()
    wrong, ambiguous, unexplained = [0] * len(models), 0, 0
    for seed in range(count):
        theirs = device(probed, seed)
        given = outputs(probed, theirs)
        with tempfile.TemporaryDirectory() as scratch:
            for piece in kit(TYPES):
                arrays = {f"{i}": given[place] for i, place in piece.places.items()}
                np.savez(Path(scratch, f"{piece.name}.npz"), **arrays)
            found, _ = fingerprint_of(Path(scratch))
            path = Path(scratch, "device.toml")
            report.write(found, path)
            ours = read_profile(path)
        ambiguous += len(found.ambiguous)
        unexplained += len(found.unexplained)
        for i, (model, inputs) in enumerate(zip(models, fed, strict=True)):
            wrong[i] += mismatches(model, inputs, theirs, ours)
    pairs = count * len(kinds(probed))
    print(f"{count} devices, {pairs} pairs of a device and a kind of op")
    print(f"ambiguous: {ambiguous}, {ambiguous / pairs:.2%}; unexplained: {unexplained}")
    for model, elements in zip(models, wrong, strict=True):
        print(f"{model.path.name}: {elements} elements differ")
    print(f"{(time.perf_counter() - start) / count:.1f} s a device")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
