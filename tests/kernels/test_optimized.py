"""What only the optimized kernels do: vector bodies, scalar tails, threads.

The other kernel tests run on this engine too. In each test here the reference arithmetic must fail.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tests.kernels.test_conv import (
    ACTIVATIONS,
    OUTPUTS,
    random_conv,
    random_depthwise,
    zero_point,
)
from tests.kernels.test_elementwise import OPTIONS
from tests.single_op import Spec, assert_exact, build, random_codes, random_scale, run_replay
from tflreplay.ground.engine import Engine
from tflreplay.ops.base.loops import Loop, inner_loop

OPTIMIZED = Engine("optimized")


class Check:
    """Compares models with the engine and counts where the reference arithmetic differs."""

    def __init__(self) -> None:
        self.outputs = 0
        self.unlike_reference = 0

    def __call__(
        self, content: bytes, inputs: Sequence[np.ndarray], engine: Engine = OPTIMIZED
    ) -> None:
        self.outputs += assert_exact(content, inputs, engine)
        ours, reference = run_replay(content, inputs, engine), run_replay(content, inputs)
        self.unlike_reference += int((ours[0] != reference[0]).sum())


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_convolutions_round_ties_up(dtype: str) -> None:
    rng = np.random.default_rng(1)
    check = Check()
    while check.outputs < OUTPUTS:
        content, x = random_conv(rng, dtype, dtype)
        check(content, [x])
    assert check.unlike_reference > 0


def test_depthwise_rounds_by_channel() -> None:
    rng = np.random.default_rng(2)
    check = Check()
    while check.outputs < 4 * OUTPUTS:
        content, x = random_depthwise(rng, "int8")
        check(content, [x])
    assert check.unlike_reference > 0


def fivefold_shapes(rng: np.random.Generator) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two shapes that agree, repeat a, agree, repeat b, agree; some groups left out."""
    a: list[int] = []
    b: list[int] = []
    for group in range(5):
        if rng.random() < 0.4:
            continue
        size = int(rng.integers(1, 40 if group >= 3 else 5))
        a.append(1 if group == 3 else size)
        b.append(1 if group == 1 else size)
    first, second = tuple(a), tuple(b)
    return (first, second) if rng.random() < 0.5 else (second, first)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("op", ["ADD", "MUL"])
def test_sums_that_wrap_in_16_bits(op: str, dtype: str) -> None:
    """Output scales far below the inputs', in every kind of broadcast."""
    rng = np.random.default_rng(3)
    check = Check()
    while check.outputs < 2 * OUTPUTS:
        shapes = fivefold_shapes(rng)
        a, b = (Spec(s, dtype, random_scale(rng, 0.01), zero_point(rng, dtype)) for s in shapes)
        scale = a.scale * b.scale if op == "MUL" else max(a.scale, b.scale)
        scale = np.float32(scale / random_scale(rng, 0.1, 1000.0))
        y = Spec(np.broadcast_shapes(*shapes), dtype, scale, zero_point(rng, dtype))
        fields = {"fusedActivationFunction": int(rng.choice(ACTIVATIONS))}
        content = build(op, [a, b], [y], fields, OPTIONS[op], version=2)
        check(content, [random_codes(rng, spec.shape, dtype) for spec in (a, b)])
    assert check.unlike_reference > 1000


@pytest.mark.parametrize("broadcast", [False, True])
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_add_rescales_with_one_rounding(dtype: str, broadcast: bool) -> None:
    """An output as fine as the common scale shows the last bit of an input scaled far below it."""
    rng = np.random.default_rng(4)
    check = Check()
    while check.outputs < OUTPUTS:
        shape = (1, 7, 41, int(rng.integers(1, 80)))
        b_scale = random_scale(rng, 1e-3)
        a_scale = np.float32(b_scale * 2.0 ** rng.uniform(10, 24))
        a = Spec((1, 1, 1, 1) if broadcast else shape, dtype, a_scale, 3)
        b = Spec(shape, dtype, b_scale, zero_point(rng, dtype))
        y = Spec(shape, dtype, np.float32(a_scale * 2.0 ** rng.uniform(-18.9, -17)), 3)
        content = build("ADD", [a, b], [y], {}, "AddOptions", version=2)
        check(content, [np.full(a.shape, 3, dtype), random_codes(rng, shape, dtype)])
    assert check.unlike_reference > 100


