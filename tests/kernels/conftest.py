"""Kernel tests run once for each engine that replays all their ops."""

from __future__ import annotations

import pytest

from tflreplay.ground.engine import Engine


@pytest.fixture(params=["reference", "optimized", "xnnpack"])
def engine(request: pytest.FixtureRequest) -> Engine:
    return Engine(request.param)
