"""Random operators where they stand: plain ones, odd ones, and such as no model holds."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tflreplay.ground.engine import NEWEST, Engine
from tflreplay.model import Operator, Quantization, Subgraph, Tensor
from tflreplay.model.buffers import NUMPY_TYPES, PACKED_BITS
from tflreplay.model.schema import TYPE_NAMES
from tflreplay.model.sparsity import Sparsity
from tflreplay.ops import CARDS, LAYERS, Site
from tflreplay.ops.base.roles import Roles

ROLES = tuple(dict.fromkeys(card.roles for card in CARDS.values()))
TYPES = ("int8", "uint8", "int16", "int32", "int64", "float32", "int4", "bool")
SIZES = (0, 1, 2, 3, 4, 7, 16, 32, 1 << 20)
USUAL_SCALES = (0.5, 0.1, 1.0, 2.0, 0.001, 1 / 256)
# Zero, subnormal, the largest, and what a reader does not let pass.
ODD_SCALES = (0.0, 1e-45, 1e-40, 1.2e-38, 3e38, 1e-10, 1e10, -0.5, math.inf, math.nan)
VERSIONS = {
    "litert": ("1.0.1", "2.0.3", NEWEST["litert"]),
    "tensorflow": ("2.9.0", "2.17.1", NEWEST["tensorflow"]),
    "tflm": ("0.dev20250101000000", NEWEST["tflm"]),
}
# The values that each option may have, the usual one first.
OPTIONS: dict[str, tuple[Any, ...]] = {
    "fused_activation_function": ("NONE", "RELU", "RELU6", "RELU_N1_TO_1", "TANH", 99),
    "padding": ("SAME", "VALID", 7),
    "stride_h": (1, 2, 3, 0, -1, 2**31 - 1),
    "stride_w": (1, 2, 3, 0, -1, 2**31 - 1),
    "dilation_h_factor": (1, 2, 0, -1, 2**31 - 1),
    "dilation_w_factor": (1, 2, 0, -1, 2**31 - 1),
    "filter_height": (2, 1, 3, 0, -1),
    "filter_width": (2, 1, 3, 0, -1),
    "keep_dims": (True, False),
    "weights_format": ("DEFAULT", "SHUFFLED4x16INT8", 5),
    "quantized_bias_type": ("float32", "int32", "int64", 99),
    "alpha": (0.5, 1e-40, 0.0, -0.5, -300.0, 3e38, math.inf, -math.inf, math.nan),
    "beta": (1.0, 0.5, 0.0, math.nan),
    "adj_x": (False, True),
    "pot_scale_int16": (False, True),
}


@functools.cache
def sites(count: int, seed: int = 1) -> tuple[Site, ...]:
    rng = np.random.default_rng(seed)
    return tuple((anything if rng.random() < 0.3 else plain)(rng) for _ in range(count))


def bare(roles: Roles, engine: Engine | None = None) -> Site:
    """An operator that has nothing."""
    op = Operator(0, "CUSTOM:bare", 1, (), ())
    return Site(engine or Engine("xnnpack"), Subgraph(0, "", (), (), (), (op,)), op, roles)


def mostly(rng: np.random.Generator, usual: Any, others: Sequence[Any], often: float = 0.8) -> Any:
    return usual if rng.random() < often else others[int(rng.integers(len(others)))]


def _any_of(rng: np.random.Generator, values: Iterable[Any]) -> Any:
    values = tuple(values)
    return values[int(rng.integers(len(values)))]


def _engine(rng: np.random.Generator) -> Engine:
    runtime = _any_of(rng, VERSIONS)
    return Engine(_any_of(rng, LAYERS), runtime, _any_of(rng, VERSIONS[runtime]))


# ---- such as no model holds -------------------------------------------------------------------


def anything(rng: np.random.Generator) -> Site:
    """Tensors of every type and rank in any order, inputs and outputs left out, strange options."""
    tensors = tuple(_any_tensor(rng, index) for index in range(int(rng.integers(1, 7))))
    indices = np.arange(-1, len(tensors))
    inputs = rng.choice(indices, int(rng.integers(0, 6))).tolist()
    outputs = rng.choice(indices[1:], int(rng.integers(0, 3))).tolist()
    options = {name: _any_of(rng, values) for name, values in OPTIONS.items() if rng.random() < 0.7}
    version = int(rng.integers(1, 13))
    op = Operator(0, _any_of(rng, CARDS), version, tuple(inputs), tuple(outputs), options)
    graph = Subgraph(0, "main", tensors, (), (), (op,))
    return Site(_engine(rng), graph, op, _any_of(rng, ROLES))


def _any_tensor(rng: np.random.Generator, index: int) -> Tensor:
    shape = tuple(_any_of(rng, SIZES) for _ in range(int(rng.integers(0, 8))))
    dtype = mostly(rng, _any_of(rng, TYPES), tuple(TYPE_NAMES.values()))
    quantization = None
    if rng.random() < 0.7:
        axis = int(rng.integers(-1, len(shape) + 1))
        count = shape[axis] if 0 <= axis < len(shape) and rng.random() < 0.5 else 1
        count = min(max(count, 1), 32)
        scales = [_any_of(rng, USUAL_SCALES + ODD_SCALES) for _ in range(count)]
        zero_point = rng.choice([0, -128, 127, 2**31 - 1, -(2**62)], count)
        quantization = Quantization(np.array(scales, np.float32), zero_point, axis)
    sparse = bool(rng.random() < 0.05)
    return _tensor(index, shape, dtype, quantization, _raw(rng, shape, dtype), sparse)


# ---- such as models hold, but for a few details -----------------------------------------------


def plain(rng: np.random.Generator) -> Site:
    """What an op of some card's roles looks like, every detail mostly as usual."""
    roles = _any_of(rng, ROLES)
    dtype = _any_of(rng, ("int8", "uint8", "int16", "float32"))
    rank = int(rng.choice([4, 4, 4, 2, 2, 3, 5, 7]))
    depth = int(rng.choice([1, 2, 4, 32]))
    channels = mostly(rng, depth, (1, 2, 3, 5), 0.7)
    body = tuple(rng.choice([1, 2, 5, 6], rank - 1).tolist())
    count = 2 if roles.bias is None else roles.bias + int(rng.random() < 0.8)
    tensors: list[Tensor] = []
    inputs: list[int] = []
    for position in range(max(count, roles.activation + 1)):
        if position == roles.activation:
            made = _activation(rng, (*body, depth), dtype, position)
        elif position == roles.weights:
            made = _weights(rng, roles, dtype, rank, channels, depth, position)
        elif position == roles.bias:
            made = _bias(rng, channels, dtype, position)
        else:
            made = _second(rng, (*body, depth), dtype, position)
        tensors.append(made)
        inputs.append(mostly(rng, position, (-1,), 0.97))
    target = mostly(rng, dtype, ("int8", "uint8", "float32", "int16"))
    tensors.append(_activation(rng, (*body, channels), target, len(tensors)))
    outputs = (len(tensors) - 1,) if rng.random() < 0.98 else ()
    options = {
        name: mostly(rng, values[0], values, 0.5)
        for name, values in OPTIONS.items()
        if rng.random() < 0.97
    }
    version = int(rng.integers(1, 13))
    op = Operator(0, _any_of(rng, CARDS), version, tuple(inputs), outputs, options)
    graph = Subgraph(0, "main", tuple(tensors), (), (), (op,))
    return Site(_engine(rng), graph, op, roles)


