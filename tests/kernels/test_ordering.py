from __future__ import annotations

import numpy as np
import pytest

from tests.kernels.moving import case, exact, int32, values
from tests.single_op import Spec, assert_exact, build
from tflreplay.ground.engine import Engine


def test_transpose(engine: Engine) -> None:
    rng = np.random.default_rng(14)
    for rank in range(1, 7):
        x = values(tuple(rng.integers(1, 6, rank).tolist()), "int8")
        exact(engine, case("TRANSPOSE", x, int32(*rng.permutation(rank)), fixed=(1,)))
    exact(engine, case("TRANSPOSE", values((2, 3, 4), "int8"), int32(-1, 0, -2), fixed=(1,)))


@pytest.mark.parametrize("axes", [(0,), (2,), (-1,), (0, 1), (1, 2), (0, 1, 2)])
def test_reverse_v2(engine: Engine, axes: tuple[int, ...]) -> None:
    x = values((3, 4, 5), "int16")
    exact(engine, case("REVERSE_V2", x, int32(*axes), fixed=(1,), version=3))


@pytest.mark.parametrize("index", ["int32", "int64"])
@pytest.mark.parametrize(("seq", "batch"), [(0, 1), (1, 0), (1, 2), (3, 0), (0, 3)])
def test_reverse_sequence(engine: Engine, seq: int, batch: int, index: str) -> None:
    rng = np.random.default_rng(seq)
    x = values((4, 5, 3, 6), "uint8")
    lengths = rng.integers(0, x.shape[seq], x.shape[batch], index, endpoint=True)
    options = {"seqDim": seq, "batchDim": batch}
    exact(engine, case("REVERSE_SEQUENCE", x, lengths, table="ReverseSequenceOptions", **options))


def test_transpose_of_int16_keeps_no_scale(engine: Engine) -> None:
    """Codes are copied even where input and output are quantized differently."""
    x = values((3, 4), "int16")
    permutation = Spec((2,), "int32", data=int32(1, 0))
    source, target = Spec(x.shape, "int16", 0.25), Spec((4, 3), "int16", 0.5)
    assert assert_exact(build("TRANSPOSE", [source, permutation], [target]), [x], engine) == 12
