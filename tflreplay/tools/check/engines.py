"""What an engine does not run, or computes wrongly: asked of the op's card."""

from __future__ import annotations

from collections.abc import Iterator

from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.words import few
from tflreplay.model import Model, with_valid_axes
from tflreplay.ops import defects_of, delegated, row_of
from tflreplay.ops.base.refusals import Refusal
from tflreplay.ops.base.registered import missing
from tflreplay.ops.base.row import Defect
from tflreplay.ops.seam import call_of, wrong_elements
from tflreplay.tools.check.records import At, Found, Rule, Severity


def unsupported(at: At) -> Iterator[Found]:
    what = missing(at.engine, at.op.name, at.op.version, at.site.dtype)
    if what:
        yield Found(what, at.op, at.graph.index)


def refused(at: At) -> Iterator[Found]:
    for refusal in at.card.refusals:
        if _asks(at, refusal) and at.site.dtype in refusal.types and refusal.when(at.site):
            how = "the process is aborted" if refusal.aborts else "the model is not prepared"
            yield Found(
                f"{refusal.when}: {how}",
                at.op,
                at.graph.index,
                todo=refusal.remedy,
                source=refusal.source,
            )


def axis_that_is_none(model: Model, engine: Engine) -> Iterator[Found]:
    if engine.runtime != "litert":
        return
    _, names = with_valid_axes(model.content)
    if names:
        what = f"the quantized axis of {few(names)} does not exist in the file"
        yield Found(what)


def _asks(at: At, refusal: Refusal) -> bool:
    """What XNNPACK leaves is prepared by the kernels below it."""
    if at.engine.name in refusal.engines:
        return True
    below = at.engine.name == "xnnpack" and "optimized" in refusal.engines
    return below and not delegated(at.engine, at.graph, at.op)


def defect(at: At) -> Iterator[Found]:
    for one in defects_of(at.engine, at.graph, at.op):
        if (severity := _shown(at, one)) is not None:
            yield Found(
                f"the engine {one.words}",
                at.op,
                at.graph.index,
                severity[0],
                why=severity[1],
                source=one.report,
            )


def _shown(at: At, one: Defect) -> tuple[Severity, str] | None:
    """How bad it is, and how that is known; None where the input shows that it is not met."""
    if one.right is None and one.shows is None:
        return Severity.ERROR, "it is so for every input"
    if at.seen or (one.aborts and all(i in at.tensors for i in at.op.inputs)):
        try:
            row = row_of(at.engine, at.graph, at.op)
            counted = wrong_elements(*call_of(at.graph, at.op, at.tensors, at.engine, row), one)
        except NotReplayed as error:
            return Severity.WARNING, f"whether it shows is not known: {error}"
        if counted is None:
            return None
        wrong, elements = counted
        of = f"{wrong:,} of {elements:,} elements with this input" if elements else "this input"
        return Severity.ERROR, f"{of} shows it" if not elements else f"{of} are wrong"
    moves = _moves(at)
    return (
        Severity.ERROR if moves else Severity.WARNING,
        "the numbers that the codes stand for change"
        if moves
        else "it depends on the input; give one with --input to see",
    )


def _moves(at: At) -> bool:
    try:
        return row_of(at.engine, at.graph, at.op).moves
    except NotReplayed:
        return False


def dynamic(model: Model, engine: Engine) -> Iterator[Found]:
    if engine.runtime != "tflm":
        return
    for graph in model.subgraphs:
        for op in graph.operators:
            for tensor in (graph.tensors[index] for index in op.outputs):
                if -1 in tensor.shape_signature:
                    what = f"tensor {tensor.label} has the shape {list(tensor.shape_signature)}"
                    yield Found(what, op, graph.index)


RULES = (
    Rule(
        "unsupported",
        Severity.ERROR,
        "no kernel is registered for it, so the model is not loaded or not run",
        "convert for this runtime, replace the op, or register a kernel of your own",
        "asked of the runtime: tflreplay/ops/base/registered.py",
        of_op=unsupported,
        of_engine=True,
    ),
    Rule(
        "refused",
        Severity.ERROR,
        "the kernel checks it before it computes",
        "",
        "",
        of_op=refused,
        of_engine=True,
    ),
    Rule(
        "axis",
        Severity.ERROR,
        "LiteRT checks it of every tensor and does not prepare the model (seen in 1.2.0 to 2.3.0); "
        "no arithmetic reads it, and tflreplay gives it a copy of the model without it",
        "convert the model again: the axis of a bias is 0",
        "ParseQuantization, tflite/core/interpreter_builder.cc",
        of_model=axis_that_is_none,
        of_engine=True,
    ),
    Rule(
        "defect",
        Severity.WARNING,
        "",
        "see docs/known-defects.md; avoid these parameters, or use another engine",
        "docs/known-defects.md",
        of_op=defect,
        of_engine=True,
    ),
    Rule(
        "dynamic-shape",
        Severity.HINT,
        "TFLM takes the shape that the file has, and does not resize",
        "convert with a fixed input shape",
        "tensorflow/lite/micro/micro_allocator.cc",
        of_model=dynamic,
        of_engine=True,
    ),
)
