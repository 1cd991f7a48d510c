"""What an engine works out of an operator before it computes it, for kernels in C."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import Accumulation, Array, Multiplier
from tflreplay.ground.window import Window
from tflreplay.model import Model
from tflreplay.ops import DELEGATE, card, row_of
from tflreplay.ops.base.call import Call, activation_range
from tflreplay.ops.seam import call_of, recorded

_OF_OUTPUT = "output"


@dataclass(frozen=True)
class Prepared:
    """``multiplier`` is the output's, None of an op that has none or is not modelled here.

    ``rescales`` are those of the inputs that the op rescales, each shifted left by ``left_shift``
    before. ``low`` and ``high`` are the codes that the op lets through; 0 and 0 where the output
    has no codes. ``windows`` are a sliding window's rows and columns.
    """

    multiplier: Multiplier | None = None
    rescales: tuple[Multiplier, ...] = ()
    left_shift: int = 0
    low: int = 0
    high: int = 0
    windows: tuple[Window, Window] | None = None


def prepare(model: Model, call: Call, arrays: Sequence[Array | None]) -> Prepared:
    """What ``call.engine`` prepares; for a delegate, which prepares nothing such, the reference.

    Args:
        arrays: the op's inputs. Multipliers do not depend on activations; shapes do.
    """
    engine = call.engine
    if engine.name == DELEGATE:
        engine = Engine(runtime=engine.runtime, version=engine.version, machine=engine.machine)
    graph = model.subgraphs[call.graph]
    tensors = {i: a for i, a in zip(call.op.inputs, arrays, strict=True) if a is not None}
    try:
        row = row_of(engine, graph, call.op)
        known, _ = call_of(graph, call.op, tensors, engine, row, call.session)
        result, rescales = recorded(known, arrays)
    except NotReplayed:
        return Prepared()  # a port may compute what we do not
    of_card = card(call.op.name)
    by_name = dict(zip(of_card.rescales, rescales, strict=False))
    found = Prepared(
        multiplier=by_name.pop(_OF_OUTPUT, None),
        rescales=tuple(by_name.values()),
        left_shift=of_card.left_shift(call.input(0)) if of_card.left_shift is not None else 0,
        windows=of_card.window(known) if of_card.window is not None else None,
    )
    if isinstance(result, Accumulation):
        return replace(found, multiplier=result.multiplier, low=result.low, high=result.high)
    if call.output.quantization is None or call.output.numpy_dtype.kind not in "iu":
        return found
    activation = call.op.options.get("fused_activation_function", "NONE")
    low, high = activation_range(known, activation)
    return replace(found, low=low, high=high)
