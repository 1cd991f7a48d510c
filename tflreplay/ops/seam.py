"""The seam between an op's two halves: the one place where a row's kernel is called.

The first half gives exact accumulators with their multiplier, zero point and clamp; the second
requantizes them by the rule in force. Rules are swapped here, elements explained, vectors cut and
mistakes made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import NotReplayed
from tflreplay.ground.rounding import RULES, Accumulation, Array, Multiplier, Rule, requantize
from tflreplay.model import Operator, Subgraph, Tensor, as_run
from tflreplay.ops import card, kernels_of
from tflreplay.ops.base.call import Call, with_options
from tflreplay.ops.base.ledger import Terms
from tflreplay.ops.base.lookup import look_up_pairs, pair_codes
from tflreplay.ops.base.row import Defect, Row
from tflreplay.ops.base.session import Session

Tensors = Mapping[int, Array]
FirstHalf = Accumulation | Array | tuple[Array, ...]

_UNIT, _SMALLEST = 2.0**-24, 2.0**-126  # of float32: the largest rounding of 1, a normal number
_BUDGET = 1 << 28  # three times the accumulators of an EfficientNet-B0


class FirstHalves:
    """Accumulators of whole layers, kept for whoever asks for them next.

    The least lately made are dropped where all together take more than ``budget`` bytes.
    """

    def __init__(self, budget: int = _BUDGET) -> None:
        self._left = budget
        self._kept: dict[object, tuple[Sequence[Array | None], Accumulation]] = {}

    def of(self, call: Call, arrays: Sequence[Array | None]) -> FirstHalf:
        """As :func:`first_half`, which is asked only where other arrays were the last ones."""
        key = (call.graph, call.op.index, call.engine, *_first_half_key(call))
        kept = self._kept.get(key)
        if kept is not None and all(map(_same, kept[0], arrays)):
            return kept[1]
        result = first_half(call, arrays)
        if isinstance(result, Accumulation) and not _remembers(call):
            self._keep(key, arrays, result)
        return result

    def _keep(self, key: object, arrays: Sequence[Array | None], made: Accumulation) -> None:
        self._drop(key)
        self._kept[key] = arrays, made
        self._left -= made.values.nbytes
        while self._left < 0:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: object) -> None:
        if key in self._kept:
            self._left += self._kept.pop(key)[1].values.nbytes


def _first_half_key(call: Call) -> tuple[object, ...]:
    """What of a row decides its first half; the rule too, where the kernel applies it itself."""
    row = call.row
    once = card(call.op.name).sums_once or isinstance(row.ledger, Terms)
    return row.kernel, row.multiplier, row.clamp, None if once else call.rule


def _remembers(call: Call) -> bool:
    return any(tensor is not None and tensor.is_variable for tensor in call.inputs)


def _same(a: Array | None, b: Array | None) -> bool:
    if a is None or b is None:
        return a is b
    return a is b or (a.dtype == b.dtype and np.array_equal(a, b))


def run_op(
    graph: Subgraph,
    op: Operator,
    tensors: Tensors,
    engine: Engine,
    row: Row,
    session: Session | None = None,
    run: Callable[[int, Sequence[Array]], tuple[Array, ...]] | None = None,
    halves: FirstHalves | None = None,
) -> dict[int, Array]:
    """One op on the given tensors, in the arithmetic of ``row``: its outputs by tensor index.

    ``session`` and ``run`` are for ops with variables, and for those that run other subgraphs.
    ``halves`` knows accumulators that were made before, and keeps the new ones.

    Raises:
        NotReplayed: no exact kernel for this op, or an input tensor is not known.
    """
    call, arrays = call_of(graph, op, tensors, engine, row, session)
    if run is not None:
        call = replace(call, run=run)
    results = _by_pairs(call, arrays) or _finished(
        first_half(call, arrays) if halves is None else halves.of(call, arrays), call.rule
    )
    return dict(zip(op.outputs, results, strict=True))


def call_of(
    graph: Subgraph,
    op: Operator,
    tensors: Tensors,
    engine: Engine,
    row: Row,
    session: Session | None = None,
) -> tuple[Call, list[Array | None]]:
    """What the kernel of ``row`` is handed; see :func:`first_half`.

    Raises:
        NotReplayed: an input tensor is not known, or is sparse.
    """
    graph = as_run(graph, {i: tensors[i] for i in op.inputs if i in tensors})
    inputs = tuple(graph.tensors[index] if index >= 0 else None for index in op.inputs)
    for tensor in inputs:
        if tensor is not None and tensor.is_sparse and not card(op.name).sparse:
            raise NotReplayed(f"tensor {tensor.label} is sparse")
    outputs = tuple(graph.tensors[index] for index in op.outputs)
    session = session or Session()
    arrays = [
        None if tensor is None else value(graph, tensor, tensors, session) for tensor in inputs
    ]
    rule = RULES[row.rule or "double"]
    intermediates = tuple(graph.tensors[index] for index in op.intermediates)
    engine = kernels_of(engine, graph, op)
    call = Call(
        op, inputs, outputs, engine, row, rule, session, graph.index, intermediates=intermediates
    )
    return call, arrays


def first_half(call: Call, arrays: Sequence[Array | None]) -> FirstHalf:
    """What the row's kernel gives: accumulators, and how they become codes; or finished arrays."""
    return call.row.kernel(call, *arrays)


