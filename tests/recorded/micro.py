"""TFLM: what it computes unlike LiteRT, or as LiteRT does in no reference kernel."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
from ai_edge_litert.schema_py_generated import ActivationFunctionType

from tests.kernels.test_lstm import cancelling, of_tflm, with_input
from tests.kernels.test_svdf import random_svdf
from tests.recorded import models
from tests.recorded.case import Case, Made, by_rule, case, either_side, row, unlike
from tests.recorded.precision import matrices
from tests.single_op import Spec, build, build_side_by_side, random_codes
from tflreplay.ground.engine import NEWEST
from tflreplay.ground.rounding import round_half_away
from tflreplay.ops import elu
from tflreplay.ops.base.precision import Precision
from tflreplay.ops.base.words import MICRO_FLOAT64

TFLM = f"tflm tflm=={NEWEST['tflm']}"


def cases() -> list[Case]:
    return [*unlike_litert(), *of_one_formula(), *by_version()]


def unlike_litert() -> list[Case]:
    by_scales = partial(models.pairs, dtype="int8", product=True)
    return [
        case(
            f"{op} in TFLM",
            make,
            {TFLM: row(op, "tflm", takes=dtype)},
            instead=(row(op, "reference", takes=dtype, since={}),),
        )
        for op, dtype, make in (
            ("MUL", "int8", partial(by_scales, op="MUL", table="MulOptions")),
            ("PRELU", "int8", partial(by_scales, op="PRELU", table=None)),
            ("RELU6", "int8", partial(models.unary, op="RELU6")),
            ("LOGISTIC", "int8", partial(models.unary, op="LOGISTIC", output=(1 / 256, -128))),
            ("TANH", "int8", partial(models.unary, op="TANH", output=(1 / 128, 0))),
            ("SUM", "int8", partial(models.reduction, op="SUM", dtype="int8")),
            ("SVDF", "int8", svdf),
            ("ADD", "int32", add_int32),
            ("DEQUANTIZE", "int8", dequantize),
        )
    ]


def svdf(rng: np.random.Generator) -> Made:
    """Of a state with a zero point, which LiteRT does not take."""
    op = random_svdf(rng, "int8")
    while op.inputs[3] is None:  # TFLM wants a bias
        op = random_svdf(rng, "int8")
    source = op.inputs[0]
    assert source is not None
    return build_side_by_side([op]), [random_codes(rng, source.shape, "int8")]


def add_int32(rng: np.random.Generator) -> Made:
    """A fused RELU, which TFLM ignores."""
    spec = Spec((300,), "int32")
    fields = {"fusedActivationFunction": ActivationFunctionType.RELU}
    content = build("ADD", [spec, spec], [spec], fields, "AddOptions")
    return content, [rng.integers(-99, 99, 300).astype(np.int32) for _ in "ab"]


def dequantize(rng: np.random.Generator) -> Made:
    """Of two scales, of which TFLM takes the first."""
    codes = random_codes(rng, (2, 150), "int8")
    source = Spec(codes.shape, "int8", [0.3, 0.7], [3, -5])
    return build("DEQUANTIZE", [source], [Spec(codes.shape, "float32")], version=2), [codes]


def of_one_formula() -> list[Case]:
    """The same in every engine."""
    return [
        case(f"{op} {dtype} in TFLM", make, {TFLM: row(op, "tflm", takes=dtype)}, instead=instead)
        for op, dtype, make, instead in (
            ("ELU", "float32", partial(models.real, op="ELU"), unlike(elu_by_exp)),
            (
                "ELU",
                "int8",
                partial(models.unary, op="ELU", ratio=0.5),
                (row("ELU", "xnnpack", kernel=elu.xnnpack_elu),),
            ),
            ("CEIL", "float32", partial(models.real, op="CEIL"), unlike(np.floor)),
            ("ROUND", "float32", partial(models.real, op="ROUND"), unlike(round_half_away)),
            (
                "TRANSPOSE_CONV",
                "int16",
                partial(models.transpose_conv, dtype="int16", bias="int64"),
                by_rule(row("TRANSPOSE_CONV", "tflm"), "double"),
            ),
        )
    ]


def elu_by_exp(x: np.ndarray) -> np.ndarray:
    return np.where(x < 0, np.exp(x) - np.float32(1), x)


def by_version() -> list[Case]:
    """Since multipliers are computed in float64, and before."""
    cases = []
    leaky = partial(models.unary, op="LEAKY_RELU", table="LeakyReluOptions", alpha=0.3)
    subtracted = partial(models.pairs, op="SUB", table="SubOptions")
    for op, dtype, before, make in (
        ("ABS", "int8", "reference", partial(models.unary, op="ABS", table="AbsOptions")),
        ("RELU", "int8", "reference", partial(models.unary, op="RELU")),
        ("LEAKY_RELU", "int8", "reference", leaky),
        ("SUB", "int8", "tflm", partial(subtracted, dtype="int8")),
        ("SUB", "int16", "tflm", partial(subtracted, dtype="int16")),
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", "int8", "tflm", lstm),
        ("BATCH_MATMUL", "int8", "reference", partial(matrices, dtype="int8")),
        ("BATCH_MATMUL", "int16", "reference", partial(matrices, dtype="int16")),
    ):
        since = row(op, "tflm", takes=dtype, since=MICRO_FLOAT64)
        older = row(op, before, takes=dtype, since={})
        rows = either_side("tflm", MICRO_FLOAT64, older, since)
        cases.append(case(f"{op} {dtype} by version in TFLM", make, rows))
    reference = partial(row, "FULLY_CONNECTED", "reference", multiplier=Precision.FLOAT32_PRODUCT)
    for dtype, rule, bias in (
        ("int8", "double", "int32"),
        ("int16", "double", "int32"),
        ("int16", "reduced16", "int64"),
    ):
        since = row("FULLY_CONNECTED", "tflm", takes=dtype, rule=rule)
        older = reference(takes=dtype, rule=rule)
        make = partial(models.fully_connected, dtype=dtype, bias=bias, near_tie=True)
        rows = either_side("tflm", MICRO_FLOAT64, older, since)
        cases.append(case(f"FULLY_CONNECTED {dtype} by {rule} in TFLM", make, rows))
    return cases


def lstm(rng: np.random.Generator) -> Made:
    """Two steps in which both sums of the cell gate are large, and cancel."""
    op = of_tflm(cancelling(rng, 60), "int8", rng)
    source, target = op.inputs[0], op.outputs[0]
    assert source is not None
    op = with_input(op, 0, shape=(1, 2, source.shape[-1]))
    op = replace(op, outputs=[replace(target, shape=(1, 2, 60))])
    return build_side_by_side([op]), [random_codes(rng, (1, 2, source.shape[-1]), "int8")]
