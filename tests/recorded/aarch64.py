"""Rows for aarch64, each beside the one that x86-64 has in its place; recorded under qemu."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from ai_edge_litert.schema_py_generated import Padding

from tests.kernels.common import every_code, near_tie_ratio
from tests.recorded import models
from tests.recorded.case import Case, Made, by_rule, case, unlike
from tests.single_op import Spec, build, random_codes, random_scale
from tflreplay.ground.engine import NEWEST, Engine
from tflreplay.ground.machine import (
    AARCH64,
    LITTLE,
    MATRICES,
    NO_DOT_PRODUCT,
    SME,
    Machines,
    asked,
)
from tflreplay.ops import CARDS, Row
from tflreplay.ops.base.precision import Precision
from tflreplay.ops.base.types import FLOAT, UNQUANTIZED
from tflreplay.ops.conv import BY_IMAGES, BY_PIXELS
from tflreplay.ops.conv.hybrid import hybrid_conv_2d
from tflreplay.ops.conv.xnnpack import kleidi_conv_2d_by_pixels, neondot_hybrid_conv_2d
from tflreplay.ops.fully_connected import BY_ROWS
from tflreplay.ops.fully_connected.floating import (
    hybrid_by_whole_weights,
    hybrid_four_bit,
    hybrid_fully_connected,
    kleidi_fully_connected,
)
from tflreplay.ops.fully_connected.hybrid_aarch64 import (
    four_bit_on_aarch64,
    hybrid_on_aarch64,
)
from tflreplay.ops.fully_connected.in_16_bits import fully_connected_in_16_bits
from tflreplay.ops.fully_connected.integer import fully_connected

ON = {AARCH64: "aarch64", LITTLE: "aarch64:cortex-a53", SME: "aarch64:sme", MATRICES: "aarch64:sme"}
ON[NO_DOT_PRODUCT] = "aarch64:cortex-a72"
_TABLES = {
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "TRANSPOSE_CONV": "TransposeConvOptions",
}
SMALL, LARGE = (2.0**-21, 2.0**-19), (1.5, 200.0)


def cases() -> list[Case]:
    return [*weighted_cases(), *hybrid_cases(), *other_cases()]


def here_and_there(
    name: str, make: Any, op: str, engine: str, on: Machines, *rules: str, **fields: Any
) -> Case:
    """The row ``on`` these machines that has the fields; ``rules`` are told from it."""
    there = row(op, engine, on=on, **fields)
    texts = {f"{engine}@{ON[on]} litert=={NEWEST['litert']}": there}
    instead = tuple(each for rule in rules for each in by_rule(there, rule))
    return case(f"{op} {name} on {on}", make, texts, instead=instead)


def row(op: str, table: str, **fields: Any) -> Row:
    """The one row of the op in this table that has these fields, of the newest release."""
    on = fields.get("on")
    engine = Engine(machine=asked(ON[on])) if on is not None else Engine()
    (found,) = (
        each
        for each in CARDS[op].rows(table)
        if each.is_of(engine)
        and all(getattr(each, name) == value for name, value in fields.items())
    )
    return found


def weighted_cases() -> list[Case]:
    """Ops that multiply by weights."""
    cases = []
    conv = partial(weighted, op="CONV_2D")
    depthwise = partial(weighted, op="DEPTHWISE_CONV_2D")
    connected = partial(weighted, op="FULLY_CONNECTED")
    transposed = partial(weighted, op="TRANSPOSE_CONV")
    for op, make, shape in (
        ("CONV_2D", conv, {"kernel": 3}),
        ("DEPTHWISE_CONV_2D", depthwise, {"times": 2}),
        ("FULLY_CONNECTED", connected, {}),
        ("TRANSPOSE_CONV", transposed, {}),
    ):
        for rule, on in (("rndnu16", LITTLE), ("rndnu", AARCH64)):
            code = partial(make, dtype="uint8", real=SMALL, **shape)
            others = ("float-even32", "rndnu" if rule == "rndnu16" else "rndnu16")
            cases.append(here_and_there(rule, code, op, "xnnpack", on, *others, rule=rule))
    for op, make in (("CONV_2D", partial(conv, grouped=True)), ("DEPTHWISE_CONV_2D", depthwise)):
        code = partial(make, dtype="uint8", real=LARGE, overflow=True)
        rule = "rndnu-wrapping"
        cases.append(here_and_there(rule, code, op, "xnnpack", AARCH64, "rndnu", rule=rule))
    for op, make in (("CONV_2D", conv), ("FULLY_CONNECTED", connected)):
        code = partial(make, dtype="int8", real=LARGE, overflow=True)
        rule = "float-even32-kleidi"
        others = ("float-even32", "float-even32-wrapping")
        cases.append(here_and_there(rule, code, op, "xnnpack", SME, *others, rule=rule))
        for dtype, several in (("int8", True), ("uint8", False)):
            types = (dtype,) if op == "CONV_2D" else ("int8", "uint8")
            code = partial(make, dtype=dtype, real=(2.0**-9, 2.0**-6), per_channel=several)
            found = [
                each
                for each in CARDS[op].rows("optimized")
                if (each.rule, each.types, each.on) == ("ruy-neon", types, AARCH64)
            ]
            there = found[0] if several else found[-1]
            cases.append(
                case(
                    f"{op} {dtype} by ruy",
                    code,
                    {f"optimized@aarch64 litert=={NEWEST['litert']}": there},
                    instead=by_rule(there, "double-up"),
                )
            )
        for several in (False, True) if op == "FULLY_CONNECTED" else (True,):
            found = [each for each in CARDS[op].rows("optimized") if each.rule == "single"]
            there = found[0] if several else found[-1]
            cases.append(
                case(
                    f"{op} int16 by ruy, {there.multiplier}",
                    partial(make, dtype="int16", real=(2.0**-9, 2.0**-6), per_channel=several),
                    {f"optimized@aarch64 litert=={NEWEST['litert']}": there},
                    instead=by_rule(there, "double-up"),
                )
            )
    # A multiplier from 1/2 on, and a sum that one bit more would not fit.
    wide = partial(conv, dtype="int8", real=LARGE, per_channel=True, overflow=True)
    cases.append(
        here_and_there(
            "ruy-neon that overflows",
            wide,
            "CONV_2D",
            "optimized",
            AARCH64,
            *("single", "double-up"),
            rule="ruy-neon",
            types=("int8",),
        )
    )
    saturating = partial(connected, dtype="int8", real=LARGE, overflow=True)
    rule = "float-away64-saturating"
    cases.append(
        here_and_there(
            rule, saturating, "FULLY_CONNECTED", "reference", AARCH64, "float-away64", rule=rule
        )
    )
    late = partial(depthwise, dtype="int8", real=(1.5, 30.0), per_channel=True)
    up = partial(depthwise, dtype="uint8", real=(2.0**-9, 2.0**-6))
    for code, rule, other in ((late, "double-up-late", "neon8"), (up, "double-up", "double")):
        cases.append(
            here_and_there(rule, code, "DEPTHWISE_CONV_2D", "optimized", AARCH64, other, rule=rule)
        )
    for several, multiplier in ((True, Precision.FLOAT64), (False, Precision.FLOAT32_PRODUCT)):
        there = row(
            "FULLY_CONNECTED",
            "optimized",
            on=NO_DOT_PRODUCT,
            kernel=fully_connected_in_16_bits,
            multiplier=multiplier,
            since={},
        )
        cases.append(
            case(
                f"FULLY_CONNECTED by -128 on {NO_DOT_PRODUCT}, {multiplier}",
                partial(lowest, per_channel=several),
                {f"optimized@{ON[NO_DOT_PRODUCT]} litert=={NEWEST['litert']}": there},
                instead=(replace(there, kernel=fully_connected),),
            )
        )
    cases.append(
        here_and_there("above -128", matrices, "BATCH_MATMUL", "xnnpack", NO_DOT_PRODUCT, "single")
    )
    return cases


def hybrid_cases() -> list[Case]:
    """FULLY_CONNECTED of float32 by integer weights: every kernel of it, on either kind of CPU."""
    ours, four = (
        next(row for row in CARDS["FULLY_CONNECTED"].rows(table) if row.kernel is kernel)
        for table, kernel in (("reference", hybrid_on_aarch64), ("optimized", four_bit_on_aarch64))
    )
    x86 = row("FULLY_CONNECTED", "reference", kernel=hybrid_fully_connected)
    x86_four = row("FULLY_CONNECTED", "optimized", kernel=hybrid_four_bit)
    xnnpack = row("FULLY_CONNECTED", "xnnpack", source="src/qd8-f32-qc8w-gemm")
    of_eight = replace(ours, kernel=hybrid_by_whole_weights)
    cases = []
    for name, made, there, instead in (
        ("of four rows", partial(hybrid, rows=8, units=16), ours, (xnnpack,)),
        ("of three rows", partial(hybrid, rows=3, units=24, depth=40), ours, (x86,)),
        ("of many rows", partial(hybrid, rows=40, units=20), ours, (x86,)),
        ("by -128", partial(hybrid, rows=5, depth=44, lowest=True), ours, (x86, of_eight)),
        ("by int4", partial(hybrid, rows=5, units=18, bits=4), four, (x86_four, ours)),
        ("by int4 of one row", partial(hybrid, rows=1, units=90, bits=4), four, (x86_four, ours)),
    ):
        table = "optimized" if there is four else "reference"
        engines = {
            f"{table}@{machine} litert=={NEWEST['litert']}": there
            for machine in (ON[AARCH64], ON[NO_DOT_PRODUCT])
        }
        cases.append(case(f"FULLY_CONNECTED hybrid {name}", made, engines, instead=instead))
    return [*cases, *xnnpack_hybrid_cases()]


def xnnpack_hybrid_cases() -> list[Case]:
    """Rows and pixels by KleidiAI's kernels, images by XNNPACK's own; on other CPUs as on x86."""
    filters = partial(hybrid_filters, size=1), partial(hybrid_filters, size=3)
    found = []
    for name, made, op, machines, plain, here in (
        ("rows", hybrid, "FULLY_CONNECTED", (), BY_ROWS, kleidi_fully_connected),
        ("one row", one_row, "FULLY_CONNECTED", (SME,), BY_ROWS, kleidi_fully_connected),
        ("pixels", filters[0], "CONV_2D", (), BY_PIXELS, kleidi_conv_2d_by_pixels),
        ("images", filters[1], "CONV_2D", (MATRICES,), BY_IMAGES, neondot_hybrid_conv_2d),
    ):
        rows = {
            f"xnnpack@{ON[on]} litert=={NEWEST['litert']}": next(
                each
                for each in CARDS[op].rows("xnnpack")
                if each.takes("float32")
                and each.runs_on(asked(ON[on]))
                and each.kernel in (plain.kernel, here)
            )
            for on in (AARCH64, NO_DOT_PRODUCT, *machines)
        }
        other = row("CONV_2D", "reference", kernel=hybrid_conv_2d)
        if op == "FULLY_CONNECTED":
            other = row(op, "reference", kernel=hybrid_fully_connected)
        found.append(case(f"{op} hybrid in XNNPACK, {name}", made, rows, instead=(other,)))
    return found


def one_row(rng: np.random.Generator) -> Made:
    return hybrid(rng, rows=1, units=90)


def hybrid_filters(rng: np.random.Generator, size: int) -> Made:
    """Two float32 images by filters of this size."""
    codes = rng.integers(-127, 128, (8, size, size, 6)).astype(np.int8)
    scales = rng.uniform(0.01, 0.1, 8).astype(np.float32)
    bias = Spec((8,), "float32", data=rng.normal(0, 9, 8).astype(np.float32))
    x, y = Spec((2, 5, 5, 6), "float32"), Spec((2, 5, 5, 8), "float32")
    fields = {"padding": Padding.SAME, "strideH": 1, "strideW": 1}
    inputs = [x, Spec(codes.shape, "int8", scales, 0, codes), bias]
    content = build("CONV_2D", inputs, [y], fields, "Conv2DOptions", 5)
    return content, [rng.normal(0, 1, x.shape).astype(np.float32)]


def hybrid(
    rng: np.random.Generator,
    rows: int = 5,
    units: int = 16,
    depth: int = 48,
    bits: int = 8,
    lowest: bool = False,
) -> Made:
    """float32 rows; ``lowest``: half of all codes are -128, of the rows and of the weights."""
    codes = rng.integers(-127, 128, (units, depth)).astype(np.int8)
    if bits == 4:
        nibbles = rng.integers(-7, 8, (units * depth // 2, 2)).astype(np.uint8) & 15
        codes = nibbles[:, 0] | nibbles[:, 1] << 4
    values = rng.normal(0, 1, (rows, depth))
    if lowest:
        codes = np.where(rng.random(codes.shape) < 0.5, -128, codes).astype(np.int8)
        values = np.where(rng.random(values.shape) < 0.5, -4, values)
    scales = rng.uniform(0.01, 0.1, units).astype(np.float32)
    bias = Spec((units,), "float32", data=rng.normal(0, 9, units).astype(np.float32))
    w = Spec((units, depth), f"int{bits}", scales, 0, codes)
    x, y = Spec((rows, depth), "float32"), Spec((rows, units), "float32")
    fields = {"asymmetricQuantizeInputs": lowest}
    content = build("FULLY_CONNECTED", [x, w, bias], [y], fields, "FullyConnectedOptions", 9)
    return content, [values.astype(np.float32)]


def other_cases() -> list[Case]:
    """Each told from what x86-64 computes."""
    pairs = partial(models.pairs, op="MUL", dtype="int8", table="MulOptions", product=True)
    swish = partial(models.unary, op="HARD_SWISH", table="HardSwishOptions")
    cases = [here_and_there("rndnu", pairs, "MUL", "xnnpack", AARCH64, "float-even32")]
    for op, engine, dtype, make in (
        ("MEAN", "xnnpack", "int8", mean),
        ("SOFTMAX", "optimized", "int8", softmax),
        ("HARD_SWISH", "optimized", "int8", swish),
        ("DEQUANTIZE", "optimized", "int8", dequantize),
        ("CONCATENATION", "reference", "uint8", concatenation),
        ("QUANTIZE", "reference", "float32", quantize),
        ("QUANTIZE", "optimized", "float32", quantize),
        ("QUANTIZE", "xnnpack", "float32", quantize),
    ):
        there, here = (
            next(
                each
                for each in CARDS[op].rows(*tables(engine))
                if each.takes(dtype) and each.on == on
            )
            for on in (AARCH64, None)
        )
        cases.append(
            case(
                f"{op} {dtype} on aarch64, {engine}",
                make,
                {f"{engine}@aarch64 litert=={NEWEST['litert']}": there},
                instead=(here,),
            )
        )
    # Squares are fused there, in the row that x86-64 has too.
    for op, made in (("L2_NORMALIZATION", lengths), ("L2_POOL_2D", pooled)):
        rows = {f"reference@aarch64 litert=={NEWEST['litert']}": row(op, "reference", types=FLOAT)}
        cases.append(case(f"{op} float32 on aarch64", made, rows, instead=unlike(np.sin)))
    # float32 within a tolerance, which says less.
    for op, engine, make, other in (
        ("TANH", "reference", partial(models.real, op="TANH"), unlike(np.sin)),
        (
            "MEAN",
            "optimized",
            partial(models.reduction, op="MEAN", dtype="float32"),
            (row("SUM", "reference", types=UNQUANTIZED),),
        ),
    ):
        there = row(op, engine, types=FLOAT, on=AARCH64)
        rows = {f"{engine}@aarch64 litert=={NEWEST['litert']}": there}
        cases.append(case(f"{op} float32 on aarch64, {engine}", make, rows, instead=other))
    return cases


def tables(engine: str) -> tuple[str, ...]:
    return (engine, "reference")


def lowest(
    rng: np.random.Generator,
    dtype: str = "int8",
    per_channel: bool = False,
    batches: int = 6,
    units: int = 16,
) -> Made:
    """Most codes are -128, those of the weights and of the inputs."""
    depth = 40
    x, w = (
        np.where(rng.random(shape) < 0.7, -128, rng.integers(-128, 128, shape)).astype(dtype)
        for shape in ((batches, depth), (units, depth))
    )
    scales = rng.uniform(0.01, 0.02, units if per_channel else 1).astype(np.float32)
    s, so = np.float32(rng.uniform(0.01, 0.1)), np.float32(rng.uniform(1.0, 2.0))
    bias = rng.integers(-(2**15), 2**15, units).astype(np.int32)
    content = build(
        "FULLY_CONNECTED",
        [
            Spec(x.shape, dtype, s, int(rng.integers(-20, 20))),
            Spec(w.shape, dtype, scales, 0, w),
            Spec((units,), "int32", s * scales, 0, bias),
        ],
        [Spec((batches, units), dtype, so, 0)],
        {},
        "FullyConnectedOptions",
        4,
    )
    return content, [x]


def weighted(
    rng: np.random.Generator,
    op: str,
    dtype: str,
    real: tuple[float, float],
    per_channel: bool = False,
    overflow: bool = False,
    kernel: int = 3,
    times: int = 1,
    grouped: bool = False,
) -> Made:
    """Half of the sums are the bias alone, which lies next to a tie; ``real`` bounds multipliers.

    ``overflow``: half of the biases are anywhere in int32.
    """
    info = np.iinfo(dtype)
    depth, channels = 8, 16
    filters: tuple[int, ...]
    if op == "FULLY_CONNECTED":
        filters, x_shape, y_shape = (channels, depth), (12, depth), (12, channels)
    elif op == "CONV_2D":
        channels = depth if grouped else channels
        filters = (channels, kernel, kernel, 1 if grouped else depth)
        x_shape, y_shape = (1, 5, 5, depth), (1, 5, 5, channels)
    elif op == "DEPTHWISE_CONV_2D":
        channels = depth * times
        filters, x_shape, y_shape = (
            (1, kernel, kernel, channels),
            (1, 5, 5, depth),
            (1, 5, 5, channels),
        )
    else:
        filters, x_shape, y_shape = (channels, 2, 2, depth), (1, 4, 4, depth), (1, 8, 8, channels)
    axis = 3 if op == "DEPTHWISE_CONV_2D" else 0
    count = channels if per_channel else 1
    multiplier = np.exp(rng.uniform(*np.log(real), count))
    w_scale = np.float32(0.01 * multiplier / multiplier[0])
    x_zero, y_zero = (0, 0) if dtype == "int16" else (models.zero_point(rng, dtype) for _ in "xy")
    w_zero = 128 if dtype == "uint8" else 0
    weights_type = "int8" if dtype == "int16" else dtype
    codes = rng.integers(-127, 128, filters) + w_zero
    along = axis if per_channel else 0
    w = Spec(filters, weights_type, w_scale, w_zero, codes.astype(weights_type), along)
    span = 100 if dtype != "int16" else 20000
    bias = (rng.integers(-span, span, channels) + 0.5) / multiplier + rng.integers(-1, 2, channels)
    if overflow:
        large = rng.integers(-(2**31) + 2**20, 2**31 - 2**20, channels)
        bias = np.where(rng.random(channels) < 0.5, large, bias)
    b = Spec((channels,), "int32", np.float32(0.5) * w_scale, 0, bias.round().astype(np.int32))
    x = Spec(x_shape, dtype, 0.5, x_zero)
    y = Spec(y_shape, dtype, np.float32(0.5 * w_scale[0] / multiplier[0]), y_zero)
    near = (x_zero + rng.integers(-3, 4, x_shape)).clip(info.min, info.max)
    arrays = [np.where(rng.random(x_shape) < 0.5, x_zero, near).astype(dtype)]
    arrays[0][..., : x_shape[1] // 2, :] = x_zero
    fields: dict[str, Any] = {}
    if op != "FULLY_CONNECTED":
        stride = 2 if op == "TRANSPOSE_CONV" else 1
        fields = {"padding": Padding.SAME, "strideH": stride, "strideW": stride}
    if axis:
        fields["depthMultiplier"] = times
    if dtype == "int16":
        fields["quantizedBiasType"] = models.BIAS_TYPES["int32"]
    inputs = [x, w, b]
    if op == "TRANSPOSE_CONV":
        inputs = [Spec((4,), "int32", data=np.array(y_shape, np.int32)), w, x, b]
    return build(op, inputs, [y], fields, _TABLES[op], 5), arrays


def matrices(rng: np.random.Generator) -> Made:
    content, (a, b) = models.batch_matmul(rng)
    return content, [a, b.clip(-127)]


def mean(rng: np.random.Generator) -> Made:
    """Of 15 elements, their sum halved or so: ties that the last bits of a product decide."""
    scale = np.float32(rng.uniform(0.01, 1))
    x = Spec((2, 3, 5, 40), "int8", scale, models.zero_point(rng, "int8"))
    y = Spec((2, 1, 1, 40), "int8", np.float32(scale * rng.integers(1, 4) * 2 / 15), 3)
    axes = np.array((1, 2), np.int32)
    inputs = [x, Spec((2,), "int32", data=axes)]
    content = build("MEAN", inputs, [y], {"keepDims": True}, "ReducerOptions", 2)
    return content, [random_codes(rng, x.shape, "int8")]


def lengths(rng: np.random.Generator) -> Made:
    x = Spec((8, 50), "float32")
    content = build("L2_NORMALIZATION", [x], [x], {}, "L2NormOptions")
    return content, [rng.normal(0, 1, x.shape).astype(np.float32)]


def pooled(rng: np.random.Generator) -> Made:
    x, y = Spec((1, 9, 9, 8), "float32"), Spec((1, 3, 3, 8), "float32")
    fields = {"strideH": 3, "strideW": 3, "filterHeight": 3, "filterWidth": 3, "padding": 1}
    content = build("L2_POOL_2D", [x], [y], fields, "Pool2DOptions")
    return content, [rng.normal(0, 1, x.shape).astype(np.float32)]


def softmax(rng: np.random.Generator) -> Made:
    """Rows of ten."""
    x = Spec((60, 10), "int8", random_scale(rng, 0.005, 0.1), 0)
    y = Spec(x.shape, "int8", 2.0**-8, -128)
    content = build("SOFTMAX", [x], [y], {"beta": 1.0}, "SoftmaxOptions", 2)
    return content, [random_codes(rng, x.shape, "int8")]


def dequantize(rng: np.random.Generator) -> Made:
    x = Spec((1, 256), "int8", random_scale(rng, 0.001, 1), models.zero_point(rng, "int8"))
    content = build("DEQUANTIZE", [x], [Spec(x.shape, "float32")], {}, "DequantizeOptions", 2)
    return content, [every_code("int8").reshape(1, 256)]


def concatenation(rng: np.random.Generator) -> Made:
    """One array, rescaled."""
    scale = random_scale(rng, 0.01, 1)
    x = Spec((1, 256), "uint8", scale, models.zero_point(rng, "uint8"))
    y = Spec((1, 256), "uint8", np.float32(scale / near_tie_ratio(rng)), 5)
    content = build("CONCATENATION", [x], [y], {"axis": 1}, "ConcatenationOptions")
    return content, [every_code("uint8").reshape(1, 256)]


def quantize(rng: np.random.Generator) -> Made:
    """NaN, infinities and numbers that int32 does not hold, in the vectors and in the tail."""
    special = np.float32([np.nan, np.inf, -np.inf, 1e30, -1e30, 3e9, -3e9])
    x = np.concatenate([special, rng.normal(0, 30, 242), special]).astype(np.float32)
    y = Spec(x.shape, "int8", 0.5, int(rng.integers(-100, 100)))
    return build("QUANTIZE", [Spec(x.shape, "float32")], [y], {}, "QuantizeOptions"), [x]
