"""Which models an interpreter gives to a delegate: the program of a child process.

Two runtimes must not be loaded into one process, so this imports nothing but the one named by its
argument. It reads a model a line, in base64, and answers each by a line of JSON: true where the
delegate took the op, null where the interpreter refuses the model.
"""

from __future__ import annotations

import base64
import importlib
import json
import sys
from typing import Any


def taken(runtime: Any, content: bytes) -> bool | None:
    interpreter = runtime.Interpreter(model_content=content, num_threads=1)
    try:
        interpreter.allocate_tensors()
    except RuntimeError as error:
        return True if "failed to create XNNPACK runtime" in str(error) else None
    return any(op["op_name"] == "DELEGATE" for op in interpreter._get_ops_details())


def main(module: str) -> None:
    runtime = importlib.import_module(module)
    for line in sys.stdin:
        print(json.dumps(taken(runtime, base64.b64decode(line))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
