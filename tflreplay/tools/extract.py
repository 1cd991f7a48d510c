"""One layer as a model of its own, with all that a port of it is tested with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import CaptureError, InputError
from tflreplay.ground.rounding import Array
from tflreplay.judgement.difference import Difference, difference
from tflreplay.model import HANDLES, Model, Operator, Tensor
from tflreplay.model.extraction import copies, operator
from tflreplay.ops import card
from tflreplay.runtimes import Capture, capture
from tflreplay.runtimes.inputs import Inputs
from tflreplay.tools.rules import LayerRules, rulesheet


@dataclass(frozen=True)
class PortKit:
    """One op of ``source``, as a model of its own.

    ``model`` has the op alone. Its tensors are named by their part in it (``input``, ``weights``,
    ``output``, ...), and have the captured shapes; ``names`` holds what ``source`` calls them.
    ``inputs`` and ``outputs`` are the captured arrays by tensor index of ``model``. ``rules`` are
    the arithmetic of the engine that ``captured`` them. ``alone`` says for each output how what the
    same engine computes of ``model`` differs from it; it is None, and ``failure`` says why, where
    that has not this output, or another shape of it.
    """

    source: Model
    op: Operator
    model: Model
    names: Mapping[int, str] = field(repr=False)
    inputs: Mapping[int, Array] = field(repr=False)
    outputs: Mapping[int, Array] = field(repr=False)
    captured: Capture
    engine: Engine
    rules: LayerRules = field(repr=False)
    alone: Mapping[int, Difference | None] = field(repr=False)
    failure: str
    notes: tuple[str, ...]

    @property
    def reproduces(self) -> bool:
        """True where ``model``, run by itself, gave every output bit for bit."""
        return all(found is not None and found.exact for found in self.alone.values())

    def __repr__(self) -> str:
        how = "reproduces" if self.reproduces else "does not reproduce"
        return f"PortKit(op {self.op.index} {self.op.name} of {self.source.path.name!r}, {how})"


def extract(
    model: Model,
    inputs: Inputs,
    op_index: int,
    runtime: str | None = None,
    engine: str | None = None,
    *,
    captured: Capture | None = None,
    machine: str | None = None,
) -> PortKit:
    """Capture a model's tensors, cut one op out of it, and run that by itself to be sure of it.

    Args:
        model: what :func:`tflreplay.load` gives.
        inputs: what :func:`tflreplay.read_inputs` gives. Of several inferences the last is taken.
        op_index: an op of the main subgraph.
        runtime: ``litert``, ``tensorflow`` or ``tflm``, with or without ``==version``.
        engine: ``reference``, ``optimized``, ``xnnpack`` or ``tflm``.
        captured: what :func:`tflreplay.capture` gave for these inputs, to take several layers from;
            runtime, engine and machine are then its own.
        machine: what to run it on; see :func:`tflreplay.capture`.

    Raises:
        InputError: there is no such op, or it depends on more than its inputs.
        CaptureError: one of its activations was not captured.
        NotReplayed: a tensor is of a type that numpy does not have.
    """
    op = operator(model, op_index)
    _check(model, op)
    if captured is None:
        captured = capture(
            model, inputs.arrays, runtime, engine, earlier=inputs.earlier, machine=machine
        )
    whole = model.main.tensors
    names = roles(op)
    for index, name in names.items():
        if not whole[index].is_constant and index not in captured.tensors:
            why = captured.missing.get(index) or "no op before it writes it"
            if captured.failure:
                why += f" ({captured.failure})"
            if captured.engine == "xnnpack":
                why += "; try --engine reference"
            raise CaptureError(
                f"{model.path}: the {name} of layer {op.index} {op.name}, tensor "
                f"{whole[index].label}, was not captured: {why}"
            )
    named = {index: _named(whole[index], name, captured) for index, name in names.items()}
    cut = copies(model, op_index, tensors=named)
    cut = replace(cut, path=cut.path.with_name(f"op{op_index}.tflite"))
    (new,) = cut.main.operators
    # -1, an input left out, is the same in both.
    origin = dict(zip((*new.inputs, *new.outputs), (*op.inputs, *op.outputs), strict=True))
    fed = {index: captured.tensors[origin[index]] for index in cut.main.inputs}
    expected = {index: captured.tensors[origin[index]] for index in cut.main.outputs}
    theirs = Engine(
        captured.engine, captured.runtime, captured.version, captured.threads, captured.machine
    )
    alone, failure = _alone(cut, fed, expected, theirs)
    return PortKit(
        model,
        op,
        cut,
        {index: whole[old].name for index, old in origin.items() if index >= 0},
        fed,
        expected,
        captured,
        theirs,
        rulesheet(cut, fed, theirs)[0],
        alone,
        failure,
        inputs.notes,
    )


def roles(op: Operator) -> dict[int, str]:
    """What each tensor of the op is called, by index: a name that C and a shell accept."""
    known = card(op.name)
    by_position = {
        known.roles.activation: "input",
        known.roles.weights: "weights",
        known.roles.bias: "bias",
        known.roles.shape: "output_shape",
    }
    positions = range(len(op.inputs))
    if known.weighted and all(position in by_position for position in positions):
        inputs = tuple(by_position[position] for position in positions)
    else:
        inputs = _numbered("input", len(op.inputs))
    found: dict[int, str] = {}
    for index, name in zip(
        (*op.inputs, *op.outputs), (*inputs, *_numbered("output", len(op.outputs))), strict=True
    ):
        if index >= 0:
            found.setdefault(index, name)
    return found


def _numbered(name: str, count: int) -> tuple[str, ...]:
    return (name,) if count == 1 else tuple(f"{name}_{position}" for position in range(count))


def _check(model: Model, op: Operator) -> None:
    """Refuse an op that its inputs do not determine, or that is not of numbers."""
    where = f"{model.path}: layer {op.index} {op.name}"
    if any("subgraph" in name for name in op.options):
        raise InputError(f"{where} runs other subgraphs of the model; it cannot be cut out alone")
    for index in (*op.inputs, *op.outputs):
        tensor = model.main.tensors[index]
        if index < 0:
            continue
        if tensor.is_variable or tensor.dtype in HANDLES:
            raise InputError(
                f"{where} keeps a variable (tensor {tensor.label}) from one inference to the next; "
                "its inputs alone do not determine its output"
            )
        if tensor.numpy_dtype.kind not in "biufc":
            raise InputError(f"{where}: tensor {tensor.label} holds no numbers, but {tensor.dtype}")
        if tensor.is_sparse:
            raise InputError(
                f"{where}: tensor {tensor.label} is sparse; only dense ones are cut out"
            )


def _named(tensor: Tensor, name: str, captured: Capture) -> Tensor:
    """The tensor under another name, in the shape that it was captured in."""
    shape = tensor.shape if tensor.is_constant else captured.tensors[tensor.index].shape
    return replace(tensor, name=name, shape=shape, shape_signature=shape)


def _alone(
    cut: Model,
    fed: Mapping[int, Array],
    expected: Mapping[int, Array],
    engine: Engine,
) -> tuple[dict[int, Difference | None], str]:
    """How the op's outputs differ when it is run by itself."""
    try:
        runtime = f"{engine.runtime}=={engine.version}"
        again = capture(cut, fed, runtime, engine.name, engine.threads, machine=engine.machine)
    except CaptureError as error:
        return dict.fromkeys(expected), str(error)
    found: dict[int, Difference | None] = {}
    failure = again.failure
    for index, theirs in expected.items():
        ours = again.tensors.get(index)
        if ours is None or ours.shape != theirs.shape:
            found[index] = None
            shape = None if ours is None else list(ours.shape)
            failure = failure or f"its output has the shape {shape}, not {list(theirs.shape)}"
        else:
            found[index] = difference(ours, theirs, max(theirs.ndim - 1, 0))
    return found, failure
