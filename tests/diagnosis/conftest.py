"""The layers that verdicts are tried on, by model."""

from __future__ import annotations

import pytest

from tests.diagnosis.models import Layer, int8_layers, layers, tied_layers, uint8_layers
from tflreplay.model import Model
from tflreplay.runtimes import Capture
from tflreplay.runtimes.inputs import Inputs


@pytest.fixture(scope="session")
def models(
    seven_ops: Model, seven_inputs: Inputs, seven_captured: Capture
) -> dict[str, tuple[Layer, ...]]:
    return {
        "seven_ops": layers(seven_ops, dict(seven_inputs.arrays) | seven_captured.tensors),
        "int8": int8_layers(),
        "uint8": uint8_layers(),
        "tied": tied_layers(),
    }
