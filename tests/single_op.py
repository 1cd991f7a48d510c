"""Single-op .tflite models written directly as flatbuffers, and the engine that judges them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from tests.selected_rows import CONFIRMED
from tflreplay.ground.engine import Engine
from tflreplay.model import parse
from tflreplay.replayer.loop import replay

REFERENCE = OpResolverType.BUILTIN_REF
REFERENCE_ENGINE = Engine()
RESOLVERS = {
    "reference": REFERENCE,
    "optimized": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    "xnnpack": OpResolverType.BUILTIN,
}


@dataclass(frozen=True)
class Spec:
    """A tensor to be written: an activation, or a constant where ``data`` is given.

    ``scale`` and ``zero_point`` are scalars, or arrays for quantization along ``axis``.
    ``sparsity`` is the schema's ``SparsityParametersT``. A ``variable`` is kept from one
    inference to the next.
    """

    shape: tuple[int, ...]
    dtype: str
    scale: Any = None
    zero_point: Any = 0
    data: np.ndarray | None = None
    axis: int = 0
    variable: bool = False
    sparsity: Any = None


@dataclass(frozen=True)
class Op:
    """An op to be written, a custom one as ``CUSTOM:code``.

    ``options`` are fields of the schema's ``<options_type>T``.
    """

    name: str
    inputs: Sequence[Spec | None]
    outputs: Sequence[Spec]
    options: dict[str, Any] | None = None
    options_type: str | None = None
    version: int = 1
    intermediates: Sequence[Spec] = ()
    custom_options: bytes = b""


def build(
    op: str,
    inputs: Sequence[Spec | None],
    outputs: Sequence[Spec],
    options: dict[str, Any] | None = None,
    options_type: str | None = None,
    version: int = 1,
    intermediates: Sequence[Spec] = (),
    custom_options: bytes = b"",
) -> bytes:
    """A model of the one op; arguments as :class:`Op`."""
    return build_side_by_side(
        [Op(op, inputs, outputs, options, options_type, version, intermediates, custom_options)]
    )


def build_side_by_side(ops: Sequence[Op]) -> bytes:
    """A model of ops that have nothing to do with each other, each with its own inputs."""
    result = schema.ModelT()
    result.version = 3
    result.buffers = [schema.BufferT()]
    result.operatorCodes = []
    graph = schema.SubGraphT()
    graph.name = "main"
    graph.tensors, graph.operators, graph.inputs, graph.outputs = [], [], [], []
    for op in ops:
        _add_op(result, graph, op)
    result.subgraphs = [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(result.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _add_op(result: Any, graph: Any, op: Op) -> None:
    operator = schema.OperatorT()
    operator.inputs = [
        -1 if spec is None else _add_tensor(result, graph, spec) for spec in op.inputs
    ]
    operator.outputs = [_add_tensor(result, graph, spec) for spec in op.outputs]
    graph.inputs += [
        index
        for index, spec in zip(operator.inputs, op.inputs, strict=True)
        if spec is not None and spec.data is None and not spec.variable
    ]
    graph.outputs += operator.outputs
    if op.intermediates:
        operator.intermediates = [_add_tensor(result, graph, spec) for spec in op.intermediates]
    if op.custom_options:
        operator.customOptions = np.frombuffer(op.custom_options, np.uint8)
    if op.options_type is not None:
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, op.options_type)
        operator.builtinOptions = getattr(schema, f"{op.options_type}T")()
        for name, value in (op.options or {}).items():
            assert hasattr(operator.builtinOptions, name), name
            setattr(operator.builtinOptions, name, value)
    operator.opcodeIndex = len(result.operatorCodes)
    code = schema.OperatorCodeT()
    builtin, _, custom = op.name.partition(":")
    code.builtinCode = getattr(schema.BuiltinOperator, builtin)
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)
    code.customCode = custom or None
    code.version = op.version
    result.operatorCodes.append(code)
    graph.operators.append(operator)


def _add_tensor(result: Any, graph: Any, spec: Spec) -> int:
    tensor = schema.TensorT()
    tensor.name = f"t{len(graph.tensors)}"
    tensor.shape = list(spec.shape)
    tensor.type = getattr(schema.TensorType, spec.dtype.upper())
    tensor.hasRank = True
    tensor.isVariable = spec.variable
    tensor.sparsity = spec.sparsity
    if spec.scale is not None:
        quantization = schema.QuantizationParametersT()
        quantization.scale = np.atleast_1d(np.asarray(spec.scale, np.float32))
        zero_point = np.broadcast_to(spec.zero_point, quantization.scale.shape)
        quantization.zeroPoint = zero_point.astype(np.int64)
        quantization.quantizedDimension = spec.axis
        tensor.quantization = quantization
    tensor.buffer = 0
    if spec.data is not None:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(spec.data).tobytes(), np.uint8)
        tensor.buffer = len(result.buffers)
        result.buffers.append(buffer)
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def run_engine(
    content: bytes, inputs: Sequence[np.ndarray], engine: Engine = REFERENCE_ENGINE
) -> list[np.ndarray]:
    """The model's outputs by LiteRT. ``inputs`` in the order of the graph's inputs."""
    interpreter = Interpreter(
        model_content=content,
        experimental_op_resolver_type=RESOLVERS[engine.name],
        experimental_preserve_all_tensors=engine.name == "reference",
        num_threads=engine.threads,
    )
    interpreter.allocate_tensors()
    for detail, array in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(detail["index"], array)
    interpreter.invoke()
    outputs = [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]
    CONFIRMED.engine_gave(engine, outputs)
    return outputs


def run_replay(
    content: bytes, inputs: Sequence[np.ndarray], engine: Engine = REFERENCE_ENGINE
) -> list[np.ndarray]:
    """The model's outputs by our replay."""
    parsed = parse(content, Path("single_op.tflite"))
    feeds = dict(zip(parsed.main.inputs, inputs, strict=True))
    result = replay(parsed, feeds, engine=engine)
    assert not result.not_replayed, result.not_replayed
    return [result.tensors[index] for index in parsed.main.outputs]


def assert_exact(
    content: bytes, inputs: Sequence[np.ndarray], engine: Engine = REFERENCE_ENGINE
) -> int:
    """Replay equals engine bit for bit; returns the number of outputs compared.

    0 where XNNPACK refuses the whole model, as it does for a multiplier of 256 or more.
    """
    try:
        expected = run_engine(content, inputs, engine)
    except RuntimeError as error:
        if engine.name == "xnnpack" and "failed to create XNNPACK runtime" in str(error):
            return 0
        raise
    total = 0
    for ours, theirs in zip(run_replay(content, inputs, engine), expected, strict=True):
        assert ours.dtype == theirs.dtype
        assert ours.shape == theirs.shape
        np.testing.assert_array_equal(ours, theirs)
        total += ours.size
    return total


def random_codes(rng: np.random.Generator, shape: Sequence[int], dtype: str) -> np.ndarray:
    """Uniform codes over the whole range of an integer type."""
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, endpoint=True).astype(dtype)


def random_scale(rng: np.random.Generator, low: float = 1e-4, high: float = 1.0) -> np.float32:
    """A log-uniform scale; one in three is a power of two, which makes rounding ties common."""
    scale = np.exp(rng.uniform(np.log(low), np.log(high)))
    if rng.random() < 1 / 3:
        scale = 2.0 ** np.round(np.log2(scale))
    return np.float32(scale)
