"""Bit-exact layer-by-layer replay debugger for quantized .tflite models.

The verbs::

    model = tflreplay.load("model.tflite")
    inputs = tflreplay.read_inputs(model, ["img.npy"])
    captured = tflreplay.capture(model, inputs.arrays)
    chained = tflreplay.replay(model, inputs.arrays)
    isolated = tflreplay.replay_isolated(model, captured.tensors)
    comparison = tflreplay.compare(model, captured.tensors, chained, isolated)

or all of them at once, and a report::

    run = tflreplay.run(model, inputs)
    tflreplay.report(run, "reports/mine")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tflreplay.comparison import Comparison as Comparison
    from tflreplay.comparison import compare as compare
    from tflreplay.errors import TflreplayError as TflreplayError
    from tflreplay.explaining import Explanation as Explanation
    from tflreplay.explaining import explain as explain
    from tflreplay.inputs import Inputs as Inputs
    from tflreplay.inputs import random_inputs as random_inputs
    from tflreplay.inputs import read_inputs as read_inputs
    from tflreplay.model import Model as Model
    from tflreplay.model import load as load
    from tflreplay.pipeline import run as run
    from tflreplay.port_kit import PortKit as PortKit
    from tflreplay.port_kit import extract as extract
    from tflreplay.probing import Probe as Probe
    from tflreplay.probing import probe as probe
    from tflreplay.replayer import Replay as Replay
    from tflreplay.replayer import replay as replay
    from tflreplay.replayer import replay_isolated as replay_isolated
    from tflreplay.reports import report as report
    from tflreplay.reports.frames import channels_frame as channels_frame
    from tflreplay.reports.frames import histogram_frame as histogram_frame
    from tflreplay.reports.frames import layers_frame as layers_frame
    from tflreplay.runtimes import Capture as Capture
    from tflreplay.runtimes import capture as capture
    from tflreplay.user_kernels import kernel as kernel
    from tflreplay.user_kernels import load_kernels as load_kernels

__version__ = "0.1.0"

# Where each public name lives. Modules load on first use: numpy and the flatbuffer schema take
# longer to import than `tflreplay --help` should.
_HOMES = {
    "Capture": "runtimes",
    "Comparison": "comparison",
    "Explanation": "explaining",
    "Inputs": "inputs",
    "Model": "model",
    "PortKit": "port_kit",
    "Probe": "probing",
    "Replay": "replayer",
    "TflreplayError": "errors",
    "capture": "runtimes",
    "channels_frame": "reports.frames",
    "compare": "comparison",
    "explain": "explaining",
    "histogram_frame": "reports.frames",
    "extract": "port_kit",
    "kernel": "user_kernels",
    "layers_frame": "reports.frames",
    "load": "model",
    "load_kernels": "user_kernels",
    "probe": "probing",
    "random_inputs": "inputs",
    "read_inputs": "inputs",
    "replay": "replayer",
    "replay_isolated": "replayer",
    "report": "reports",
    "run": "pipeline",
}
__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
