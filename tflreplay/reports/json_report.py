"""``report.json``: everything a report says, for machines.

Numbers that were not computed, or are not finite, are null. ``layers`` holds an object for each
op output; its ``isolated``, ``stretch`` and ``chained`` are null or hold the counts, ``histogram``
as pairs [difference, count] and, where the layer is not exact, ``by_channel`` arrays. ``verdict``
is null where nothing differs in the whole run, ``detail`` where nothing differs in the layer.
``input_steps`` holds an object for each input that was given in real numbers, and of which the
other side shows the codes.
"""

from __future__ import annotations

import json
import math
from typing import Any

from tflreplay import __version__
from tflreplay.judgement.comparison import LayerDiff
from tflreplay.judgement.defects import Met
from tflreplay.judgement.detail import Detail, Element
from tflreplay.judgement.diagnosis import Fit, OpVerdict, Verdict, summarize
from tflreplay.judgement.difference import Array, Difference
from tflreplay.judgement.input_steps import InputStep
from tflreplay.judgement.measured import assumed_ops
from tflreplay.judgement.proof import Proof
from tflreplay.judgement.run import Run, story
from tflreplay.judgement.stretch import StretchVerdict
from tflreplay.model import Tensor
from tflreplay.reports import amplification, dataset, expected

# 1: the first. 2: a fit holds its mistakes as a list.
FORMAT_VERSION = 2


def document(run: Run) -> dict[str, Any]:
    """The report as plain dicts, lists, strings and numbers."""
    comparison, capture = run.comparison, run.capture
    first = comparison.first_divergence
    return {
        "format_version": FORMAT_VERSION,
        "tflreplay_version": __version__,
        "command": run.asked.command,
        "explain_command": run.asked.explain_command,
        "model": {"path": str(run.model.path), "sha256": run.model.sha256},
        "inputs": list(run.asked.inputs),
        "replay": {
            "engine": run.engine.name,
            "runtime": run.engine.runtime,
            "version": run.engine.version,
            "threads": run.engine.threads,
            "machine": str(run.engine.machine),
            "profile": None if run.engine.profile is None else run.engine.profile.name,
            "assumed": [op.index for op in assumed_ops(run.model, run.engine)],
        },
        "capture": {
            "runtime": capture.runtime,
            "version": capture.version,
            "engine": capture.engine,
            "threads": capture.threads,
            "machine": str(capture.machine),
            "notes": list(run.notes),
            "failure": capture.failure,
            "missing": [
                {"tensor": tensor, "reason": reason} for tensor, reason in capture.missing.items()
            ],
        },
        "seconds": {stage: _number(value) for stage, value in run.seconds.items()},
        "summary": {
            "verdict": run.verdict,
            "text": run.headline,
            "layers": len(comparison.layers),
            "exact": len(comparison.layers)
            - len(comparison.mismatched)
            - len(comparison.not_replayed)
            - len(comparison.not_dumped)
            - len(comparison.not_read),
            "mismatched": len(comparison.mismatched),
            "not_replayed": len(comparison.not_replayed),
            "not_dumped": len(comparison.not_dumped),
            "not_read": len(comparison.not_read),
            "elements": run.elements,
            "isolated_mismatches": run.mismatches("isolated"),
            "stretch_mismatches": run.mismatches("stretch"),
            "chained_mismatches": run.mismatches("chained"),
            "first_divergence": None
            if first is None
            else {
                "op_index": first.op_index,
                "op": first.op,
                "tensor": first.tensor.index,
                "suspects": list(first.suspects.ops),
            },
            "explanations": [_op_verdict(found) for found in summarize(run.verdicts.values())],
            "built": run.findings.built or None,
            "untried": list(run.untried),
            "proofs": [_proof(proof) for proof in run.findings.proofs],
            "defects": list(run.defects),
            "amplification": amplification.render(run) or None,
        },
        "expectations": expected.document(run),
        "input_steps": [_input_step(step) for step in run.input_steps],
        "amplification": amplification.document(run),
        "dataset": dataset.document(run),
        "layers": [_layer(run, layer) for layer in comparison.layers],
    }


