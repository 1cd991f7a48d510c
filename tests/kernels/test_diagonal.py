from __future__ import annotations

import pytest

from tests.kernels.moving import case, exact, values
from tflreplay.ground.engine import Engine


@pytest.mark.parametrize("shape", [(1,), (5,), (3, 4), (2, 3, 4)])
def test_matrix_diag(engine: Engine, shape: tuple[int, ...]) -> None:
    exact(engine, case("MATRIX_DIAG", values(shape, "int8")))


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (3, 5), (2, 4, 4), (2, 3, 2, 6)])
def test_matrix_set_diag(engine: Engine, shape: tuple[int, ...]) -> None:
    diagonal = values((*shape[:-2], min(shape[-2:])), "int8", 1)
    exact(engine, case("MATRIX_SET_DIAG", values(shape, "int8"), diagonal))
