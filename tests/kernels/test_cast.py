from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.kernels.common import reason_not_replayed
from tests.single_op import Spec, assert_exact, build
from tflreplay.ground.engine import Engine
from tflreplay.model import parse
from tflreplay.ops import card
from tflreplay.ops.cast import PACKED
from tflreplay.replayer.loop import replay

# Around the ends of every integer type, and what no integer type holds.
_ENDS = [
    sign * (2.0**bits + off)
    for sign in (1, -1)
    for bits in (7, 8, 15, 16, 31, 32, 63, 64)
    for off in (-1.5, -1, -0.5, 0, 0.5, 1)
]
# Rounded to float32 first, it is a tie of float16.
_TWICE = 1 + 2.0**-11 + 2.0**-30
_SPECIAL = [
    np.nan,
    np.inf,
    -np.inf,
    0.0,
    -0.0,
    0.5,
    -0.99,
    1e-45,
    65519.0,
    65520.0,
    1e30,
    -1e300,
    _TWICE,
]
_TYPES = sorted({name for row in card("CAST").rows() for name in row.types} - set(PACKED))


def _numbers(dtype: str) -> np.ndarray:
    """Values of every size, the ends of all types among them."""
    rng = np.random.default_rng(24)
    kind = np.dtype(dtype).kind
    if kind == "b":
        return rng.integers(2, size=200).astype(bool)
    if kind in "iu":
        info = np.iinfo(dtype)
        random = rng.integers(info.min, info.max, 400, dtype, endpoint=True)
        scaled = random >> rng.integers(0, 8 * random.itemsize, 400).astype(dtype)
        return np.concatenate([scaled, np.array([info.min, info.max, 0], dtype)])
    random = rng.normal(size=400) * 2.0 ** rng.integers(-3, 70, 400)
    with np.errstate(over="ignore"):
        real = np.concatenate([random, _ENDS, _SPECIAL]).astype(dtype)
    return real if kind == "f" else real + np.array(1j, dtype) * rng.permutation(real)


def _model(source: Spec, target: str) -> bytes:
    return build("CAST", [source], [Spec(source.shape, target)], {}, "CastOptions")


@pytest.mark.filterwarnings("ignore:invalid value")  # of the numbers made here
@pytest.mark.parametrize("source", _TYPES)
def test_every_pair_of_types(engine: Engine, source: str) -> None:
    x = _numbers(source)
    models = [_model(Spec(x.shape, source), target) for target in _TYPES]
    assert sum(assert_exact(model, [x], engine) for model in models) >= 12 * 200


@pytest.mark.parametrize("packed", PACKED)
def test_packed_types(engine: Engine, packed: str) -> None:
    data = np.arange(256, dtype=np.uint8)
    count = 1024 if packed == "int2" else 512
    assert assert_exact(_model(Spec((count,), packed, data=data), "float32"), [], engine) == count
    x = np.concatenate([np.linspace(-40, 40, 321), _numbers("float32")]).astype(np.float32)
    assert assert_exact(_model(Spec(x.shape, "float32"), packed), [x], engine) == x.size
    reason = reason_not_replayed(_model(Spec((3,), "int8"), packed), [np.zeros(3, np.int8)])
    assert reason == f"CAST of int8 to {packed} (there is float32 only)"


def test_before_saturation_was_defined() -> None:
    """LiteRT 2.1.5 and earlier, TensorFlow 2.21 and earlier: what does not fit is not replayed."""
    engine = Engine("reference", "litert", "2.1.5")
    model = parse(_model(Spec((2,), "float32"), "int8"), Path("cast.tflite"))
    for number, fits in ((127.9, True), (128.0, False), (-129.0, False), (np.nan, False)):
        done = replay(model, {model.main.inputs[0]: np.float32([-128.9, number])}, engine)
        assert (not done.not_replayed) == fits
        if fits:
            assert done.tensors[model.main.outputs[0]].tolist() == [-128, 127]
        else:
            assert "leaves to the compiler" in done.not_replayed[0]