def dumps(run: Run) -> str:
    """The report as compact JSON, in ASCII."""
    return encoded(document(run))


def encoded(found: dict[str, Any]) -> str:
    """A :func:`document` as compact JSON, in ASCII."""
    return json.dumps(found, separators=(",", ":"), allow_nan=False)


def _op_verdict(found: OpVerdict) -> dict[str, Any]:
    return {
        "op": found.op,
        "text": found.text,
        "layers": found.layers,
        "differing": found.differing,
        "elements": found.elements,
        "sure": found.sure,
        "strength": found.strength,
        "fits": [_fit(fit) for fit in found.fits],
        "alike": [{"op_index": i, "fit": _fit(fit)} for i, fit in found.alike.items()],
        "partial": dict(found.partial),
        "contradicted": dict(found.contradicted),
    }


def _proof(found: Proof) -> dict[str, Any]:
    return {
        "op": found.op,
        "text": found.text,
        "in_force": found.in_force,
        "layers": found.layers,
        "layers_looked_at": found.seen,
        "elements": found.elements,
        "rules": dict(found.rules),
        "mistakes": dict(found.mistakes),
        "command": found.command,
    }


def _verdict(found: Verdict) -> dict[str, Any]:
    return {
        "kind": found.kind,
        "answer": found.answer,
        "text": found.text,
        "in_force": found.in_force,
        "elements": found.elements,
        "discriminating": found.discriminating,
        "sure": found.sure,
        "strength": found.strength,
        "fits": [_fit(fit) for fit in found.fits],
        "nearest": [_fit(fit) for fit in found.nearest],
        "contradicted": dict(found.contradicted),
    }


def _stretch_verdict(found: StretchVerdict | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "answer": found.answer,
        "text": found.text,
        "elements": found.elements,
        "engines": list(found.engines),
        "changes": [
            {
                "op_index": change.op_index,
                "op": change.op,
                "arithmetic": change.arithmetic,
                "mistake": change.mistake or None,
            }
            for change in found.changes
        ],
        "tried_engines": list(found.tried_engines),
        "tried_changes": found.tried_changes,
        "not_tried": list(found.untried),
    }


def _fit(fit: Fit) -> dict[str, Any]:
    return {
        "arithmetic": fit.arithmetic,
        "rule": fit.rule or None,
        "mistakes": [said.named for said in fit.mistakes],
        "words": fit.claim,
        "same_as_mistake": fit.same_as.name if fit.same_as is not None else None,
        "explained": fit.explained,
        "channels_not_explained": list(fit.exceptions),
    }


def _layer(run: Run, layer: LayerDiff) -> dict[str, Any]:
    graph = run.model.main
    verdict = run.verdicts.get(layer.op_index)
    inputs = [index for index in graph.operators[layer.op_index].inputs if index >= 0]
    return {
        "op_index": layer.op_index,
        "op": layer.op,
        "status": layer.status,
        "text": " ".join([story(layer), *_told(run, layer)]),
        "reason": layer.reason or None,
        "rule": layer.rule or None,
        "user_kernel": run.user_kernels.get(layer.op_index),
        "defects": [_defect(met) for met in run.findings.defects.get(layer.op_index, ())],
        "verdict": _verdict(verdict) if verdict is not None else None,
        "stretch_verdict": _stretch_verdict(
            run.findings.stretches.get((layer.op_index, layer.tensor.index))
        ),
        "origin": layer.origin or None,
        "output": _tensor(layer.tensor, layer.shape),
        "inputs": [_tensor(graph.tensors[index], graph.tensors[index].shape) for index in inputs],
        "elements": layer.elements,
        "channel_axis": layer.channel_axis,
        "channels": len(layer.main.channels) if layer.main is not None else None,
        "suspects": list(layer.suspects.ops) if layer.main is not None else None,
        "since": [{"tensor": t, "op_index": op} for t, op in layer.suspects.since]
        if layer.main is not None
        else None,
        "isolated": _difference(layer.isolated),
        "stretch": _difference(layer.stretch),
        "chained": _difference(layer.chained),
        "detail": _detail(run.findings.details.get((layer.op_index, layer.tensor.index))),
    }


