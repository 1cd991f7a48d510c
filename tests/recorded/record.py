"""Record what engines make of the cases.

``python -m tests.recorded.record [--missing] [NAME...]``

Every version of a runtime is installed in an environment of its own, TensorFlow with half a
gigabyte. Of a case the first seed is taken whose model tells its rows apart. With ``--missing``,
only engines that have no recording yet are run, on the recorded models. Engines of another machine
are run by qemu.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

from tests.recorded.case import (
    FILES,
    Arrays,
    Case,
    Made,
    agree,
    engine_of,
    keys,
    parsed,
    read,
    replayed,
)
from tests.recorded.cases import CASES
from tflreplay.ground.errors import CaptureError
from tflreplay.runtimes import capture

SEEDS = 5000


def made(case: Case) -> Made:
    """The model of the first seed that tells the rows of the case apart."""
    for seed in range(SEEDS):
        found = case.make(np.random.default_rng(seed))
        if _tells(case, found):
            return found
    raise SystemExit(f"{case.name}: no model in {SEEDS} tells its rows apart")


def _tells(case: Case, made: Made) -> bool:
    for text, row in case.rows.items():
        ours = replayed(*made, engine_of(text))
        if bool(ours) == (row is None):
            return False
        engine = engine_of(text)
        if row and any(agree(ours, replayed(*made, engine, other)) for other in case.others(text)):
            return False
    return True


def outputs(case: Case, made: Made, text: str) -> Arrays:
    """What the engine gives; nothing where it refuses the model, as the case must say."""
    content, inputs = made
    model, engine = parsed(content), engine_of(text)
    feeds = dict(zip(model.main.inputs, inputs, strict=True))
    try:
        captured = capture(
            model,
            feeds,
            f"{engine.runtime}=={engine.version}",
            engine.name,
            machine=engine.machine,
        )
    except CaptureError as error:
        if text in case.refused:
            return []
        raise SystemExit(f"{case.name}: {error}") from None
    if text in case.refused:
        raise SystemExit(f"{case.name}: {text} takes the model")
    return [captured.tensors[index] for index in model.main.outputs]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--missing", action="store_true")
    parser.add_argument("names", nargs="*")
    given = parser.parse_args(arguments)
    missing, names = given.missing, given.names or [case.name for case in CASES]
    known = read()
    recorded = {case.name: known[case.name] for case in CASES if case.name in known}
    for case in CASES:
        if case.name not in names:
            continue
        old, theirs = recorded.get(case.name, ((b"", []), {})) if missing else ((b"", []), {})
        model = old if old[0] else made(case)
        theirs = {text: theirs.get(text) or outputs(case, model, text) for text in case.rows}
        recorded[case.name] = model, theirs
        for text, arrays in theirs.items():
            row = case.rows[text]
            ours = replayed(*model, engine_of(text))
            exact = row is not None and agree(ours, arrays, row.tolerance)
            print(case.name, text, "exact" if exact else "differs" if ours else "not replayed")
        _write(recorded)


def _write(recorded: dict[str, tuple[Made, dict[str, Arrays]]]) -> None:
    for path, elsewhere in zip(FILES, (False, True), strict=True):
        arrays = dict(
            pair
            for name, found in recorded.items()
            if any("@" in text for text in found[1]) == elsewhere
            for pair in keys(name, *found)
        )
        with path.open("wb") as file:
            np.savez_compressed(file, **arrays)


if __name__ == "__main__":
    main(sys.argv[1:])
