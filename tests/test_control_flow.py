"""Control flow, variables and consecutive inferences, against LiteRT."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tflreplay
from tests.graphs import Graph, model
from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import InputError
from tflreplay.ground.rounding import requantize
from tflreplay.model import Model
from tflreplay.ops import row_of
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.session import Session
from tflreplay.runtimes.inputs import Inputs, random_inputs, read_inputs

ENGINES = ("reference", "optimized", "xnnpack")


def codes(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-128, 128, shape).astype(np.int8)


def branches() -> Model:
    main = Graph()
    condition = main.tensor("bool", ())
    x = main.tensor()
    (y,) = main.op(
        "IF",
        (condition, x),
        (main.tensor(),),
        "IfOptions",
        then_subgraph_index=1,
        else_subgraph_index=2,
    )
    z = main.add(y, x)
    graphs = [(main, (condition, x), (z,))]
    for seed in (1, 2):
        branch = Graph()
        entry = branch.tensor()
        constant = branch.tensor(data=codes(seed, 4, 5))
        graphs.append((branch, (entry,), (branch.add(entry, constant),)))
    return model(*graphs)


def loop() -> Model:
    """Adds a constant to x while one of its codes, compared as int32, is below 60."""
    main = Graph()
    x, count = main.tensor(), main.tensor("int32", (1,))
    outputs = (main.tensor(), main.tensor("int32", (1,)))
    main.op(
        "WHILE",
        (x, count),
        outputs,
        "WhileOptions",
        cond_subgraph_index=1,
        body_subgraph_index=2,
    )
    condition = Graph()
    entries = (condition.tensor(), condition.tensor("int32", (1,)))
    limit = condition.tensor("int32", (1,), np.array([5], np.int32))
    (again,) = condition.op(
        "LESS", (entries[1], limit), (condition.tensor("bool", (1,)),), "LessOptions"
    )
    body = Graph()
    x_in, count_in = body.tensor(), body.tensor("int32", (1,))
    one = body.tensor("int32", (1,), np.array([1], np.int32))
    x_out = body.add(x_in, body.tensor(data=codes(3, 4, 5)))
    (count_out,) = body.op("ADD", (count_in, one), (body.tensor("int32", (1,)),), "AddOptions")
    return model(
        (main, (x, count), outputs),
        (condition, entries, (again,)),
        (body, (x_in, count_in), (x_out, count_out)),
    )


def stream() -> Model:
    """y = x + state; state = y. The state begins as a constant."""
    main = Graph()
    x = main.tensor()
    main.op("CALL_ONCE", (), (), "CallOnceOptions", init_subgraph_index=1)
    handle = main.variable("state")
    (state,) = main.op("READ_VARIABLE", (handle,), (main.tensor(),), "ReadVariableOptions")
    y = main.add(x, state)
    main.op("ASSIGN_VARIABLE", (handle, y), (), "AssignVariableOptions")
    start = Graph()
    value = start.tensor(data=codes(4, 4, 5))
    start.op("ASSIGN_VARIABLE", (start.variable("state"), value), (), "AssignVariableOptions")
    return model((main, (x,), (y,)), (start, (), ()))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("condition", [True, False])
def test_if(engine: str, condition: bool) -> None:
    built = branches()
    first, second = built.main.inputs
    inputs = Inputs({first: np.array(condition), second: codes(5, 4, 5)})
    run = tflreplay.run(built, inputs, engine=engine)
    assert run.verdict == "exact"
    assert len(run.comparison.layers) == 2


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("start", [0, 4, 9])
def test_while(engine: str, start: int) -> None:
    built = loop()
    x, count = built.main.inputs
    inputs = Inputs({x: codes(6, 4, 5), count: np.array([start], np.int32)})
    assert tflreplay.run(built, inputs, engine=engine).verdict == "exact"


def decomposed(inner: str) -> Model:
    """A composite op, which is an int8 ADD or a float FULLY_CONNECTED."""
    main, inside = Graph(), Graph()
    if inner == "ADD":
        x, y = main.tensor(), main.tensor()
        entry = inside.tensor()
        result = inside.add(entry, inside.tensor(data=codes(1, 4, 5)))
    else:
        x, y = main.tensor("float32", (4, 300)), main.tensor("float32", (4, 7))
        entry = inside.tensor("float32", (4, 300))
        random = np.random.default_rng(2)
        weights = inside.tensor("float32", (7, 300), random.normal(size=(7, 300)).astype("f4"))
        output = inside.tensor("float32", (4, 7))
        (result,) = inside.op(inner, (entry, weights, -1), (output,), "FullyConnectedOptions")
    main.op(
        "STABLEHLO_COMPOSITE",
        (x,),
        (y,),
        "StableHLOCompositeOptions",
        name="made.up",
        composite_attributes=(0, 0, 1, 0, 0, 36, 1),  # an empty flexbuffer map
        decomposition_subgraph_index=1,
    )
    return model((main, (x,), (y,)), (inside, (entry,), (result,)))


@pytest.mark.parametrize("engine", ENGINES)
def test_composite(engine: str) -> None:
    built = decomposed("ADD")
    (layer,) = tflreplay.run(built, random_inputs(built), engine=engine).comparison.layers
    assert layer.status == "exact"


@pytest.mark.parametrize("engine", ENGINES)
def test_sums_inside_of_an_op_have_their_tolerance(engine: str) -> None:
    built = decomposed("FULLY_CONNECTED")
    (layer,) = tflreplay.run(built, random_inputs(built), engine=engine).comparison.layers
    assert layer.status in ("exact", "within tolerance")
    inner = row_of(Engine(engine), built.subgraphs[1], built.subgraphs[1].operators[0])
    assert layer.isolated is not None
    assert layer.isolated.tolerance == inner.tolerance > 0


def test_an_op_inside_that_cannot_be_replayed_is_named() -> None:
    built = branches()
    broken = Graph()
    entry = broken.tensor()
    (unknown,) = broken.op("HASHTABLE_SIZE", (entry,), (broken.tensor(),))
    main, then, _ = built.subgraphs
    replaced = Model(
        **{**vars(built), "subgraphs": (main, then, model((broken, (entry,), (unknown,))).main)}
    )
    first, second = built.main.inputs
    result = tflreplay.replay(replaced, {first: np.array(False), second: codes(5, 4, 5)})
    assert "op 0 of subgraph 2" in result.not_replayed[0]
    assert "HASHTABLE_SIZE" in result.not_replayed[0]


@pytest.mark.parametrize("engine", ENGINES)
def test_variables_live_on(engine: str) -> None:
    built = stream()
    run = tflreplay.run(built, random_inputs(built, seed=1, steps=6), engine=engine)
    assert run.verdict == "exact"
    assert run.inference == (6, 6)
    assert "in each of 6 inferences" in run.headline
    # What stands for the variable is no layer.
    assert [layer.op for layer in run.comparison.layers] == ["READ_VARIABLE", "ADD"]


def test_the_state_matters() -> None:
    """Each inference replayed by itself differs from the second one on."""
    built = stream()
    inputs = random_inputs(built, seed=1, steps=3)
    captured = tflreplay.capture(built, inputs.arrays, earlier=inputs.earlier)
    (output,) = built.main.outputs
    session = Session()
    together = [
        tflreplay.replay(built, arrays, session=session).tensors[output]
        for arrays in (*inputs.earlier, inputs.arrays)
    ]
    theirs = [tensors[output] for tensors in (*captured.earlier, captured.tensors)]
    for ours, other in zip(together, theirs, strict=True):
        np.testing.assert_array_equal(ours, other)
    alone = tflreplay.replay(built, inputs.arrays).tensors[output]
    assert (alone != theirs[-1]).any()


def test_the_first_inference_that_differs_is_reported() -> None:
    built = stream()
    calls = 0

    def forgets(call: Call, x: np.ndarray, state: np.ndarray) -> np.ndarray:
        """ADD that loses the state in the third inference."""
        nonlocal calls
        calls += 1
        if calls == 3:
            state = np.full_like(state, call.input(1).zero_point)
        row = row_of(call.engine, built.main, call.op)
        return requantize(row.kernel(call, x, state), call.rule)

    inputs = random_inputs(built, seed=1, steps=6)
    run = tflreplay.run(built, inputs, kernels={"ADD": forgets})
    assert run.verdict == "mismatch"
    assert run.inference == (3, 6)
    assert "inference 3 of 6, first divergence at op 3 ADD" in run.headline


def test_an_array_may_hold_several_inferences(tmp_path: Path) -> None:
    built = stream()
    array = codes(7, 3, 4, 5)
    np.save(tmp_path / "x.npy", array)
    inputs = read_inputs(built, [str(tmp_path / "x.npy")])
    (index,) = built.main.inputs
    assert len(inputs.earlier) == 2
    np.testing.assert_array_equal(inputs.arrays[index], array[2])
    np.testing.assert_array_equal(inputs.earlier[1][index], array[1])
    with pytest.raises(InputError, match=r"holds inputs for 3 inferences, expected 1 or 5"):
        read_inputs(built, [str(tmp_path / "x.npy")], steps=5)


def test_saved_tensors_are_of_one_inference(tmp_path: Path) -> None:
    built = stream()
    inputs = random_inputs(built, seed=1, steps=2)
    captured = tflreplay.capture(built, inputs.arrays)
    with pytest.raises(InputError, match="saved tensors are of one inference"):
        tflreplay.run(built, inputs, against=captured)
