"""Run a model in a runtime and hand out its tensors: the program of the child process.

Started by file path, perhaps inside another virtual environment that holds nothing but numpy and
one runtime, so it imports the standard library and numpy only, and never ``tflreplay``.

Its one argument is a directory with ``request.json``, ``model.tflite`` and
``input_<index>.npy`` files, each of which holds an array for each of one or several consecutive
inferences. It writes ``tensors.bin``, the raw tensors one after the other, and ``status.jsonl``:
one JSON object a stage, so that the parent knows how far it came if it dies. Where the request
names a pipe, independent inputs come one by one on standard input, and tensors go into the pipe.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import re
import sys
from collections.abc import Callable
from functools import partial
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
    make = partial(Micro if hasattr(runtime, "InterpreterConfig") else Lite, runtime, request)
    if "pipe" in request:
        serve(make, request, report, version(runtime))
        return
    interpreter = make()

    report(stage="allocate")
    inputs = {index: np.load(f"input_{index}.npy") for index in request["inputs"]}
    interpreter.allocate({index: array[0] for index, array in inputs.items()})

    steps: list[dict[int, Any]] = []
    missing: dict[int, str] = {}
    with open("tensors.bin", "wb") as file:
        for step in range(request["steps"]):
            interpreter.feed({index: array[step] for index, array in inputs.items()})
            report(stage="invoke")
            interpreter.invoke()
            report(stage="read", delegates=interpreter.delegates())
            steps.append(read(interpreter, request["tensors"], file, missing))
    # A heap that an op has damaged often shows only when it is freed.
    del interpreter
    report(stage="done", steps=steps, missing=missing)


def serve(
    make: Callable[[], Lite | Micro],
    request: dict[str, Any],
    report: Callable[..., None],
    version: str,
) -> None:
    """Compute inputs from standard input until it ends; tensors go into the pipe."""
    import numpy as np

    interpreter, shapes = None, None
    with open(request["pipe"], "wb", buffering=1 << 20) as pipe:
        for line in iter(sys.stdin.buffer.readline, b""):
            inputs = {}
            for index, (dtype, shape) in json.loads(line).items():
                size = math.prod(shape) * np.dtype(dtype).itemsize
                flat = np.frombuffer(sys.stdin.buffer.read(size), dtype)
                inputs[int(index)] = flat.reshape(shape)
            given = {index: array.shape for index, array in inputs.items()}
            if interpreter is None or request["state"]:
                interpreter, shapes = make(), None
            if given != shapes:
                report(stage="allocate")
                interpreter.allocate(inputs)
                report(stage="invoke")
                shapes = given
            interpreter.feed(inputs)
            interpreter.invoke()
            missing: dict[int, str] = {}
            arrays: list[Any] = []
            tensors, size = placed(interpreter, request["tensors"], arrays, missing)
            told = {
                "version": version,
                "tensors": tensors,
                "size": size,
                "missing": missing,
                "delegates": interpreter.delegates(),
            }
            pipe.write(json.dumps(told).encode() + b"\n")
            for array in arrays:
                pipe.write(array.data)
                pipe.write(bytes(-array.nbytes % ALIGNMENT))
            pipe.flush()


def placed(
    interpreter: Lite | Micro, wanted: list[int], arrays: list[Any], missing: dict[int, str]
) -> tuple[dict[int, Any], int]:
    """Tensors into ``arrays``: type, shape and place of each, and the bytes of all together."""
    tensors, size = {}, 0
    for index in wanted:
        try:
            array = interpreter.read(index)
        except ValueError as error:
            missing[index] = str(error)
            continue
        tensors[index] = (array.dtype.str, array.shape, size)
        size += array.nbytes + -array.nbytes % ALIGNMENT
        arrays.append(array)
    return tensors, size


def read(
    interpreter: Lite | Micro, wanted: list[int], file: Any, missing: dict[int, str]
) -> dict[int, Any]:
    """Append tensors to ``file``: type, shape and place of each; or why it is ``missing``."""
    tensors = {}
    for index in wanted:
        try:
            array = interpreter.read(index)
        except ValueError as error:
            missing[index] = str(error)
            continue
        file.write(bytes(-file.tell() % ALIGNMENT))
        tensors[index] = (array.dtype.str, array.shape, file.tell())
        file.write(array.data)
    return tensors


class Lite:
    """The interpreter of LiteRT and TensorFlow."""

    def __init__(self, runtime: Any, request: dict[str, Any]) -> None:
        resolver = getattr(runtime.OpResolverType, request["resolver"])
        # Before LiteRT 1.1 and TensorFlow 2.19, an interpreter that preserves all tensors quietly
        # takes the optimized kernels where the default resolver is asked for.
        number = runtime._get_op_resolver_id(resolver)
        runtime._get_op_resolver_id = lambda _: number
        self.interpreter = runtime.Interpreter(
            model_path="model.tflite",
            experimental_op_resolver_type=resolver,
            experimental_preserve_all_tensors=True,
            num_threads=request["threads"],
        )

    def allocate(self, inputs: dict[int, Any]) -> None:
        details = self.interpreter.get_input_details()
        shapes = {detail["index"]: tuple(detail["shape"]) for detail in details}
        for index, array in inputs.items():
            if array.shape != shapes[index]:
                self.interpreter.resize_tensor_input(index, array.shape)
        self.interpreter.allocate_tensors()

    def feed(self, inputs: dict[int, Any]) -> None:
        for index, array in inputs.items():
            self.interpreter.set_tensor(index, array)

    def invoke(self) -> None:
        self.interpreter.invoke()

    def delegates(self) -> list[tuple[list[int], list[int]]]:
        """Inputs and outputs of each partition that a delegate took."""
        return [
            (op["inputs"].tolist(), op["outputs"].tolist())
            for op in self.interpreter._get_ops_details()
            if op["op_name"] == "DELEGATE"
        ]

    def read(self, index: int) -> Any:
        import numpy as np

        try:
            return self.interpreter.get_tensor(index)
        except ValueError:  # also of a tensor that holds nothing
            for detail in self.interpreter.get_tensor_details():
                if detail["index"] == index and 0 in detail["shape"]:
                    return np.empty(detail["shape"], detail["dtype"])
            raise


class Micro:
    """The interpreter of TFLM. It plans its memory when it is made."""

    def __init__(self, runtime: Any, request: dict[str, Any]) -> None:
        self.order = request["order"]
        self.interpreter = runtime.Interpreter.from_file(
            "model.tflite",
            arena_size=request["arena"],
            intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors,
        )

    def allocate(self, inputs: dict[int, Any]) -> None:
        pass

    def feed(self, inputs: dict[int, Any]) -> None:
        for index, array in inputs.items():
            self.interpreter.set_input(array, self.order.index(index))

    def invoke(self) -> None:
        self.interpreter.invoke()

    def delegates(self) -> list[tuple[list[int], list[int]]]:
        return []

    def read(self, index: int) -> Any:
        return self.interpreter.GetTensor(index, 0)["tensor_data"]


def version(runtime: Any) -> str:
    """The runtime's package version. (``importlib.metadata`` would add 10 % to the whole run.)"""
    package = sys.modules[runtime.__name__.partition(".")[0]]
    if hasattr(package, "__version__"):
        return re.sub(r"-g[0-9a-f]+$", "", str(package.__version__))  # TFLM appends its commit
    for entry in os.listdir(os.path.dirname(package.__path__[0])):
        found = re.fullmatch(rf"{package.__name__}(?:_nightly)?-(.+)\.dist-info", entry)
        if found:
            return found.group(1)
    return "of unknown version"


if __name__ == "__main__":
    main(sys.argv[1])
