"""What CMSIS-NN computes, in both roundings: golden vectors, and models of one op made of them.

``cmsis_nn.npz`` is a part of a larger file, which ``TFLREPLAY_CMSIS_NN_VECTORS`` names. Both were
made by the library itself: CMSIS-NN 99f736a63036, compiled as portable C on x86-64, with and
without ``CMSIS_NN_USE_SINGLE_ROUNDING``, and called with the parameters that TFLM's glue gives it
(``tensorflow/lite/micro/kernels/cmsis_nn`` of tflite-micro 90b983c2b3f1).

A group G has two entries: ``G.index``, JSON of the fields of each case, and ``G.data``, the bytes
of its arrays. ``kernel.OP`` are functions on integer parameters, ``model.NAME`` models of one op
with inputs, ``primitive.NAME`` functions of numbers.

    python -m tests.recorded.cmsis_nn FULL.npz   # writes the part anew
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

PART = Path(__file__).with_name("cmsis_nn.npz")
FULL = os.environ.get("TFLREPLAY_CMSIS_NN_VECTORS", "")
Fields = dict[str, Any]


def groups(path: str | Path) -> dict[str, dict[str, Fields]]:
    """The fields of each case of each group; arrays are numpy's."""
    with np.load(path) as file:
        parts = dict(file)
    names = [key.removesuffix(".index") for key in parts if key.endswith(".index")]
    return {name: dict(_cases(parts, name)) for name in names}


def _cases(parts: Mapping[str, np.ndarray], name: str) -> Iterator[tuple[str, Fields]]:
    content = parts[f"{name}.data"].tobytes()

    def value(told: Any) -> Any:
        if not isinstance(told, dict):
            return told
        shape = told["shape"]
        array = np.frombuffer(content, told["dtype"], math.prod(shape), told["at"])
        return array.reshape(shape)

    for case, fields in json.loads(str(parts[f"{name}.index"])).items():
        yield case, {key: value(told) for key, told in fields.items()}


def write(path: Path, found: Mapping[str, Mapping[str, Fields]]) -> None:
    entries: dict[str, Any] = {}
    for name, cases in found.items():
        content, index = bytearray(), {}
        for case, fields in cases.items():
            index[case] = dict(fields)
            for key, value in fields.items():
                if isinstance(value, np.ndarray):
                    index[case][key] = {
                        "dtype": value.dtype.str,
                        "shape": list(value.shape),
                        "at": len(content),
                    }
                    content += value.tobytes()
        entries[f"{name}.index"] = json.dumps(index)
        entries[f"{name}.data"] = np.frombuffer(bytes(content), np.uint8)
    np.savez_compressed(path, **entries)


# Of a group the smallest cases are taken, half of them such as tell the two roundings apart.
_CASES = {"kernel": 5, "model": 3}
_NUMBERS = 500  # of a primitive


def part(found: Mapping[str, Mapping[str, Fields]]) -> dict[str, dict[str, Fields]]:
    """Little of each group."""
    return {name: _few(name.partition(".")[0], cases) for name, cases in found.items()}


def _few(kind: str, cases: Mapping[str, Fields]) -> dict[str, Fields]:
    if kind == "primitive":
        return {
            case: {key: array[:_NUMBERS] for key, array in fields.items()}
            for case, fields in cases.items()
        }
    by_size = sorted(cases, key=lambda case: _size(cases[case]))
    apart = [case for case in by_size if _apart(cases[case])][: _CASES[kind] // 2]
    others = [case for case in by_size if case not in apart]
    first = ["0"] if "exp_lut" in cases[next(iter(cases))] else []  # which holds the tables
    chosen = list(dict.fromkeys([*first, *apart, *others]))[: _CASES[kind]]
    return {case: cases[case] for case in cases if case in chosen}


def _size(fields: Fields) -> int:
    return sum(value.nbytes for value in fields.values() if isinstance(value, np.ndarray))


def _apart(fields: Fields) -> bool:
    """True where single rounding gives something else."""
    return any(
        not np.array_equal(fields[key], fields[key.replace("double", "single")])
        for key in fields
        if "double" in key
    )


if __name__ == "__main__":
    write(PART, part(groups(sys.argv[1])))
