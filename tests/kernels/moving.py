"""One small model of each op that moves data, on any type of data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tests.single_op import Spec, assert_exact, build
from tflreplay.ground.engine import Engine

ENUM = {"int32": 2, "int64": 4}
QUANTIZED = (0.25, 3)  # every 8-bit tensor of a moving op shares its quantization


def spec(array: np.ndarray, constant: bool = False, dtype: str = "") -> Spec:
    """An activation like ``array``, or the constant itself."""
    name = dtype or str(array.dtype)
    quantization = QUANTIZED if name in ("int8", "uint8") else (None, 0)
    return Spec(array.shape, name, *quantization, data=array if constant else None)


def int32(*values: Any) -> np.ndarray:
    return np.array(values, np.int32).reshape(-1)


def values(shape: tuple[int, ...], dtype: str, seed: int = 0) -> np.ndarray:
    """Random bits; float types hold small numbers of both signs, some 0, and complex ones too."""
    rng = np.random.default_rng((seed, *shape))
    kind = np.dtype(dtype).kind
    if kind == "b":
        return rng.integers(2, size=shape).astype(bool)
    if kind in "iu":
        info = np.iinfo(dtype)
        return rng.integers(info.min, info.max, shape, dtype, endpoint=True)
    real = rng.integers(-20, 21, shape) / 4
    if kind == "c":
        return (real + 1j * rng.permutation(real.reshape(-1)).reshape(shape)).astype(dtype)
    return real.astype(dtype)


@dataclass(frozen=True)
class Case:
    """An op's inputs, of which ``fixed`` are constants, and its options.

    ``shape`` is what the model says of the outputs', which the engines work out themselves.
    """

    op: str
    inputs: tuple[np.ndarray, ...]
    fixed: tuple[int, ...] = ()
    outputs: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    table: str | None = None
    version: int = 1
    shape: tuple[int, ...] = (1,)

    def model(self) -> bytes:
        specs = [spec(array, i in self.fixed) for i, array in enumerate(self.inputs)]
        return build(
            self.op,
            specs,
            [spec(np.empty(self.shape, dtype)) for dtype in self.outputs],
            self.options,
            self.table,
            self.version,
        )

    def feeds(self) -> list[np.ndarray]:
        return [array for i, array in enumerate(self.inputs) if i not in self.fixed]


def case(
    op: str,
    *inputs: np.ndarray,
    fixed: tuple[int, ...] = (),
    outputs: tuple[str, ...] = (),
    table: str | None = None,
    version: int = 1,
    shape: tuple[int, ...] = (1,),
    **options: Any,
) -> Case:
    """A case whose ``options`` are fields of the schema's table; outputs are like input 0."""
    outputs = outputs or (str(inputs[0].dtype),)
    return Case(op, inputs, fixed, outputs, options, table, version, shape)


def exact(engine: Engine, moved: Case) -> None:
    """Replay equals engine bit for bit, the constants as they are and as inputs of the graph."""
    assert assert_exact(moved.model(), moved.feeds(), engine) > 0
    if moved.fixed:
        dynamic = replace(moved, fixed=())
        assert assert_exact(dynamic.model(), dynamic.feeds(), engine) > 0


def _matrices(shape: tuple[int, ...], dtype: str) -> tuple[np.ndarray, np.ndarray]:
    return values(shape, dtype), values((*shape[:-2], min(shape[-2:])), dtype, 1)


