"""Every row of the table of moving ops, on every type it names, in every engine."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.kernels.common import reason_not_replayed
from tests.kernels.moving import CASES, Case, case, exact, int32, values
from tests.single_op import Spec, assert_exact, build, run_engine, run_replay
from tflreplay.ground.engine import Engine
from tflreplay.ops import Row, card
from tflreplay.ops.base.row import ANY

_COMPUTING = {"CAST", "RESIZE_BILINEAR"}  # tested in files of their own
_PACKED = {"int2", "int4"}


def _rows() -> Iterator[tuple[str, Row]]:
    return ((op, row) for op in CASES for row in card(op).rows("reference"))


def _types() -> dict[str, list[str]]:
    """The types of each op."""
    types: dict[str, list[str]] = {}
    for op, row in _rows():
        named = ("int8", "float16", "complex64") if row.types == ANY else row.types
        types.setdefault(op, []).extend(name for name in named if name not in _PACKED)
    return {op: names for op, names in types.items() if op not in _COMPUTING}


@pytest.mark.parametrize("op", _types())
def test_every_type(engine: Engine, op: str) -> None:
    for dtype in _types()[op]:
        exact(engine, CASES[op](dtype))


@pytest.mark.parametrize(
    "op", sorted({op for op, row in _rows() if "int4" in row.types} - _COMPUTING)
)
def test_int4(engine: Engine, op: str) -> None:
    moved = CASES[op]("int8")
    arrays = [array >> 4 if array.dtype == np.int8 else array for array in moved.inputs]
    types = ["int4" if array.dtype == np.int8 else str(array.dtype) for array in arrays]
    inputs = [
        Spec(array.shape, dtype, data=array if i in moved.fixed else None)
        for i, (array, dtype) in enumerate(zip(arrays, types, strict=True))
    ]
    output = Spec(moved.shape, "int4")
    content = build(op, inputs, [output], moved.options, moved.table, moved.version)
    feeds = [array for i, array in enumerate(arrays) if i not in moved.fixed]
    assert assert_exact(content, feeds, engine) > 0


@pytest.mark.parametrize(
    ("op", "dtype", "types"),
    [
        ("TOPK_V2", "bool", "float32, int16, int32, int64, int8, uint8"),
        ("MATRIX_DIAG", "float64", "float32, int16, int32, int64, int8, uint32, uint8"),
        ("BROADCAST_ARGS", "int8", "int32, int64"),
    ],
)
def test_other_types_are_refused(op: str, dtype: str, types: str) -> None:
    moved = CASES[op](dtype)
    reason = reason_not_replayed(moved.model(), moved.feeds())
    assert (
        reason
        == f"tflreplay has no reference kernel for {op} on {dtype} (there is one for {types})"
    )


_EMPTY = [
    case("RESHAPE", values((0, 3), "int8"), int32(3, 0), fixed=(1,)),
    case("TRANSPOSE", values((0, 3), "int8"), int32(1, 0), fixed=(1,)),
    case("TILE", values((2, 3), "int8"), int32(0, 2), fixed=(1,)),
    case("SLICE", values((2, 3), "int8"), int32(1, 1), int32(0, 2), fixed=(1, 2), shape=(0, 2)),
    case("PAD", values((0, 3), "float32"), int32(1, 0, 0, 2).reshape(2, 2), fixed=(1,)),
    case("GATHER", values((2, 3), "int8"), int32(), table="GatherOptions", axis=1),
]


@pytest.mark.parametrize("moved", _EMPTY, ids=[moved.op for moved in _EMPTY])
def test_no_elements(engine: Engine, moved: Case) -> None:
    assert_exact(moved.model(), moved.feeds(), engine)


_EMPTY_AT_RUN_TIME = [
    (case("WHERE", values((3, 4), "bool") & False, outputs=("int64",)), (0, 2)),
    (case("TOPK_V2", values((3, 4), "int8"), int32(0), outputs=("int8", "int32")), (3, 0)),
    (case("FILL", int32(2, 0), values((), "int8"), outputs=("int8",)), (2, 0)),
    (case("RANGE", *(int32(n).reshape(()) for n in (5, 5, 1))), (0,)),
]


@pytest.mark.parametrize(
    ("moved", "shape"), _EMPTY_AT_RUN_TIME, ids=[moved.op for moved, _ in _EMPTY_AT_RUN_TIME]
)
def test_no_elements_at_run_time(engine: Engine, moved: Case, shape: tuple[int, ...]) -> None:
    """The interpreter has no array to give then, so ours can be compared with no other."""
    assert all(output.shape == shape for output in run_replay(moved.model(), moved.feeds(), engine))
    with pytest.raises(ValueError, match="Invalid tensor size"):
        run_engine(moved.model(), moved.feeds(), engine)
