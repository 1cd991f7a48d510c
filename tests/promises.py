"""What ``tflreplay ops MODEL`` promises, held to a run."""

from __future__ import annotations

from tflreplay.judgement.run import Run
from tflreplay.replayer.trial import try_ops


def broken_promises(run: Run) -> list[str]:
    """Every layer of which the run says otherwise, but for tensors that the runtime did not give.

    Of an op that depends on the inputs nothing is promised.
    """
    promised = try_ops(run.model, run.engine)
    wrong = []
    for layer in run.comparison.layers:
        trial = promised[0, layer.op_index]
        if layer.tensor.index in run.capture.missing or trial.depends:
            continue
        said = layer.reason if layer.status == "not replayed" else ""
        if trial.reason != said:
            wrong.append(f"op {layer.op_index} {layer.op}: {trial.reason!r}, the run: {said!r}")
    return wrong
