"""A model cut short after some operators."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runtimes.test_capture import chain, relu
from tflreplay import model


def test_only_the_operators_change() -> None:
    whole = chain(relu(), relu(), relu())
    for count in range(3):
        cut = model.parse(model.truncated(whole.content, count), Path("cut.tflite"))
        assert cut.main.operators == whole.main.operators[:count]
        assert cut.main.tensors == whole.main.tensors
        assert (cut.main.inputs, cut.main.outputs) == (whole.main.inputs, whole.main.outputs)
    assert model.truncated(whole.content, 3) == whole.content


@pytest.mark.parametrize("count", [-1, 4])
def test_number_of_operators_is_checked(count: int) -> None:
    with pytest.raises(ValueError, match=f"{count} operators of 3"):
        model.truncated(chain(relu(), relu(), relu()).content, count)
