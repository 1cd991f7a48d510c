"""What the tests of ops with a state share: consecutive inferences of a single-op model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from tests.selected_rows import CONFIRMED
from tests.single_op import RESOLVERS
from tflreplay.ground.engine import Engine
from tflreplay.model import parse
from tflreplay.ops.base.session import Session
from tflreplay.replayer.loop import replay

PATH = Path("recurrent.tflite")


def litert(content: bytes, inputs: Sequence[np.ndarray], engine: Engine) -> list[np.ndarray]:
    """LiteRT's outputs of consecutive inferences of a model with one input and one output."""
    interpreter = Interpreter(
        model_content=content, experimental_op_resolver_type=RESOLVERS[engine.name]
    )
    interpreter.allocate_tensors()
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
    outputs = []
    for array in inputs:
        interpreter.set_tensor(source["index"], array)
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(target["index"]))
    CONFIRMED.engine_gave(engine, outputs)
    return outputs


def tflm(content: bytes, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """As :func:`litert`, by TFLM."""
    from tflite_micro.python.tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(content, arena_size=2**24)
    outputs = []
    for array in inputs:
        interpreter.set_input(array, 0)
        interpreter.invoke()
        outputs.append(interpreter.get_output(0))
    return outputs


def replayed(content: bytes, inputs: Sequence[np.ndarray], engine: Engine) -> list[np.ndarray]:
    """As :func:`litert`, by our replay."""
    model = parse(content, PATH)
    (source,), (target,) = model.main.inputs, model.main.outputs
    session = Session()
    outputs = []
    for array in inputs:
        result = replay(model, {source: array}, engine, session=session)
        assert not result.not_replayed, result.not_replayed
        outputs.append(result.tensors[target])
    return outputs


def assert_inferences_exact(content: bytes, inputs: Sequence[np.ndarray], engine: Engine) -> int:
    """Replay equals the runtime bit for bit at each inference; returns the number of outputs."""
    theirs = tflm(content, inputs) if engine.name == "tflm" else litert(content, inputs, engine)
    for found, expected in zip(replayed(content, inputs, engine), theirs, strict=True):
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        np.testing.assert_array_equal(found, expected)
    return sum(array.size for array in theirs)


def assert_inferences_close(
    content: bytes, inputs: Sequence[np.ndarray], engine: Engine, tolerance: float
) -> int:
    """As :func:`assert_inferences_exact`, up to a fraction of the largest magnitude."""
    theirs = litert(content, inputs, engine)
    for found, expected in zip(replayed(content, inputs, engine), theirs, strict=True):
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        np.testing.assert_allclose(
            found, expected, rtol=0, atol=tolerance * float(np.abs(expected).max())
        )
    return sum(array.size for array in theirs)
