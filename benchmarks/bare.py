"""The least that reads every tensor: what the whole command is measured against."""

from __future__ import annotations

import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

interpreter = Interpreter(
    sys.argv[1],
    experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
    experimental_preserve_all_tensors=True,
    num_threads=1,
)
interpreter.allocate_tensors()
(detail,) = interpreter.get_input_details()
scale, zero_point = detail["quantization"]
codes = np.clip(np.round(np.load(sys.argv[2]) / scale) + zero_point, -128, 127)
interpreter.set_tensor(detail["index"], codes.astype(np.int8))
interpreter.invoke()
tensors = {}
for entry in interpreter.get_tensor_details():
    tensors[entry["index"]] = interpreter.get_tensor(entry["index"])