@pytest.mark.parametrize("per_channel", [False, True])
def test_multiplier_of_a_fully_connected(per_channel: bool) -> None:
    """Its last bits show in a few of a million different accumulators, here all from the bias."""
    rng = np.random.default_rng(6)
    units = 1_000_000
    bias = rng.integers(-1_200_000, 1_200_000, units).astype(np.int32)
    for _ in range(4):
        x = Spec((1, 1), "int8", np.float32(rng.uniform(0.01, 0.1)), 0)
        scale = np.full(units if per_channel else 1, rng.uniform(0.01, 0.1), np.float32)
        w = Spec((units, 1), "int8", scale, 0, np.zeros((units, 1), np.int8))
        b = Spec((units,), "int32", x.scale * scale, 0, bias)
        y = Spec((1, units), "int8", np.float32(x.scale * scale[0] * rng.uniform(9000, 10000)), 0)
        content = build("FULLY_CONNECTED", [x, w, b], [y], {}, "FullyConnectedOptions", 5)
        assert_exact(content, [np.zeros((1, 1), np.int8)], OPTIMIZED)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_softmax(dtype: str) -> None:
    """The two algorithms differ in one of 100,000 outputs."""
    rng = np.random.default_rng(7)
    check = Check()
    low = np.iinfo(dtype).min
    while check.outputs < 20 * OUTPUTS:
        shape = (1000, int(rng.integers(2, 100)))
        x = Spec(shape, dtype, random_scale(rng, 1e-3, 1.0), 0)
        content = build(
            "SOFTMAX", [x], [Spec(shape, dtype, 1 / 256, low)], {"beta": 1.0}, "SoftmaxOptions"
        )
        check(content, [random_codes(rng, shape, dtype)])
    assert check.unlike_reference > 0


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
def test_quantize_ties(dtype: str) -> None:
    """Halves round to even in the body and away from zero in the tail."""
    rng = np.random.default_rng(8)
    check = Check()
    for size in (*range(1, 40), *rng.integers(40, 10_000, 40).tolist()):
        target = Spec((size,), dtype, np.float32(2.0 ** rng.integers(-8, 8)), 0)
        x = (rng.integers(-250, 250, size) + np.float32(0.5)) * target.scale
        check(build("QUANTIZE", [Spec((size,), "float32")], [target]), [x.astype(np.float32)])
    assert check.outputs >= OUTPUTS
    assert check.unlike_reference > OUTPUTS // 10


@pytest.mark.parametrize(
    ("a", "b", "loop"),
    [
        ((2, 3, 4), (2, 3, 4), Loop(24)),
        ((3, 4), (1, 3, 4), Loop(12)),
        ((2, 3, 4), (), Loop(24, scalar=True)),
        ((2, 3, 4), (4,), Loop(4)),
        ((2, 3, 1), (2, 3, 4), Loop(4, scalar=True)),
        ((2, 5, 1, 1), (2, 5, 3, 4), Loop(12, scalar=True)),
        ((2, 6, 3, 1), (2, 1, 3, 5), Loop(5, scalar=True)),
        ((2, 6, 3, 1, 7), (2, 1, 3, 5, 7), Loop(7)),
        ((2, 1, 3, 1), (2, 6, 3, 5), None),
        ((4, 1, 2, 1), (1, 3, 1, 5), None),
        ((3, 1, 4, 1, 5, 1), (3, 2, 4, 2, 5, 2), None),
    ],
)
def test_inner_loop(a: tuple[int, ...], b: tuple[int, ...], loop: Loop | None) -> None:
    assert inner_loop(a, b) == inner_loop(b, a) == loop


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_spatial_mean(dtype: str, threads: int) -> None:
    rng = np.random.default_rng(5)
    engine = Engine("optimized", threads=threads)
    check = Check()
    trial = 0
    while check.outputs < OUTPUTS:
        trial += 1
        channels = trial if trial <= 40 else int(rng.integers(1, 300))
        shape = (int(rng.integers(1, 50)), *(int(n) for n in rng.integers(1, 9, 2)), channels)
        axes = [(1, 2), (2, 1), (-2, -3), (1, -2)][trial % 4]
        x = Spec(shape, dtype, random_scale(rng), zero_point(rng, dtype))
        factor = 2.0 ** rng.integers(-4, 4) if rng.random() < 0.7 else rng.uniform(0.1, 1.2)
        y = Spec((shape[0], 1, 1, channels), dtype, np.float32(x.scale * factor), 5)
        indices = Spec((2,), "int32", data=np.array(axes, np.int32))
        content = build("MEAN", [x, indices], [y], {"keepDims": True}, "ReducerOptions", 2)
        check(content, [random_codes(rng, shape, dtype)], engine)
    assert check.unlike_reference > OUTPUTS // 100


def test_threads_cut_the_channels_of_a_mean() -> None:
    """Ties in the channels that are body for one thread and tail for two."""
    x = Spec((1, 1, 2, 24), "int8", 1.0, 0)
    y = Spec((1, 1, 1, 24), "int8", 2.0, 0)
    axes = Spec((2,), "int32", data=np.array([1, 2], np.int32))
    content = build("MEAN", [x, axes], [y], {"keepDims": True}, "ReducerOptions", 2)
    codes = np.zeros(x.shape, np.int8)
    codes[0, 0, 0] = -2  # a mean of -0.5
    for threads, rounded_up in ((1, 16), (2, 0), (3, 0)):
        engine = Engine("optimized", threads=threads)
        assert_exact(content, [codes], engine)
        assert (run_replay(content, [codes], engine)[0] == 0).sum() == rounded_up
