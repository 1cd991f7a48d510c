"""What rows say in words is what their kernels compute."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.kernels.test_lstm import Kind, random_lstm
from tests.notation import Names, clauses, evaluate, exchanged, values
from tests.single_op import Op, Spec, build_side_by_side, random_codes
from tflreplay.ground.engine import NEWEST, Engine
from tflreplay.ground.rounding import Accumulation, Array, Multiplier, quantize_multiplier
from tflreplay.model import Model, parse
from tflreplay.ops import CARDS, Row
from tflreplay.ops.base.call import Call, activation_range
from tflreplay.ops.base.row import Clamp
from tflreplay.ops.seam import FirstHalf, call_of, first_half

TRIALS = 20
ROWS = {
    f"{op}-{table}-{index}": (op, table, row)
    for op, card in CARDS.items()
    for table in card.tables
    for index, row in enumerate(card.rows(table))
}
SAID = {name: found for name, found in ROWS.items() if found[2].multiplier}

# Kernels that compute in float32 throughout, so that no multiplier can be taken out of them.
IN_FLOAT32 = {
    ("LOG_SOFTMAX", "optimized"),
    ("MEAN", "xnnpack"),
    ("QUANTIZE", "xnnpack"),
    ("SOFTMAX", "optimized"),
    ("SUM", "optimized"),
    ("SUM", "xnnpack"),
}
# What kernels multiply by besides: the gates' products, where the row's multiplier is a Precision
# of the sums that the kernel reads.
BESIDES = {
    ("UNIDIRECTIONAL_SEQUENCE_LSTM", table): "float64 2**-15; float64 2**-30/sc; float64 2**-30/sh"
    for table in ("tflm", "cmsis-nn")
}
# Kernels that make other multipliers of what they have computed.
OTHERS = {("LOG_SOFTMAX", "reference")}


@dataclass(frozen=True)
class Case:
    """An op of one output or more, and the names of its scales: a mapping for each multiplier."""

    op: Op
    names: tuple[Names, ...]


# ---- ops with random scales -------------------------------------------------------------------


def scale(rng: np.random.Generator) -> np.float32:
    """With all its bits."""
    return np.float32(rng.uniform(0.02, 0.2))


def codes(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Spec:
    zero_point = 0 if dtype in ("int16", "int32") else int(rng.integers(1, 30))
    return Spec(shape, dtype, scale(rng), zero_point)


def of_one(
    options_type: str | None = None, **options: Callable[[np.random.Generator], float]
) -> Callable[[np.random.Generator, str], Case]:
    """An op of one input; its options are named in lower case in a text."""

    def make(rng: np.random.Generator, dtype: str) -> Case:
        x = codes(rng, (1, 6), dtype)
        target = {"int32": "int16", "float32": "int8"}.get(dtype, dtype)
        y = codes(rng, (1, 6), target)
        chosen = {name: float(np.float32(draw(rng))) for name, draw in options.items()}
        return Case(
            Op("", [x], [y], chosen, options_type), ({"si": x.scale, "so": y.scale} | chosen,)
        )

    return make


def of_two(options_type: str | None = None) -> Callable[[np.random.Generator, str], Case]:
    def make(rng: np.random.Generator, dtype: str) -> Case:
        a, b, y = (codes(rng, (1, 6), dtype) for _ in "aby")
        both = {"s1": a.scale, "s2": b.scale, "so": y.scale}
        return Case(
            Op("", [a, b], [y], {}, options_type),
            tuple({**both, "s": spec.scale} for spec in (a, b)),
        )

    return make


def prelu(rng: np.random.Generator, dtype: str) -> Case:
    x, y = (codes(rng, (1, 6), dtype) for _ in "xy")
    alpha = codes(rng, (1, 6), "int8" if dtype == "int16" else dtype)
    names = {"si": x.scale, "sa": alpha.scale, "so": y.scale}
    return Case(Op("", [x, alpha], [y]), (names,))


def reduction(rng: np.random.Generator, dtype: str) -> Case:
    """Over axes 1 and 2, which are kept."""
    x, y = codes(rng, (1, 2, 3, 4), dtype), codes(rng, (1, 1, 1, 4), dtype)
    axes = Spec((2,), "int32", data=np.array([1, 2], np.int32))
    op = Op("", [x, axes], [y], {"keepDims": True}, "ReducerOptions", 2)
    return Case(op, ({"si": x.scale, "so": y.scale, "n": 6},))


def weighted(
    shapes: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]],
    axis: int,
    options_type: str,
    transposed: bool = False,
) -> Callable[[np.random.Generator, str], Case]:
    """Three output channels, each with a scale of its own where the type allows it."""

    def make(rng: np.random.Generator, dtype: str) -> Case:
        x, y = (codes(rng, shapes[i], dtype) for i in (0, 2))
        kind = "uint8" if dtype == "uint8" else "int8"
        scales = scale(rng) if kind == "uint8" else np.array([scale(rng) for _ in range(3)])
        w = Spec(shapes[1], kind, scales, 0, random_codes(rng, shapes[1], kind), axis)
        bias = np.zeros(3, np.int64 if dtype == "int16" else np.int32)
        b = Spec((3,), bias.dtype.name, data=bias)
        inputs = [x, w, b]
        if transposed:
            inputs = [Spec((4,), "int32", data=np.array(shapes[2], np.int32)), w, x, b]
        options = {"strideH": 1, "strideW": 1} if "Conv" in options_type else {}
        names = tuple({"s1": x.scale, "s2": s, "so": y.scale} for s in np.ravel(w.scale))
        return Case(Op("", inputs, [y], options, options_type), names)

    return make


def batch_matmul(rng: np.random.Generator, dtype: str) -> Case:
    a, b, y = (codes(rng, shape, dtype) for shape in ((2, 3), (3, 2), (2, 2)))
    op = Op("", [a, b], [y], {}, "BatchMatMulOptions")
    return Case(op, ({"s1": a.scale, "s2": b.scale, "so": y.scale},))


def svdf(rng: np.random.Generator, dtype: str) -> Case:
    x, y = codes(rng, (1, 3), dtype), codes(rng, (1, 2), dtype)
    features, times = (
        Spec(shape, kind, scale(rng), 0, random_codes(rng, shape, kind))
        for shape, kind in (((2, 3), "int8"), ((2, 4), "int16"))
    )
    state = Spec((1, 8), "int16", scale(rng), variable=True)
    names = {"s1": x.scale, "s2": features.scale, "ss": state.scale, "st": times.scale}
    op = Op("", [x, features, times, None, state], [y], {"rank": 1}, "SVDFOptions")
    return Case(op, ({**names, "so": y.scale},))


def lstm(sequence: bool) -> Callable[[np.random.Generator, str], Case]:
    def make(rng: np.random.Generator, dtype: str) -> Case:
        op = random_lstm(rng, Kind(1, 2, 3, 4, 4, sequence=sequence))
        x, h, c = (op.inputs[i] for i in (0, 18, 19))
        pairs = [(x, op.inputs[i]) for i in range(1, 5)] + [(h, op.inputs[i]) for i in range(5, 9)]
        hidden = op.intermediates[-1]
        sums = tuple({"s1": a.scale, "s2": w.scale, "so": 2.0**-12} for a, w in pairs)
        return Case(op, (*sums, {"sh": hidden.scale, "sc": c.scale}))

    return make


MAKES: dict[str, Callable[[np.random.Generator, str], Case]] = {
    "ABS": of_one(),
    "ADD": of_two("AddOptions"),
    "BATCH_MATMUL": batch_matmul,
    "CONV_2D": weighted(((1, 1, 1, 2), (3, 1, 1, 2), (1, 1, 1, 3)), 0, "Conv2DOptions"),
    "DEPTHWISE_CONV_2D": weighted(
        ((1, 1, 1, 3), (1, 1, 1, 3), (1, 1, 1, 3)), 3, "DepthwiseConv2DOptions"
    ),
    "DIV": of_two("DivOptions"),
    "FULLY_CONNECTED": weighted(((1, 2), (3, 2), (1, 3)), 0, "FullyConnectedOptions"),
    "HARD_SWISH": of_one(),
    "LEAKY_RELU": of_one("LeakyReluOptions", alpha=lambda rng: -rng.uniform(0.1, 0.9)),
    "LOG_SOFTMAX": of_one(),
    "LSTM": lstm(sequence=False),
    "MEAN": reduction,
    "MUL": of_two("MulOptions"),
    "PRELU": prelu,
    "QUANTIZE": of_one(),
    "REDUCE_PROD": reduction,
    **{op: of_one() for op in ("RELU", "RELU6", "RELU_0_TO_1", "RELU_N1_TO_1", "RSQRT")},
    "SOFTMAX": of_one("SoftmaxOptions", beta=lambda rng: rng.uniform(0.3, 2)),
    "SQUARED_DIFFERENCE": of_two(),
    "SUB": of_two("SubOptions"),
    "SUM": reduction,
    "SVDF": svdf,
    "TRANSPOSE_CONV": weighted(
        ((1, 1, 1, 2), (3, 1, 1, 2), (1, 1, 1, 3)), 0, "TransposeConvOptions", transposed=True
    ),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": lstm(sequence=True),
}


def cases(op: str, row: Row) -> Iterator[tuple[Case, Model]]:
    rng = np.random.default_rng(1)
    for trial in range(TRIALS):
        case = MAKES[op](rng, row.types[trial % len(row.types)])
        content = build_side_by_side([replace(case.op, name=op)])
        yield case, parse(content, Path("words.tflite"))


# ---- what the kernels multiply by -------------------------------------------------------------


def handed(model: Model, table: str, row: Row) -> tuple[Call, list[Any]]:
    """What the row's kernel is handed: the highest codes."""
    runtime = "tflm" if table == "tflm" else "litert"
    tensors = {}
    for index in model.main.inputs:
        tensor = model.main.tensors[index]
        high = 1.0 if tensor.dtype == "float32" else tensor.code_range[1]
        tensors[index] = np.full(tensor.shape, high, tensor.numpy_dtype)
    engine = Engine(table, runtime, NEWEST[runtime])
    return call_of(model.main, model.main.operators[0], tensors, engine, row)