def _activation(rng: np.random.Generator, shape: tuple[int, ...], dtype: str, index: int) -> Tensor:
    if dtype == "float32" and rng.random() < 0.8:
        return _tensor(index, shape, dtype)
    axis = mostly(rng, 0, (1,), 0.9)
    return _tensor(index, shape, dtype, _quantization(rng, shape, dtype, axis, several=0.05))


def _second(rng: np.random.Generator, shape: tuple[int, ...], dtype: str, index: int) -> Tensor:
    """Axes, a shape, a size, or a second operand."""
    if rng.random() < 0.5:
        return _activation(rng, shape, dtype, index)
    axes = _any_of(rng, ([1, 2], [2], [2, 1], [-1], [0], [1, 1, 2], list(range(7)), []))
    kind = mostly(rng, "int32", ("int64", "float32"), 0.9)
    raw = np.array(axes, NUMPY_TYPES[kind]).tobytes() if rng.random() < 0.8 else None
    return _tensor(index, (len(axes),), kind, raw=raw)


def _weights(
    rng: np.random.Generator,
    roles: Roles,
    dtype: str,
    rank: int,
    channels: int,
    depth: int,
    index: int,
) -> Tensor:
    kernel = tuple(rng.choice([1, 1, 2, 3, 5, 6], max(rank, 2) - 2).tolist())
    depth = mostly(rng, depth, (1, 2, 3), 0.9)
    shape = (channels, *kernel, depth)
    if roles.weight_axis:
        shape = (1, *kernel, channels)
    usual = "uint8" if dtype == "uint8" else "int8"
    kind = mostly(rng, usual, ("int4", "int4", "int8", "uint8", "float32"), 0.6)
    axis = mostly(rng, roles.weight_axis, (0, len(shape) - 1), 0.9)
    quantization = _quantization(rng, shape, kind, axis, several=0.5, zero=0.7)
    raw = _raw(rng, shape, kind) if rng.random() < 0.9 else None
    return _tensor(index, shape, kind, quantization, raw)