# By op, the case on data of one type.
CASES: dict[str, Callable[[str], Case]] = {
    "BROADCAST_ARGS": lambda t: case("BROADCAST_ARGS", np.array([3, 1, 5], t), np.array([4, 1], t)),
    "BROADCAST_TO": lambda t: case(
        "BROADCAST_TO", values((3, 1, 5), t), int32(2, 3, 4, 5), fixed=(1,), version=2
    ),
    "BATCH_TO_SPACE_ND": lambda t: case(
        "BATCH_TO_SPACE_ND",
        values((12, 3, 4, 5), t),
        int32(2, 3),
        np.array([[1, 0], [2, 1]], np.int32),
        fixed=(1, 2),
    ),
    "CONCATENATION": lambda t: case(
        "CONCATENATION",
        values((2, 3, 4), t),
        values((2, 5, 4), t),
        table="ConcatenationOptions",
        axis=-2,
    ),
    "DEPTH_TO_SPACE": lambda t: case(
        "DEPTH_TO_SPACE", values((2, 3, 4, 18), t), table="DepthToSpaceOptions", blockSize=3
    ),
    "DYNAMIC_UPDATE_SLICE": lambda t: case(
        "DYNAMIC_UPDATE_SLICE", values((4, 5, 6), t), values((2, 3, 4), t), int32(1, -1, 4)
    ),
    "EMBEDDING_LOOKUP": lambda t: case(
        "EMBEDDING_LOOKUP", int32(3, 0, 3, 1), values((4, 3, 2), t), outputs=(t,)
    ),
    "EXPAND_DIMS": lambda t: case("EXPAND_DIMS", values((3, 4), t), int32(-1), fixed=(1,)),
    "FILL": lambda t: case("FILL", int32(2, 3, 4), values((), t), outputs=(t,)),
    "GATHER": lambda t: case(
        "GATHER", values((2, 3, 4), t), int32(2, 0, 2), table="GatherOptions", axis=1
    ),
    "GATHER_ND": lambda t: case(
        "GATHER_ND", values((2, 3, 4), t), np.array([[[1, 2], [0, 0], [1, 0]]], np.int32)
    ),
    "MATRIX_DIAG": lambda t: case("MATRIX_DIAG", values((2, 3, 4), t)),
    "MATRIX_SET_DIAG": lambda t: case("MATRIX_SET_DIAG", *_matrices((2, 3, 4), t)),
    "MIRROR_PAD": lambda t: case(
        "MIRROR_PAD",
        values((3, 4, 5), t),
        np.array([[2, 1], [0, 3], [4, 4]], np.int32),
        fixed=(1,),
        table="MirrorPadOptions",
        mode=0,
    ),
    "ONE_HOT": lambda t: case(
        "ONE_HOT",
        np.array([[0, 4, -1], [2, 2, 7]], np.int32),
        int32(5).reshape(()),
        values((), t, 1),
        values((), t, 2),
        fixed=(1,),
        outputs=(t,),
        table="OneHotOptions",
        axis=1,
    ),
    "PACK": lambda t: case(
        "PACK",
        *(values((3, 4), t, i) for i in range(3)),
        table="PackOptions",
        axis=1,
        valuesCount=3,
    ),
    "PAD": lambda t: case(
        "PAD", values((3, 4, 5), t), np.array([[2, 1], [0, 3], [4, 4]], np.int32), fixed=(1,)
    ),
    "PADV2": lambda t: case(
        "PADV2",
        values((3, 4, 5), t),
        np.array([[2, 1], [0, 3], [4, 4]], np.int32),
        values((1,), t),
        fixed=(1, 2),
    ),
    "RANGE": lambda t: case("RANGE", *(np.array(n, t) for n in (3, 20, 4))),
    "RANK": lambda t: case("RANK", values((3, 4, 5), t), outputs=("int32",)),
    "RESHAPE": lambda t: case("RESHAPE", values((3, 4, 5), t), int32(6, -1), fixed=(1,)),
    "RESIZE_NEAREST_NEIGHBOR": lambda t: case(
        "RESIZE_NEAREST_NEIGHBOR",
        values((2, 5, 7, 3), t),
        int32(9, 4),
        fixed=(1,),
        table="ResizeNearestNeighborOptions",
    ),
    "REVERSE_SEQUENCE": lambda t: case(
        "REVERSE_SEQUENCE",
        values((2, 5, 3, 4), t),
        int32(5, 0, 3),
        table="ReverseSequenceOptions",
        seqDim=1,
        batchDim=2,
    ),
    "REVERSE_V2": lambda t: case("REVERSE_V2", values((3, 4, 5), t), int32(1), fixed=(1,)),
    "SCATTER_ND": lambda t: case(
        "SCATTER_ND",
        np.array([[1, 2], [0, 0], [1, 2]], np.int32),
        values((3, 4), t),
        int32(2, 3, 4),
        outputs=(t,),
    ),
    "SHAPE": lambda t: case(
        "SHAPE", values((3, 4, 5), t), outputs=("int64",), table="ShapeOptions", outType=4
    ),
    "SLICE": lambda t: case(
        "SLICE",
        values((3, 4, 5), t),
        int32(1, 0, 2),
        int32(2, -1, 1),
        fixed=(1, 2),
        shape=(2, 4, 1),
    ),
    "SPACE_TO_BATCH_ND": lambda t: case(
        "SPACE_TO_BATCH_ND",
        values((2, 3, 4, 5), t),
        int32(2, 3),
        np.array([[1, 0], [2, 3]], np.int32),
        fixed=(1, 2),
    ),
    "SPACE_TO_DEPTH": lambda t: case(
        "SPACE_TO_DEPTH", values((2, 4, 6, 3), t), table="SpaceToDepthOptions", blockSize=2
    ),
    "SPLIT": lambda t: case(
        "SPLIT",
        int32(1),
        values((2, 6, 4), t),
        fixed=(0,),
        outputs=(t,) * 3,
        table="SplitOptions",
        numSplits=3,
    ),
    "SPLIT_V": lambda t: case(
        "SPLIT_V",
        values((2, 6, 4), t),
        int32(1, -1, 2),
        int32(1),
        fixed=(1, 2),
        outputs=(t,) * 3,
        table="SplitVOptions",
        numSplits=3,
    ),
    "SQUEEZE": lambda t: case(
        "SQUEEZE", values((1, 3, 1, 4), t), table="SqueezeOptions", squeezeDims=[2]
    ),
    "STRIDED_SLICE": lambda t: case(
        "STRIDED_SLICE",
        values((3, 4, 5), t),
        int32(0, -1, 1),
        int32(3, -4, 5),
        int32(1, -1, 2),
        fixed=(1, 2, 3),
        table="StridedSliceOptions",
        endMask=1,
    ),
    "TILE": lambda t: case("TILE", values((2, 3, 4), t), int32(2, 1, 3), fixed=(1,)),
    "TOPK_V2": lambda t: case("TOPK_V2", values((3, 40), t), int32(5), outputs=(t, "int32")),
    "TRANSPOSE": lambda t: case("TRANSPOSE", values((2, 3, 4), t), int32(2, 0, 1), fixed=(1,)),
    "UNIQUE": lambda t: case(
        "UNIQUE",
        values((400,), t) // np.array(1, t),
        outputs=(t, "int64"),
        table="UniqueOptions",
        idxOutType=4,
    ),
    "UNPACK": lambda t: case(
        "UNPACK", values((3, 4, 5), t), outputs=(t,) * 4, table="UnpackOptions", axis=1, num=4
    ),
    "WHERE": lambda t: case(
        "WHERE", values((3, 4, 5), t) * (values((3, 4, 5), t, 1) > 0), outputs=("int64",)
    ),
    "ZEROS_LIKE": lambda t: case("ZEROS_LIKE", values((3, 4), t)),
}
