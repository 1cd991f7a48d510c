"""Your own kernels in the replay: a port's function in the place of ours, against the engine.

A kernel is a plain function. ``@tflreplay.kernel`` says which op it computes::

    import numpy as np
    import tflreplay

    @tflreplay.kernel("RELU")
    def relu(call, x):
        ratio = call.input(0).scale / call.output.scale
        codes = np.round((x.astype(np.int32) - call.input(0).zero_point) * ratio)
        zero = call.output.zero_point
        return np.clip(codes + zero, zero, 127).astype(np.int8)

``tflreplay model.tflite --kernel my_port.py`` takes every decorated function of a file.
"""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import numpy as np

from tflreplay.ground.errors import InputError, NotReplayed
from tflreplay.ground.rounding import Array
from tflreplay.model import Model, Tensor
from tflreplay.model.schema import BUILTIN_NAMES
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.row import Row

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


def load_kernels(path: str | Path) -> dict[str, Function]:
    """The decorated functions of a Python file by op, for ``tflreplay.run(..., kernels=...)``.

    The file is run as a module; its directory is put first in ``sys.path``, as for a script.

    Raises:
        InputError: the file is missing, cannot be imported, decorates no function, or has two
            kernels for one op.
    """
    path = Path(path)
    try:
        source = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: cannot read the kernels: {error.strerror}; give a Python file"
        ) from None
    start = len(_decorated)
    _execute(path, source)
    found: dict[str, Function] = {}
    for op, function in _decorated[start:]:
        if op in found:
            raise InputError(
                f"{path}: two kernels for {op}, {_name(found[op])} and {_name(function)}; keep one"
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
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # where dataclasses and pickle look for it
    sys.path.insert(0, str(path.parent))
    try:
        exec(compile(source, str(path), "exec"), vars(module))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a user's code may raise any: SystemExit, or one of its own
        line = _line(error, str(path), 1)
        raise InputError(f"{path}, line {line}: cannot be imported: {_text(error)}") from None


def rows(kernels: Mapping[str, Function], model: Model) -> dict[str, Row]:
    """Table rows that compute by the user's functions, by op.

    A row's kernel raises :class:`NotReplayed` where the function fails, or returns anything but
    arrays of the outputs' shapes and dtypes.

    A kernel for an op that this model lacks is left aside: a port may know more ops.

    Raises:
        InputError: an op is not an operator's name, or the model has none of them.
    """
    ops = sorted({op.name for op in model.main.operators})
    for op, function in kernels.items():
        if op not in ops and op not in BUILTIN_NAMES.values() and not op.startswith("CUSTOM:"):
            raise InputError(
                f"{label(function)}: there is no op called {op!r}; {model.path} has "
                f"{', '.join(ops)}"
            )
    found = {op: function for op, function in kernels.items() if op in ops}
    if kernels and not found:
        (op, function), *_ = kernels.items()
        raise InputError(
            f"{label(function)}: {model.path} has no op {op!r} for this kernel; "
            f"its ops: {', '.join(ops)}"
        )
    return {
        op: Row((), _checked(function), algorithm=label(function), source=_place(function)[0])
        for op, function in found.items()
    }


def label(function: Function) -> str:
    """``my_port.py: conv_2d``."""
    return f"{Path(_place(function)[0]).name}: {_name(function)}"


def _checked(function: Function) -> Callable[..., tuple[Array, ...]]:
    name = label(function)
    file, first_line = _place(function)

    def call_function(call: Call, *arrays: Array | None) -> tuple[Array, ...]:
        copies = [None if array is None else array.copy() for array in arrays]
        try:
            result = function(call, *copies)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            line = _line(error, file, first_line)
            raise NotReplayed(f"{name} failed at line {line}: {_text(error)}") from None
        results = result if isinstance(result, tuple) else (result,)
        problems = [_problem(*pair) for pair in zip(results, call.outputs, strict=False)]
        if len(results) != len(call.outputs):
            problems = [f"{len(results)} arrays, expected {len(call.outputs)}"]
        for problem in filter(None, problems):
            raise NotReplayed(f"{name} (line {first_line}) returned {problem}")
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


def _name(function: Function) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def _place(function: Function) -> tuple[str, int]:
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