def _input_step(step: InputStep) -> dict[str, Any]:
    return {
        "input": _tensor(step.tensor, step.tensor.shape),
        "status": step.status,
        "text": step.text,
        "elements": step.difference.elements,
        "difference": _difference(step.difference),
        "verdict": _verdict(step.verdict) if step.verdict is not None else None,
        "lines": [{"slope": line.slope, "offset": line.offset} for line in step.lines],
    }


def _told(run: Run, layer: LayerDiff) -> list[str]:
    return [
        f"{met.text[0].upper()}{met.text[1:]}."
        for met in run.findings.defects.get(layer.op_index, ())
    ]


def _defect(found: Met) -> dict[str, Any]:
    return {
        "words": found.defect.words,
        "wrong": found.wrong if found.elements else None,
        "report": found.defect.report or None,
    }


def _tensor(tensor: Tensor, shape: tuple[int, ...]) -> dict[str, Any]:
    return {
        "tensor": tensor.index,
        "name": tensor.name,
        "shape": list(shape),
        "dtype": tensor.dtype,
        "constant": tensor.is_constant,
        "quantization": _quantization(tensor),
    }


def _quantization(tensor: Tensor) -> dict[str, Any] | None:
    """Per tensor the parameters; per axis how many there are, and their range."""
    found = tensor.quantization
    if found is None:
        return None
    if not found.per_axis:
        return {"scale": tensor.scale, "zero_point": tensor.zero_point}
    return {
        "axis": found.axis,
        "scales": found.scale.size,
        "scale_range": [float(found.scale.min()), float(found.scale.max())],
        "zero_point_range": [int(found.zero_point.min()), int(found.zero_point.max())],
    }


def _difference(diff: Difference | None) -> dict[str, Any] | None:
    if diff is None:
        return None
    channels = diff.channels
    result: dict[str, Any] = {
        "mismatches": diff.mismatches,
        "rate": diff.rate,
        "plus_one": diff.plus_one,
        "minus_one": diff.minus_one,
        "max_abs_diff": _number(diff.max_abs),
        "mean_diff": _number(diff.mean),
        "channels_affected": int((channels.mismatches > 0).sum()),
        "histogram": [[difference, diff.histogram[difference]] for difference in diff.histogram],
    }
    if not diff.exact:
        result["by_channel"] = {
            "elements": int(channels.elements.max(initial=0)),
            "mismatches": channels.mismatches.tolist(),
            "plus_one": channels.plus_one.tolist(),
            "minus_one": channels.minus_one.tolist(),
            "max_abs_diff": _numbers(channels.max_abs),
            "mean_diff": _numbers(channels.mean),
        }
    return result


def _detail(found: Detail | None) -> dict[str, Any] | None:
    if found is None:
        return None
    heat, saturation, fractions = found.heat, found.saturation, found.fractions
    return {
        "mode": found.mode,
        "input": found.input or None,
        "explain_command": found.explain_command,
        "worst": [_element(element) for element in found.worst],
        "heat": None
        if heat is None
        else {"size": list(heat.size), "mismatches": heat.mismatches.tolist()},
        "saturation": None
        if saturation is None
        else {
            "codes": list(saturation.codes),
            "ours": list(saturation.ours),
            "theirs": list(saturation.theirs),
        },
        "fractions": None
        if fractions is None
        else [[fraction, int(difference)] for fraction, difference in fractions.tolist()],
    }


def _element(element: Element) -> dict[str, Any]:
    return {
        "index": list(element.index),
        "ours": _number(element.ours),
        "theirs": _number(element.theirs),
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _numbers(values: Array) -> list[float | None]:
    return [_number(value) for value in values.tolist()]
