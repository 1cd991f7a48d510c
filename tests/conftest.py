"""Shared by all tests: the committed models, and a capture of the small one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import selected_rows
from tflreplay.model import Model, load
from tflreplay.runtimes import Capture, capture
from tflreplay.runtimes.inputs import Inputs, random_inputs

MODELS = Path(__file__).parent.parent / "models"
EFFICIENTNET = MODELS / "efficientnet_b0_int8.tflite"
SEVEN_OPS = MODELS / "seven_ops_int8.tflite"
IMAGE = MODELS / "img.npy"


def pytest_configure(config: pytest.Config) -> None:
    selected_rows.watch(config)


@pytest.fixture(scope="session")
def seven_ops() -> Model:
    return load(SEVEN_OPS)


@pytest.fixture(scope="session")
def seven_inputs(seven_ops: Model) -> Inputs:
    return random_inputs(seven_ops, seed=1)


@pytest.fixture(scope="session")
def seven_captured(seven_ops: Model, seven_inputs: Inputs) -> Capture:
    return capture(seven_ops, seven_inputs.arrays)
