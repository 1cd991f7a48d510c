"""Multipliers of scales: held to literal transcriptions of the functions that others have."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tflreplay import load
from tflreplay.ground.conventions import CONVENTIONS
from tflreplay.ground.engine import NEWEST, Engine
from tflreplay.ground.errors import InputError
from tflreplay.ground.rounding import RULES, Multiplier
from tflreplay.ops import CARDS, Card
from tflreplay.tools.multiplier import Multipliers, Scales, of_real, of_scales, read
from tflreplay.tools.rules import LayerRules, rulesheet

MODELS = Path(__file__).parent.parent / "models"
BY_NAME = {one.name: one for one in CONVENTIONS}
SCALES = 100_000
TFLM = Engine("tflm", "tflm", NEWEST["tflm"])


def c_round(x: float) -> int:
    """``std::round``: halves away from zero."""
    return math.floor(abs(x) + 0.5) * (1 if x >= 0 else -1)


def tflite(real: float) -> tuple[int, int]:
    """``QuantizeMultiplier``, which TFLM has a copy of."""
    if real == 0.0:
        return 0, 0
    q, shift = math.frexp(real)
    q_fixed = c_round(q * (1 << 31))
    assert q_fixed <= 1 << 31
    if q_fixed == 1 << 31:
        q_fixed //= 2
        shift += 1
    if shift < -31:
        shift = 0
        q_fixed = 0
    return q_fixed, shift


def tosa(real: float, bits: int) -> tuple[int, int]:
    """``computeMultiplierAndShiftTosaScale32`` and ``...16``."""
    mantissa, shift = math.frexp(real)
    shifted = c_round(mantissa * (1 << bits))
    if shifted == 1 << bits:
        shifted //= 2
        shift += 1
    shift = -shift + bits
    multiplier = shifted
    if shift > 62:
        multiplier >>= min(31, shift - 62)
        shift = 62
    return multiplier, shift


def vela(real: float) -> tuple[int, int]:
    """``quantise_scale``."""
    significand, exponent = math.frexp(real)
    significand_q31 = c_round(significand * (1 << 31))
    shift = -(exponent - 31)
    return (significand_q31, shift) if 0 <= shift < 1 << 6 else (0, 16)


def reduced(real: float) -> tuple[int, int]:
    """``REDUCE_MULTIPLIER``, with the shift as it was."""
    mantissa, shift = tflite(real)
    return ((mantissa + (1 << 15)) >> 16 if mantissa < 0x7FFF0000 else 0x7FFF), shift


TRANSCRIBED: dict[str, Callable[[float], tuple[int, int]]] = {
    "exponent": tflite,
    "right shift": lambda real: (tflite(real)[0], -tflite(real)[1]),
    "TOSA scale32": lambda real: tosa(real, 31),
    "TOSA scale16": lambda real: tosa(real, 15),
    "16-bit mantissa": reduced,
}


@pytest.fixture(scope="module")
def reals() -> np.ndarray:
    """Real multipliers of 2**-40 to 2**28, those beside powers of two among them."""
    rng = np.random.default_rng(19)
    some = 2.0 ** rng.uniform(-40, 28, SCALES)
    powers = 2.0 ** rng.integers(-40, 28, SCALES // 10)
    some[: powers.size] = powers * (1 + rng.integers(-3, 4, powers.size) * 2.0**-33)
    return some


@pytest.mark.parametrize("name", BY_NAME)
def test_integers_are_those_of_the_function_cited(name: str, reals: np.ndarray) -> None:
    multiplier, shift = BY_NAME[name].of(Multiplier.of(reals))
    expected = np.array([TRANSCRIBED[name](float(real)) for real in reals])
    np.testing.assert_array_equal(np.stack([multiplier, shift], 1), expected)


def test_vela_writes_them_as_tosa_does(reals: np.ndarray) -> None:
    """But for a mantissa of 2**31, which it does not halve."""
    multiplier, shift = BY_NAME["TOSA scale32"].of(Multiplier.of(reals))
    theirs = np.array([vela(float(real)) for real in reals])
    taken = (shift < 62) & (theirs[:, 0] < 2**31)
    assert taken.sum() > 0.8 * SCALES
    np.testing.assert_array_equal(np.stack([multiplier, shift], 1)[taken], theirs[taken])


def test_channels_have_tflites_integers() -> None:
    """``PopulateConvolutionQuantizationParams``: s1 * s2 / so in double, one for each channel."""
    rng = np.random.default_rng(3)
    filters = np.exp(rng.uniform(-12, 0, SCALES)).astype(np.float32)
    source, target = np.float32(0.047), np.float32(0.11)
    found = of_scales(
        Scales((float(source),), float(target), tuple(map(float, filters))), Engine(), None
    )
    ours = [(one.written[0].multiplier, one.written[0].shift) for one in found.stated]
    assert ours == [tflite(float(source) * float(scale) / float(target)) for scale in filters]


@pytest.mark.parametrize("bits", [8, 16])
def test_add_has_the_three_of_tflite(bits: int) -> None:
    """``Prepare`` of ``add.cc``: twice the larger scale, 20 bits to the left, or 15."""
    rng = np.random.default_rng(bits)
    for a, b, y in np.exp(rng.uniform(-8, 0, (100, 3))).astype(np.float32):
        left = 20 if bits == 8 else 15
        twice = 2 * float(max(a, b))
        expected = [
            tflite(float(a) / twice),
            tflite(float(b) / twice),
            tflite(twice / float(np.float32(1 << left) * y)),
        ]
        scales = Scales((float(a), float(b)), float(y))
        found = of_scales(scales, Engine(), "ADD", f"int{bits}")
        ours = [(one.written[0].multiplier, one.written[0].shift) for one in found.stated]
        assert ours == expected
        assert [one.of for one in found.stated] == ["input 0", "input 1", "output"]
        assert [one.left_shift for one in found.stated] == [left, left, 0]


@pytest.mark.parametrize("engine", [Engine(), Engine("optimized"), Engine("xnnpack"), TFLM])
def test_they_are_those_of_a_model_with_the_same_scales(engine: Engine) -> None:
    model = load(MODELS / "seven_ops_int8.tflite")
    compared = set()
    for layer in rulesheet(model, {}, engine):
        known = CARDS[layer.op.name]
        if known.smallest is None:
            continue
        of_model = found_in(layer, known, engine)
        if of_model.row != layer.row:  # a MEAN over other axes, for one
            continue
        assert of_model.clamp == layer.clamp
        assert of_model.factors == layer.factors
        assert integers(of_model) == integers(layer)
        compared.add(layer.op.name)
    assert len(compared) == 7


def found_in(layer: LayerRules, known: Card, engine: Engine) -> LayerRules:
    """The rules that its scales alone give."""
    activations = [t for t in layer.inputs if t is not None and not t.is_constant]
    filters: tuple[float, ...] = ()
    if known.weighted:
        assert known.roles.weights is not None
        weights = layer.inputs[known.roles.weights]
        assert weights is not None
        assert weights.quantization is not None
        filters = tuple(weights.quantization.scale.tolist())
    elif len(known.operands) == 2:
        activations = [t for t in layer.inputs if t is not None]
    output = layer.outputs[0]
    scales = Scales(
        tuple(t.scale for t in activations),
        output.scale,
        filters,
        tuple(t.zero_point for t in activations),
        output.zero_point,
        layer.op.options.get("fused_activation_function", "NONE"),
        elements=math.prod(activations[0].shape) // math.prod(output.shape),
    )
    found = of_scales(scales, engine, layer.op.name).layer
    assert found is not None
    return found


def integers(layer: LayerRules) -> list[tuple[int, int]]:
    found = [*layer.rescales]
    if layer.requantization is not None:
        found.append(layer.requantization.multiplier)
    return [
        (mantissa, shift)
        for m in found
        for mantissa, shift in zip(
            m.mantissa.reshape(-1).tolist(), m.shift.reshape(-1).tolist(), strict=True
        )
    ]


def test_a_squared_difference_has_three() -> None:
    """``Prepare`` of ``squared_difference.cc``: 7 bits to the left, a square for the output."""
    found = of_scales(Scales((0.1, 0.2), 0.3), Engine(), "SQUARED_DIFFERENCE")
    twice = 2 * float(np.float32(0.2))
    expected = [
        tflite(float(np.float32(0.1)) / twice),
        tflite(float(np.float32(0.2)) / twice),
        tflite(twice * twice / float(np.float32((1 << 14) * np.float32(0.3)))),
    ]
    assert [(one.written[0].multiplier, one.written[0].shift) for one in found.stated] == expected
    assert [one.left_shift for one in found.stated] == [7, 7, 0]


def test_engines_multiply_in_other_precisions() -> None:
    """s1 * s2 / so in float64, after a float32 product, and in float32 throughout."""
    s1, s2, so = np.float32([0.1, 0.3, 0.7])
    scales = Scales((0.1,), 0.7, (0.3,))
    reals = [
        of_scales(scales, engine, "FULLY_CONNECTED").stated[0].real
        for engine in (TFLM, Engine("optimized"), Engine("xnnpack"))
    ]
    assert reals == [
        float(s1) * float(s2) / float(so),
        float(s1 * s2) / float(so),
        float(s1 * s2 / so),
    ]
    assert len(set(reals)) == 3


def test_the_16_bit_mantissa_is_what_int16_multiplies_by() -> None:
    """The rule that int16 ops have, on a sum that shows every bit of the mantissa."""
    acc = np.array([2**40 + 12345])
    for real in (0.3, 0.9999999, 2.0**-9):
        multiplier = Multiplier.of(real)
        mantissa, shift = (int(n) for n in BY_NAME["16-bit mantissa"].of(multiplier))
        exact = int(acc[0]) * mantissa * Fraction(2) ** (shift - 15)
        assert int(RULES["reduced16"].apply(acc, multiplier)[0]) == math.floor(
            exact + Fraction(1, 2)
        )


# ---- the other way ----------------------------------------------------------------------------


def fitting(found: Multipliers) -> dict[str, list[str]]:
    """For each convention in which the integers fit, of what."""
    return {
        reading.written.convention.name: [fit.of for fit in reading.fits if fit.own or fit.near]
        for reading in found.readings
        if reading.written.held and any(fit.own or fit.near for fit in reading.fits)
    }


@pytest.mark.parametrize("name", BY_NAME)
def test_own_integers_are_recognized(name: str) -> None:
    """Of random multipliers of 2**-12 to 1/2: no other normalised reading fits."""
    rng = np.random.default_rng(5)
    for real in 2.0 ** rng.uniform(-12, -1.01, 200):
        beside = of_real(float(real))
        (written,) = (one for one in beside.stated[0].written if one.convention.name == name)
        found = read(written.multiplier, written.shift, beside)
        (reading,) = (r for r in found.readings if r.written.convention.name == name)
        assert reading.normalised
        assert reading.fits[0].own
        normalised = {r.written.convention.name for r in found.readings if r.normalised}
        assert set(fitting(found)) & normalised == {name}


def test_a_multiplier_that_is_not_normalised() -> None:
    """CMSIS-NN#184: 966 and 16 are the product in 16 fractional bits, cut down."""
    scales = Scales((0.5416631102561951,), 0.1264280378818512, (0.003441296052187681,))
    found = read(966, 16, of_scales(scales, Engine(), None))
    assert fitting(found) == {"TOSA scale32": [""], "TOSA scale16": [""]}
    by_name = {reading.written.convention.name: reading for reading in found.readings}
    assert not by_name["TOSA scale32"].normalised
    assert not by_name["TOSA scale32"].fits[0].own
    assert by_name["exponent"].fits[0].times == pytest.approx(2, rel=1e-3)
    assert not by_name["16-bit mantissa"].written.held


