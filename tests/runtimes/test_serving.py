"""One interpreter for many inputs: each as if it were the first, and as one alone is captured."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable

import numpy as np
import pytest

from tests.conftest import SEVEN_OPS
from tests.kernels.test_svdf import random_svdf
from tests.runtimes.test_capture import SHAPE, chain, codes, relu
from tests.single_op import Spec, build, build_side_by_side
from tflreplay import capture, load
from tflreplay.model import Model, parse
from tflreplay.runtimes import Capture, start_capture
from tflreplay.runtimes.inputs import random_inputs
from tflreplay.runtimes.serving import Captures, Inputs


def captures(model: Model, ahead: bool, engine: str | None = None) -> Captures:
    return Captures(lambda arrays: start_capture(model, arrays, engine=engine), ahead)


def assert_as_alone(model: Model, inputs: list[Inputs], engine: str | None = None) -> None:
    for ahead in (False, True):
        found = list(captures(model, ahead, engine).of(enumerate(inputs)))
        assert [number for number, _ in found] == list(range(len(inputs)))
        for number, captured in found:
            assert_equal(captured, capture(model, inputs[number], engine=engine))


def assert_equal(left: Capture, right: Capture) -> None:
    assert left.tensors.keys() == right.tensors.keys()
    for index, array in right.tensors.items():
        np.testing.assert_array_equal(left.tensors[index], array)
    for name in ("version", "missing", "note", "failure", "origin", "machine"):
        assert getattr(left, name) == getattr(right, name)


@pytest.mark.parametrize("engine", ["reference", "optimized", "xnnpack"])
def test_many_inputs(engine: str) -> None:
    model = load(SEVEN_OPS)
    assert_as_alone(model, [random_inputs(model, seed).arrays for seed in range(4)], engine)


def test_a_state_is_reset_for_each() -> None:
    op = random_svdf(np.random.default_rng(3), "int16")
    model = parse(build_side_by_side([op]), SEVEN_OPS)
    inputs = [random_inputs(model, seed).arrays for seed in (1, 2, 1)]
    assert_as_alone(model, inputs)
    first, _, last = (found for _, found in captures(model, ahead=True).of(enumerate(inputs)))
    assert_equal(first, last)


def test_inputs_of_several_shapes() -> None:
    model = chain(relu())
    shapes = [(2, 3), (2, 3), (5, 1), (0, 4), (2, 3)]
    inputs = [{0: np.arange(-2, np.prod(s) - 2, dtype=np.int8).reshape(s)} for s in shapes]
    assert_as_alone(model, inputs[:3])


def test_an_input_that_fails_is_captured_as_far_as_can_be() -> None:
    reshape = build(
        "RESHAPE", [codes(), Spec((2,), "int32")], [codes()], {"newShape": []}, "ReshapeOptions"
    )
    model = chain(relu(), reshape, relu())
    size = int(np.prod(SHAPE))
    rows = [(1, size), (3, size), (size, 1), (5, size), (1, size)]
    inputs: list[Inputs] = [
        {0: np.full(SHAPE, n, np.int8), model.main.inputs[1]: np.array(shape, np.int32)}
        for n, shape in enumerate(rows)
    ]
    assert_as_alone(model, inputs)
    failures = [found.failure for _, found in captures(model, ahead=True).of(enumerate(inputs))]
    assert [bool(failure) for failure in failures] == [False, True, False, True, False]


@pytest.mark.parametrize("ahead", [False, True])
def test_a_killed_interpreter_is_started_again(ahead: bool) -> None:
    model = load(SEVEN_OPS)
    inputs = [random_inputs(model, seed).arrays for seed in range(5)]
    served = captures(model, ahead)

    def each() -> Iterable[tuple[int, Inputs]]:
        for number, arrays in enumerate(inputs):
            if number == 3:
                assert served._feed is not None
                os.kill(served._feed._process.pid, signal.SIGKILL)
            yield number, arrays

    for number, captured in served.of(each()):
        assert_equal(captured, capture(model, inputs[number]))


def test_no_file_of_tensors_is_written() -> None:
    model = load(SEVEN_OPS)
    served = captures(model, ahead=False)
    inputs = [random_inputs(model, seed).arrays for seed in range(3)]
    for number, _ in served.of(enumerate(inputs)):
        if number:
            assert served._feed is not None
            files = {path.name for path in served._feed._directory.iterdir()}
            assert files == {"request.json", "model.tflite", "log", "status.jsonl"}
