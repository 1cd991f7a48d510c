"""Kernels that are Python functions: the decorator, a file of them, and what they return."""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import numpy as np

from tflreplay.ground.errors import InputError, NotReplayed
from tflreplay.ground.rounding import Array
from tflreplay.model import Tensor
from tflreplay.ops.base.call import Call

Function = Callable[..., Any]
F = TypeVar("F", bound=Function)

# Every function that was decorated, with its op, in order.
_decorated: list[tuple[str, Function]] = []


def kernel(op: str) -> Callable[[F], F]:
    """Say that a function computes an op; it stays the function it was.

    Args:
        op: the operator's name, such as ``CONV_2D`` or ``CUSTOM:code``.

    The function is called as ``function(call, *arrays)``, once for each layer of that op. ``call``
    is a :class:`~tflreplay.ops.base.call.Call`: ``call.input(0).scale``, ``.zero_point`` and
    ``.shape`` (of per-channel weights ``call.input(1).quantization.scale``), ``call.output``,
    ``call.option("stride_h")``. The arrays are the op's inputs in order, weights and bias among
    them, None for one left out; they are copies, which may be written to. It returns an array of
    the output's shape and dtype, or a tuple of them for an op with several outputs.

    Raises:
        TypeError: ``op`` is no text, or what is decorated cannot be called.
    """
    if not isinstance(op, str):
        raise TypeError('an op\'s name is missing: write @tflreplay.kernel("CONV_2D")')

    def decorate(function: F) -> F:
        if not callable(function):
            raise TypeError(f"a kernel is a function, not {type(function).__name__}")
        _decorated.append((op, function))
        return function

    return decorate


def load_functions(path: Path) -> dict[str, Function]:
    """The decorated functions of a Python file by op.

    The file is run as a module; its directory is put first in ``sys.path``, as for a script.

    Raises:
        InputError: the file cannot be imported, decorates no function, or has two kernels for one
            op.
    """
    source = path.read_bytes()
    start = len(_decorated)
    _execute(path, source)
    found: dict[str, Function] = {}
    for op, function in _decorated[start:]:
        if op in found:
            raise InputError(
                f"{path}: two kernels for {op}, {name(found[op])} and {name(function)}; keep one"
            )
        found[op] = function
    if not found:
        raise InputError(
            f'{path}: no kernels in it; write @tflreplay.kernel("CONV_2D") before a function'
        )
    return found


def _execute(path: Path, source: bytes) -> None:
    # Not by importlib, which would leave its bytecode beside the user's file and may run old one.
    module = ModuleType(f"{__name__}:{path.stem}")
    module.__file__ = str(path.absolute())  # what lies beside it is found from anywhere
    sys.modules[module.__name__] = module  # where dataclasses and pickle look for it
    sys.path.insert(0, str(path.parent.absolute()))
    try:
        exec(compile(source, str(path), "exec"), vars(module))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a user's code may raise any: SystemExit, or one of its own
        line = _line(error, str(path), 1)
        raise InputError(f"{path}, line {line}: cannot be imported: {_text(error)}") from None


def checked(function: Function) -> Callable[..., tuple[Array, ...]]:
    """The function as a row's kernel, ``(call, *arrays)``, whose arrays fit the outputs.

    It raises :class:`NotReplayed` where the function fails, or returns anything else.
    """
    label = f"{Path(place(function)[0]).name}: {name(function)}"
    file, first_line = place(function)

    def call_function(call: Call, *arrays: Array | None) -> tuple[Array, ...]:
        copies = [None if array is None else array.copy() for array in arrays]
        try:
            result = function(call, *copies)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            line = _line(error, file, first_line)
            raise NotReplayed(f"{label} failed at line {line}: {_text(error)}") from None
        results = result if isinstance(result, tuple) else (result,)
        problems = [_problem(*pair) for pair in zip(results, call.outputs, strict=False)]
        if len(results) != len(call.outputs):
            problems = [f"{len(results)} arrays, expected {len(call.outputs)}"]
        for problem in filter(None, problems):
            raise NotReplayed(f"{label} (line {first_line}) returned {problem}")
        # The function may give the same buffer again for another layer.
        return tuple(np.array(array) for array in results)

    return call_function


def _problem(result: Any, tensor: Tensor) -> str:
    """A returned value in words, and what was expected; empty where it fits ``tensor``."""
    dtype = tensor.numpy_dtype
    if not isinstance(result, np.ndarray):
        return f"{type(result).__name__}, expected an array of {dtype}"
    if result.shape != tensor.shape and -1 not in tensor.shape_signature:
        return f"{result.dtype}{list(result.shape)}, expected {dtype}{list(tensor.shape)}"
    return "" if result.dtype == dtype else f"{result.dtype}, expected {dtype}"


def name(function: Function) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def place(function: Function) -> tuple[str, int]:
    """The file and line where a function begins."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return ("unknown file", 0) if code is None else (code.co_filename, code.co_firstlineno)


def _line(error: BaseException, file: str, otherwise: int) -> int:
    """The last line of ``file`` that the exception came through, or that cannot be parsed."""
    if isinstance(error, SyntaxError) and error.filename == file:
        return error.lineno or otherwise
    frames = traceback.extract_tb(error.__traceback__)
    return next((f.lineno or otherwise for f in reversed(frames) if f.filename == file), otherwise)


def _text(error: BaseException) -> str:
    """The exception on one line."""
    try:
        message = str(error.msg if isinstance(error, SyntaxError) else error)
    except Exception as another:
        message = f"it cannot say why ({type(another).__name__})"
    return " ".join(f"{type(error).__name__}: {message}".rstrip(": ").split())
