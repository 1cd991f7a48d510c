"""A file of kernels: in Python, in C, or a library. They run in a child process."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from tflreplay.ground.errors import KernelError, NotReplayed
from tflreplay.ground.rounding import Array
from tflreplay.model import Model, Tensor
from tflreplay.ops.base.call import Call, no_subgraphs
from tflreplay.ops.base.session import Session
from tflreplay.replayer.user_kernels.compiler import compiled, sanitizer_runtime
from tflreplay.replayer.user_kernels.messages import Asked, Failed, Known, Made
from tflreplay.replayer.user_kernels.prepared import Prepared, prepare
from tflreplay.replayer.user_kernels.process import Process

TIME_LIMIT = 60.0
_LIBRARIES = (".so", ".dylib")


@dataclass(frozen=True)
class FileKernel:
    """A kernel of a file, and the process in which it runs."""

    file: Path
    known: Known
    process: Process = field(repr=False)

    def of_model(self, model: Model) -> Callable[..., tuple[Array, ...]]:
        """As a row's kernel, ``(call, *arrays)``, of operators of this model.

        It raises :class:`NotReplayed` where the kernel fails, and :class:`KernelError` where it
        has ended its process.
        """

        def compute(call: Call, *arrays: Array | None) -> tuple[Array, ...]:
            in_c = self.process.in_c
            prepared = prepare(model, call, arrays) if in_c else Prepared()
            asked = Asked(self.known.op, _sent(call, not in_c), arrays, prepared)
            result = self.process.ask(asked, f"{self.known.name}, at op {call.op.index},")
            if isinstance(result, Failed):
                raise NotReplayed(result.reason)
            assert isinstance(result, Made)
            call.session.variables.update(result.variables)
            return result.outputs

        return compute


def load_kernels(
    path: str | Path, time_limit: float = TIME_LIMIT, sanitize: bool = False
) -> dict[str, FileKernel]:
    """The kernels of a file by op, for ``tflreplay.run(..., kernels=...)``.

    Args:
        path: a file of Python, run as a module, whose directory is put first in ``sys.path`` as for
            a script; of C, which is compiled; or a library that was compiled from such.
        time_limit: seconds that a kernel may take for a layer.
        sanitize: compile C with the sanitizers for addresses and undefined behaviour.

    Raises:
        KernelError: the file is missing, cannot be compiled or loaded, has no kernel, or has two
            for one op.
    """
    path = Path(path)
    try:
        path.open("rb").close()
    except OSError as error:
        raise KernelError(
            f"{path}: cannot read the kernels: {error.strerror}; give a file of Python (.py), of C "
            "(.c), or a library (.so)"
        ) from None
    if sanitize and path.suffix != ".c":
        raise KernelError(f"{path}: --sanitize is for kernels in C, whose .c file is compiled")
    library = path if path.suffix in _LIBRARIES else None
    with ExitStack() as kept:
        folder = tempfile.TemporaryDirectory(prefix="tflreplay-")
        kept.callback(folder.cleanup)
        if path.suffix == ".c":
            library = compiled(path, Path(folder.name), sanitize)
        runtime = sanitizer_runtime(path) if sanitize else ""
        process = Process(path, library, folder, time_limit, runtime)
        kept.pop_all()  # they are the process's now
    return {known.op: FileKernel(path, known, process) for known in process.kernels}


def _sent(call: Call, whole: bool) -> Call:
    """What of a call can go to another process; ``whole``: with the values of constants."""

    def tensor(one: Tensor) -> Tensor:
        return one if whole else replace(one, raw=None)

    return replace(
        call,
        inputs=tuple(None if one is None else tensor(one) for one in call.inputs),
        outputs=tuple(map(tensor, call.outputs)),
        intermediates=tuple(map(tensor, call.intermediates)),
        row=replace(call.row, kernel=_elsewhere),
        session=Session(),
        run=no_subgraphs,
    )


def _elsewhere(call: Call, *arrays: Array | None) -> tuple[Array, ...]:
    raise NotReplayed("it is computed in another process")