def _bias(rng: np.random.Generator, channels: int, dtype: str, index: int) -> Tensor:
    usual = {"int16": "int64", "float32": "float32"}.get(dtype, "int32")
    kind = mostly(rng, usual, ("int32", "int64"))
    shape = (mostly(rng, channels, (1, 3)),)
    quantization = _quantization(rng, shape, kind, 0, several=0.5, zero=0.8)
    raw = _raw(rng, shape, kind) if rng.random() < 0.8 else None
    return _tensor(index, shape, kind, mostly(rng, quantization, (None,)), raw)


def _quantization(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    dtype: str,
    axis: int,
    several: float,
    zero: float = 0.2,
) -> Quantization | None:
    if rng.random() < 0.03:
        return None
    count = shape[axis] if axis < len(shape) and rng.random() < several else 1
    scale = mostly(rng, _any_of(rng, USUAL_SCALES), ODD_SCALES, 0.9)
    scales = np.full(count, scale, np.float32)
    if rng.random() < 0.7:
        scales[rng.random(count) < 0.5] = 0.25
    info = np.iinfo(NUMPY_TYPES[dtype]) if dtype[0] in "iu" else np.iinfo(np.int8)
    usual = 0 if rng.random() < zero else int(rng.choice([info.min, info.max, 1]))
    return Quantization(scales, np.full(count, usual, np.int64), axis)


def _raw(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> bytes | None:
    """Random bytes of a constant, or None where there would be too many, or no such type."""
    elements = math.prod(shape)
    if rng.random() < 0.3 or elements > 4096 or dtype not in NUMPY_TYPES:
        return None
    if dtype == "string":
        ends = np.full(elements + 1, 4 * (elements + 2), np.int32)  # empty ones
        return np.append(np.int32(elements), ends).astype(np.int32).tobytes()
    bits = PACKED_BITS.get(dtype, 8 * np.dtype(NUMPY_TYPES[dtype]).itemsize)
    return rng.bytes((elements * bits + 7) // 8)


def _tensor(
    index: int,
    shape: tuple[int, ...],
    dtype: str,
    quantization: Quantization | None = None,
    raw: bytes | None = None,
    sparse: bool = False,
) -> Tensor:
    return Tensor(
        index,
        f"t{index}",
        shape,
        shape,
        dtype,
        0 if raw is None else 1 + index,
        quantization,
        sparsity=Sparsity((), (), ()) if sparse else None,
        raw=None if raw is None else memoryview(raw),
    )
