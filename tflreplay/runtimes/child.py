"""Run a model in a runtime and hand out its tensors: the program of the child process.

Started by file path, perhaps inside another virtual environment that holds nothing but numpy and
one runtime, so it imports the standard library and numpy only, and never ``tflreplay``.

Its one argument is a directory with ``request.json``, ``model.tflite`` and ``input_<index>.npy``
files. It writes ``tensors.bin``, the raw tensors one after the other, and ``status.jsonl``: one
JSON object a step, so that the parent knows how far it came if it dies.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
from collections.abc import Callable
from typing import Any

ALIGNMENT = 64


def main(directory: str) -> None:
    with open(os.path.join(directory, "request.json"), encoding="utf-8") as file:
        request = json.load(file)
    with open(os.path.join(directory, "status.jsonl"), "w", buffering=1, encoding="utf-8") as file:

        def report(**facts: object) -> None:
            file.write(json.dumps(facts) + "\n")

        try:
            run(directory, request, report)
        except Exception as error:
            report(error=str(error) or type(error).__name__)


def run(directory: str, request: dict[str, Any], report: Callable[..., None]) -> None:
    report(stage="import")
    import numpy as np

    runtime = importlib.import_module(request["module"])
    os.chdir(directory)  # a core file is to go with the rest

    report(stage="load", version=version(runtime))
    interpreter = runtime.Interpreter(
        model_path="model.tflite",
        experimental_op_resolver_type=getattr(runtime.OpResolverType, request["resolver"]),
        experimental_preserve_all_tensors=True,
        num_threads=request["threads"],
    )
    shapes = {detail["index"]: detail["shape"] for detail in interpreter.get_input_details()}
    inputs = {index: np.load(f"input_{index}.npy") for index in request["inputs"]}
    for index, array in inputs.items():
        if array.shape != tuple(shapes[index]):
            interpreter.resize_tensor_input(index, array.shape)

    report(stage="allocate")
    interpreter.allocate_tensors()
    for index, array in inputs.items():
        interpreter.set_tensor(index, array)

    report(stage="invoke")
    interpreter.invoke()

    report(stage="read")
    tensors = {}
    missing = {}
    with open("tensors.bin", "wb") as file:
        for index in request["tensors"]:
            try:
                array = interpreter.get_tensor(index)
            except ValueError as error:
                missing[index] = str(error)
                continue
            file.write(bytes(-file.tell() % ALIGNMENT))
            tensors[index] = (array.dtype.str, array.shape, file.tell())
            file.write(array.data)
    # A heap that an op has damaged often shows only when it is freed.
    del interpreter
    report(stage="done", tensors=tensors, missing=missing)


def version(runtime: Any) -> str:
    """The runtime's package version. (``importlib.metadata`` would add 10 % to the whole run.)"""
    package = sys.modules[runtime.__name__.partition(".")[0]]
    if hasattr(package, "__version__"):
        return str(package.__version__)
    for entry in os.listdir(os.path.dirname(package.__path__[0])):
        found = re.fullmatch(rf"{package.__name__}(?:_nightly)?-(.+)\.dist-info", entry)
        if found:
            return found.group(1)
    return "of unknown version"


if __name__ == "__main__":
    main(sys.argv[1])
