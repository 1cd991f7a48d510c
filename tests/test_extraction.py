"""An op cut out of a model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.graphs import Graph, model
from tests.single_op import run_engine
from tflreplay.ground.errors import InputError
from tflreplay.model import Model, parse
from tflreplay.model.extraction import copies, operator
from tflreplay.model.writer import write


def test_an_input_that_is_read_twice_is_one_input() -> None:
    graph = Graph()
    x = graph.tensor()
    whole = model((graph, (x,), (graph.add(x, x),)))
    cut = copies(whole, 0, 2)
    assert len(cut.main.inputs) == 2
    assert [op.inputs for op in cut.main.operators] == [(i, i) for i in cut.main.inputs]
    codes = np.arange(40).reshape(2, 4, 5).astype(np.int8)
    for given, alone in zip(codes, run_engine(cut.content, list(codes)), strict=True):
        np.testing.assert_array_equal(alone, run_engine(whole.content, [given])[0])


def test_inner_tensors_and_inputs_left_out_keep_their_place(seven_ops: Model) -> None:
    op = replace(seven_ops.main.operators[18], intermediates=(5, -1, 3))
    graph = replace(
        seven_ops.main,
        operators=tuple(op if op.index == o.index else o for o in seven_ops.main.operators),
    )
    cut = copies(parse(write([graph]), Path("made.tflite")), 18)
    (new,) = cut.main.operators
    assert (new.inputs[2], new.intermediates[1]) == (-1, -1)
    old = seven_ops.main.tensors
    for index, was in ((new.intermediates[0], 5), (new.intermediates[2], 3)):
        assert cut.main.tensors[index].name == old[was].name
        assert cut.main.tensors[index].quantization == old[was].quantization


def test_a_model_without_layers() -> None:
    graph = Graph()
    x = graph.tensor()
    with pytest.raises(InputError, match="no layer 0; the model has no layers"):
        operator(model((graph, (x,), (x,))), 0)


@pytest.mark.parametrize("index", [-1, 20])
def test_there_is_no_such_layer(seven_ops: Model, index: int) -> None:
    with pytest.raises(InputError, match=f"no layer {index}; the model has layers 0 to 19"):
        operator(seven_ops, index)