def recorded(
    call: Call, arrays: Sequence[Array | None]
) -> tuple[FirstHalf, tuple[Multiplier, ...]]:
    """As :func:`first_half`; and the multipliers that the kernel itself handed to the rule."""
    rescales: list[Multiplier] = []

    def record(acc: Array, multiplier: Multiplier) -> Array:
        rescales.append(multiplier)
        return call.rule.apply(acc, multiplier)

    result = first_half(replace(call, rule=replace(call.rule, apply=record)), arrays)
    # A kernel goes on to the next loop or block, and rescales by the same again.
    return result, tuple(rescales[: len(card(call.op.name).rescales)])


def compute(call: Call, arrays: Sequence[Array | None]) -> tuple[Array, ...]:
    """Both halves of the kernel: every output of the op."""
    return _finished(first_half(call, arrays), call.rule)


def _finished(result: FirstHalf, rule: Rule) -> tuple[Array, ...]:
    if isinstance(result, Accumulation):
        result = requantize(result, rule)
    return result if isinstance(result, tuple) else (result,)


def wrong_elements(
    call: Call, arrays: Sequence[Array | None], defect: Defect
) -> tuple[int, int] | None:
    """How many elements the row's defect makes wrong on these arrays, of how many.

    None where it is not met; ``(0, 0)`` where it is, and there is no output to count in.

    Raises:
        NotReplayed: what the row or the op as it is defined gives is not known.
    """
    if defect.shows is not None:
        return (0, 0) if defect.shows(call, *arrays) else None
    if defect.right is None:
        return 0, 0
    row = replace(call.row, kernel=defect.right, rule=defect.rule or call.row.rule)
    meant = compute(replace(call, row=row, rule=RULES[row.rule or "double"]), arrays)
    wrong = elements = 0
    for given, right in zip(compute(call, arrays), meant, strict=True):
        unlike = given != right
        wrong += int((unlike & ~((given != given) & (right != right))).sum())  # NaN is like NaN
        elements += unlike.size
    return (wrong, elements) if wrong else None


def slack(call: Call, arrays: Sequence[Array | None]) -> Array:
    """How far each value may lie from the engine's, whose float32 sums have another order; float64.

    A sum of n float32 terms is off by no more than ``n * 2**-24`` times the sum of the terms'
    magnitudes in any order (Higham, Accuracy and Stability of Numerical Algorithms, 4.2); the
    products and the last rounding add two more roundings. The sum of the magnitudes is what the op
    gives of the magnitudes of its inputs. Where that is not finite, nothing is allowed.
    """
    assert call.row.terms is not None
    roundings = call.row.terms(call, *arrays) + 2
    if "fused_activation_function" in call.op.options:  # it brings no two values further apart
        call = with_options(call, fused_activation_function="NONE")
    positive = [a if a is None or a.dtype.kind != "f" else np.abs(a) for a in arrays]
    with np.errstate(all="ignore"):
        (magnitudes,) = compute(call, positive)
    # Numbers below the smallest normal one may count as 0.
    allowed = roundings * (_UNIT * magnitudes.astype(np.float64) + _SMALLEST)
    return np.where(np.isfinite(allowed), allowed, 0.0)


def _by_pairs(call: Call, arrays: Sequence[Array | None]) -> tuple[Array, ...] | None:
    """The output looked up by pairs of codes, where that is possible and cheaper; else None.

    A table of all 65,536 pairs costs as many computations as it has entries.
    """
    if not call.row.pairwise:
        return None
    a, b = arrays
    assert a is not None
    assert b is not None
    if a.shape != b.shape or (a.itemsize, b.itemsize) != (1, 1) or a.size <= 2 * 65536:
        return None
    (table,) = compute(call, pair_codes(a.dtype, b.dtype))
    return (look_up_pairs(a, b, table),)


def value(graph: Subgraph, tensor: Tensor, tensors: Tensors, session: Session) -> Array:
    if tensor.data is not None:
        return tensor.data
    if tensor.is_variable:
        kept = session.variables.get((graph.index, tensor.index))
        return _blank(tensor) if kept is None else kept
    if tensor.index in tensors:
        return tensors[tensor.index]
    if 0 in tensor.shape and not any(tensor.index in op.outputs for op in graph.operators):
        return np.empty(tensor.shape, tensor.numpy_dtype)  # a constant that holds nothing
    raise NotReplayed(f"its input, tensor {tensor.label}, is not known")


def _blank(tensor: Tensor) -> Array:
    """A variable tensor before the first inference: ``ResetVariableTensors``, ``subgraph.cc``."""
    zero = tensor.zero_point if tensor.dtype == "int8" and tensor.quantization else 0
    return np.full(tensor.shape, zero, tensor.numpy_dtype)