@dataclass
class Multiplied:
    """The multipliers that a kernel makes, those that it applies, and its first half."""

    made: set[float]
    applied: set[float]
    result: FirstHalf


def multiplied(call: Call, arrays: list[Any], monkeypatch: pytest.MonkeyPatch) -> Multiplied:
    made: set[float] = set()
    applied: set[float] = set()
    of = Multiplier.of

    def making(real: Any) -> Multiplier:
        made.update(np.ravel(np.asarray(real, np.float64)).tolist())
        return of(real)

    def applying(acc: Array, multiplier: Multiplier) -> Array:
        applied.update(np.ravel(multiplier.real).tolist())
        return call.rule.apply(acc, multiplier)

    with monkeypatch.context() as patch:
        patch.setattr(Multiplier, "of", making)
        result = first_half(replace(call, rule=replace(call.rule, apply=applying)), arrays)
    if isinstance(result, Accumulation):
        applied.update(np.ravel(result.multiplier.real).tolist())
    return Multiplied(made, applied, result)


@pytest.mark.parametrize("name", SAID)
def test_multipliers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of scales with all their bits, so that the precision shows, and the order."""
    op, table, row = SAID[name]
    text = str(row.multiplier)
    _, notes = clauses(text)
    told = 0
    for case, model in cases(op, row):
        call, arrays = handed(model, table, row)
        found = multiplied(call, arrays, monkeypatch)
        if (op, table) in IN_FLOAT32 and not found.made:
            return
        expected = values(text, case.names)
        told += any(values(other, case.names) != expected for other in exchanged(text))
        if notes and notes[0].startswith("to "):
            assert factors(call, arrays) == narrowed(expected, notes[0])
        elif notes == ["mantissa divided by the count"]:
            assert isinstance(found.result, Accumulation)
            assert_divided(found.result.multiplier, expected, case.names[0]["n"])
        elif (op, table) in BESIDES:
            assert found.made == expected | values(BESIDES[op, table], case.names)
        elif (op, table) in OTHERS:
            assert expected <= found.made
        else:
            assert (found.applied if row.rule else found.made) == expected
    assert told or (op, table) in OTHERS


def factors(call: Call, arrays: list[Any]) -> set[float]:
    """What one code more in each input, or one less, adds to the sum, times the multiplier."""
    found = set()
    zeros = [np.full_like(array, call.input(i).zero_point) for i, array in enumerate(arrays)]
    for position in range(len(zeros)):
        sign = CARDS[call.op.name].sign if position else 1
        for step in (1, -1):
            moved = list(zeros)
            moved[position] = (zeros[position].astype(int) + step).astype(zeros[position].dtype)
            result = first_half(call, moved)
            assert isinstance(result, Accumulation)
            found.add(sign * step * float(result.values.flat[0]) * float(result.multiplier.real))
    return found


def narrowed(ratios: set[float], note: str) -> set[float]:
    """To so many fractional bits, or so that the largest one has so many bits."""
    count = int(note.split()[1])
    bits = count if note.endswith("fractional bits") else count - int(np.frexp(max(ratios))[1])
    return {float(np.rint(np.ldexp(ratio, bits)) * 2.0**-bits) for ratio in ratios}


def assert_divided(multiplier: Multiplier, ratios: set[float], count: float) -> None:
    """The mantissa, shifted left by some bits, divided by the count, truncated."""
    (ratio,) = ratios
    mantissa, shift = (int(v) for v in quantize_multiplier(np.asarray(ratio)))
    left = shift - int(multiplier.shift)
    assert left >= 0
    assert int(multiplier.mantissa) == (mantissa << left) // int(count)
    assert float(multiplier.real) == ratio / count


def test_every_row_with_a_rule_says_by_what_it_multiplies() -> None:
    assert {name for name, (_, _, row) in ROWS.items() if row.rule} <= set(SAID)


# ---- the bounds of a fused activation ---------------------------------------------------------


@pytest.mark.parametrize("clamp", Clamp)
def test_bounds(clamp: Clamp) -> None:
    """Halves among them, which part the two."""
    rng = np.random.default_rng(1)
    row = replace(ROWS["RELU6-reference-0"][2], clamp=clamp)
    told = 0
    for _ in range(300):
        y = Spec((1, 6), "int8", np.float32(6 / rng.integers(1, 100) * 2), int(rng.integers(-9, 9)))
        model = parse(build_side_by_side([Op("RELU6", [y], [y])]), Path("relu6.tflite"))
        call, _ = handed(model, "reference", row)
        names = {"f": 6.0, "so": y.scale, "zo": y.zero_point}
        said = {text: int(evaluate(str(text), names)) for text in Clamp}
        assert activation_range(call, "RELU6")[1] == min(said[clamp], 127)
        told += said[Clamp.HALF_AWAY] != said[Clamp.HALF_EVEN]
    assert told > 10


# ---- the kind of algorithm --------------------------------------------------------------------


@pytest.mark.parametrize("name", ROWS)
def test_what_moves_data_says_copy(name: str) -> None:
    _, _, row = ROWS[name]
    assert row.moves == (row.algorithm == "copy")
