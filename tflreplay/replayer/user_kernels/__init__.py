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

``tflreplay model.tflite --kernel my_port.py`` takes every decorated function of a file. In C it is
``TFLREPLAY_KERNEL(RELU)``, with ``tflreplay_kernel.h`` beside this file. A file's kernels run in a
child process.
"""

from tflreplay.replayer.user_kernels.compiler import HEADER
from tflreplay.replayer.user_kernels.files import FileKernel, load_kernels
from tflreplay.replayer.user_kernels.functions import Function, kernel
from tflreplay.replayer.user_kernels.rows import UserKernel, label, rows

__all__ = [
    "HEADER",
    "FileKernel",
    "Function",
    "UserKernel",
    "kernel",
    "label",
    "load_kernels",
    "rows",
]
