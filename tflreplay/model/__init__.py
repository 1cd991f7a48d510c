"""A .tflite file: records, the reader that checks it, the writer, and patched copies.

The only room that knows the flatbuffer schema.
"""

from tflreplay.model.patching import truncated, with_outputs, with_valid_axes, without_memory_plan
from tflreplay.model.reader import MAX_RANK, load, parse
from tflreplay.model.records import (
    HANDLES,
    Model,
    Operator,
    Quantization,
    Signature,
    Subgraph,
    Tensor,
    as_run,
)

__all__ = [
    "HANDLES",
    "MAX_RANK",
    "Model",
    "Operator",
    "Quantization",
    "Signature",
    "Subgraph",
    "Tensor",
    "as_run",
    "load",
    "parse",
    "truncated",
    "with_outputs",
    "with_valid_axes",
    "without_memory_plan",
]
