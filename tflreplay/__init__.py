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
    from tflreplay.ground.engine import Engine as Engine
    from tflreplay.ground.errors import TflreplayError as TflreplayError
    from tflreplay.judgement.comparison import Comparison as Comparison
    from tflreplay.judgement.comparison import compare as compare
    from tflreplay.judgement.diagnosis import diagnose as diagnose
    from tflreplay.judgement.diagnosis import summarize as summarize
    from tflreplay.model import Model as Model
    from tflreplay.model import load as load
    from tflreplay.replayer.loop import Replay as Replay
    from tflreplay.replayer.loop import replay as replay
    from tflreplay.replayer.loop import replay_isolated as replay_isolated
    from tflreplay.replayer.user_kernels import kernel as kernel
    from tflreplay.replayer.user_kernels import load_kernels as load_kernels
    from tflreplay.reports import report as report
    from tflreplay.reports.frames import channels_frame as channels_frame
    from tflreplay.reports.frames import histogram_frame as histogram_frame
    from tflreplay.reports.frames import layers_frame as layers_frame
    from tflreplay.runtimes import Capture as Capture
    from tflreplay.runtimes import capture as capture
    from tflreplay.runtimes.dataset import read_dataset as read_dataset
    from tflreplay.runtimes.inputs import Inputs as Inputs
    from tflreplay.runtimes.inputs import random_inputs as random_inputs
    from tflreplay.runtimes.inputs import read_inputs as read_inputs
    from tflreplay.tools.dataset import run_dataset as run_dataset
    from tflreplay.tools.explain import Explanation as Explanation
    from tflreplay.tools.explain import explain as explain
    from tflreplay.tools.extract import PortKit as PortKit
    from tflreplay.tools.extract import extract as extract
    from tflreplay.tools.probe import Probe as Probe
    from tflreplay.tools.probe import probe as probe
    from tflreplay.tools.replay import run as run

__version__ = "0.1.0"

# Where each public name lives. Modules load on first use: numpy and the flatbuffer schema take
# longer to import than `tflreplay --help` should.
_HOMES = {
    "Capture": "runtimes",
    "Comparison": "judgement.comparison",
    "Engine": "ground.engine",
    "Explanation": "tools.explain",
    "Inputs": "runtimes.inputs",
    "Model": "model",
    "PortKit": "tools.extract",
    "Probe": "tools.probe",
    "Replay": "replayer.loop",
    "TflreplayError": "ground.errors",
    "capture": "runtimes",
    "channels_frame": "reports.frames",
    "compare": "judgement.comparison",
    "diagnose": "judgement.diagnosis",
    "explain": "tools.explain",
    "histogram_frame": "reports.frames",
    "extract": "tools.extract",
    "kernel": "replayer.user_kernels",
    "layers_frame": "reports.frames",
    "load": "model",
    "load_kernels": "replayer.user_kernels",
    "probe": "tools.probe",
    "random_inputs": "runtimes.inputs",
    "read_dataset": "runtimes.dataset",
    "read_inputs": "runtimes.inputs",
    "replay": "replayer.loop",
    "replay_isolated": "replayer.loop",
    "report": "reports",
    "run": "tools.replay",
    "run_dataset": "tools.dataset",
    "summarize": "judgement.diagnosis",
}
__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