def test_the_channel_is_told_that_fits() -> None:
    beside = of_scales(Scales((0.05,), 0.2, (0.02, 0.03, 0.04)), Engine(), None)
    written = beside.stated[1].written[0]
    assert fitting(read(written.multiplier, written.shift, beside)) == {"exponent": ["channel 1"]}
    assert fitting(read(written.multiplier + 2, written.shift, beside)) == {}


def test_a_multiplier_beyond_a_conventions_shifts_is_not_written() -> None:
    written = {one.convention.name: one for one in of_real(2.0**29).stated[0].written}
    assert written["exponent"].held
    assert not written["TOSA scale32"].held
    assert not written["TOSA scale16"].held


# ---- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scales", "op", "dtype", "said"),
    [
        (Scales((0.1,), 0.1), None, "int8", "--filter-scale"),
        (Scales((0.1,), 0.1), "SOFTMAX", "int8", "--op SOFTMAX"),
        (Scales((0.1,), 0.1), "CONV_2D", "int8", "has weights"),
        (Scales((0.1,), 0.1, (0.1,)), "MEAN", "int8", "has no weights"),
        (Scales((0.1,), 0.1), "ADD", "int8", "takes 2 --input-scale"),
        (Scales((0.1, 0.1), 0.1, zero_points=(1,)), "ADD", "int8", "2 --input-zero-point"),
        (Scales((0.0,), 0.1, (0.1,)), None, "int8", "--input-scale 0.0"),
        (Scales((0.1,), float("inf"), (0.1,)), None, "int8", "--output-scale inf"),
        (Scales((0.1,), 0.1, (0.1, -0.1)), None, "int8", "--filter-scale -0.1"),
        (Scales((0.1,), 0.1, (0.1,), (200,)), None, "int8", "--input-zero-point 200"),
        (Scales((0.1,), 0.1, (0.1,), output_zero_point=1), None, "int16", "--zero-point 1"),
        (Scales((0.1,), 0.1, (0.1,), activation="SOFT"), None, "int8", "--activation SOFT"),
        (Scales((0.1,), 0.1, activation="RELU"), "QUANTIZE", "int8", "--activation RELU"),
        (Scales((0.1,), 0.1), "ABS", "uint8", "ABS on uint8"),
    ],
)
def test_what_is_wrong_is_named(scales: Scales, op: str | None, dtype: str, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        of_scales(scales, Engine(), op, dtype)


@pytest.mark.parametrize("integers", [(0, 0), (2**31, 0), (1, 64), (-1, 3)])
def test_integers_of_no_convention(integers: tuple[int, int]) -> None:
    with pytest.raises(InputError, match=r"--multiplier|--shift"):
        read(*integers, Multipliers())


@pytest.mark.parametrize("op", [op for op, card in CARDS.items() if card.smallest is not None])
def test_every_smallest_operator_is_replayed(op: str) -> None:
    known = CARDS[op]
    count = 1 if known.weighted else len(known.operands)
    scales = Scales((0.25, 0.125)[:count], 0.5, (0.01, 0.02) if known.weighted else ())
    found = of_scales(scales, Engine(), op)
    assert found.stated
    assert all(one.real > 0 for one in found.stated)
