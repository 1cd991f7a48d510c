"""Random single-op models of kernels that requantize by an algorithm of their own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.explain.models import Made, Rng
from tests.kernels.common import QUANTIZED, SHAPES, random_spec, random_zero_point
from tests.kernels.test_binary import without_zeros
from tests.kernels.test_comparison import COMPARISONS
from tests.kernels.test_comparison import model as comparison_model
from tests.kernels.test_conv import ACTIVATIONS
from tests.kernels.test_elementwise import OPTIONS
from tests.kernels.test_optimized import fivefold_shapes
from tests.kernels.test_reduce import output as reduced_output
from tests.kernels.test_reduce import reduced
from tests.kernels.test_unary import TABLES, TYPES, options
from tests.kernels.test_unary import output as unary_output
from tests.single_op import Spec, build, random_codes, random_scale


def _type(rng: Rng, *types: str) -> str:
    return str(rng.choice(types))


def _wrapping(op: str, *types: str) -> Callable[[Rng], Made]:
    """Output scales far below the inputs', in every kind of broadcast."""

    def make(rng: Rng) -> Made:
        dtype, shapes = _type(rng, *types), fivefold_shapes(rng)
        a, b = (random_spec(rng, shape, dtype, random_scale(rng, 0.01)) for shape in shapes)
        scale = a.scale * b.scale if op == "MUL" else max(a.scale, b.scale)
        factor = float(random_scale(rng, 0.1, 1000.0))
        y = random_spec(rng, np.broadcast_shapes(*shapes), dtype, scale / factor)
        fields = {"fusedActivationFunction": int(rng.choice(ACTIVATIONS))}
        content = build(op, [a, b], [y], fields, OPTIONS[op], version=2)
        return content, [random_codes(rng, spec.shape, dtype) for spec in (a, b)]

    return make


def add_of_a_fine_output(rng: Rng) -> Made:
    """An output as fine as the common scale shows the last bit of an input scaled far below it."""
    dtype = _type(rng, "int8", "uint8")
    shape = (3, int(rng.integers(16, 80)))
    b_scale = random_scale(rng, 1e-3)
    a_scale = np.float32(b_scale * 2.0 ** rng.uniform(17, 24))
    a = Spec((1, 1) if rng.random() < 0.3 else shape, dtype, a_scale, 3)
    b = Spec(shape, dtype, b_scale, random_zero_point(rng, dtype))
    y = Spec(shape, dtype, np.float32(a_scale * 2.0 ** rng.uniform(-18.9, -17)), 3)
    content = build("ADD", [a, b], [y], {}, "AddOptions", version=2)
    return content, [np.full(a.shape, 3, dtype), random_codes(rng, shape, dtype)]


def div(rng: Rng) -> Made:
    dtype, shapes = _type(rng, *QUANTIZED), SHAPES[int(rng.integers(len(SHAPES) - 1))]
    a, b = (random_spec(rng, shape, dtype) for shape in shapes)
    scale = a.scale / b.scale / 50 * random_scale(rng, 0.3, 3)
    y = random_spec(rng, np.broadcast_shapes(*shapes), dtype, scale)
    fields = {"fusedActivationFunction": int(rng.choice(ACTIVATIONS))}
    x, z = (random_codes(rng, spec.shape, dtype) for spec in (a, b))
    return build("DIV", [a, b], [y], fields, "DivOptions"), [x, without_zeros(z, "DIV", b)]


def comparison(rng: Rng) -> Made:
    """Scales above 1 too, for which the kernel shifts by a negative number; it aborts at 1."""
    dtype, shapes = _type(rng, *QUANTIZED), SHAPES[int(rng.integers(len(SHAPES) - 1))]
    a, b = (random_spec(rng, shape, dtype, random_scale(rng, 1e-3, 7.0) * 1.01) for shape in shapes)
    codes = [random_codes(rng, shape, dtype) for shape in shapes]
    return comparison_model(str(rng.choice(COMPARISONS)), a, b), codes


def reduce_prod(rng: Rng) -> Made:
    dtype = _type(rng, "int8", "int16")
    shape = tuple(int(n) for n in rng.integers(1, 6, 3))
    axes, keep = (int(rng.integers(3)), 2), bool(rng.random() < 0.5)
    x = random_spec(rng, shape, dtype)
    y = reduced_output(rng, "REDUCE_PROD", x, *reduced(shape, axes, keep))
    indices = Spec((2,), "int32", data=np.array(axes, np.int32))
    content = build("REDUCE_PROD", [x, indices], [y], {"keepDims": keep}, "ReducerOptions", 2)
    return content, [random_codes(rng, shape, dtype)]


def _unary(op: str) -> Callable[[Rng], Made]:
    def make(rng: Rng) -> Made:
        dtype = _type(rng, *(name for name in TYPES[op] if name in QUANTIZED))
        x = random_spec(rng, (9, 31), dtype)
        codes = random_codes(rng, x.shape, dtype)
        if op in ("SQRT", "RSQRT"):
            codes = np.maximum(codes, np.asarray(x.zero_point, dtype))
        content = build(op, [x], [unary_output(rng, op, x)], options(rng, op), TABLES.get(op))
        return content, [codes]

    return make


def concatenation(rng: Rng) -> Made:
    """Of a part that is quantized like the output, and of two that are not."""
    parts = [random_codes(rng, (2, 7, int(rng.integers(1, 9))), "uint8") for _ in range(3)]
    target = Spec((1,), "uint8", random_scale(rng, 0.01), random_zero_point(rng, "uint8"))
    sources = [
        Spec(parts[0].shape, "uint8", random_scale(rng, 0.01), random_zero_point(rng, "uint8")),
        Spec(parts[1].shape, "uint8", target.scale, target.zero_point),
        Spec(parts[2].shape, "uint8", random_scale(rng, 0.01), random_zero_point(rng, "uint8")),
    ]
    content = build("CONCATENATION", sources, [target], {"axis": -1}, "ConcatenationOptions")
    return content, parts


def resize_bilinear(rng: Rng) -> Made:
    dtype = _type(rng, *QUANTIZED)
    x = random_spec(rng, (2, *(int(n) for n in rng.integers(1, 9, 2)), 5), dtype)
    size = rng.integers(1, 30, 2).astype(np.int32)
    aligned, half = ((False, False), (True, False), (False, True))[int(rng.integers(3))]
    y = Spec((2, *(int(n) for n in size), 5), dtype, x.scale, x.zero_point)
    content = build(
        "RESIZE_BILINEAR",
        [x, Spec((2,), "int32", data=size)],
        [y],
        {"alignCorners": aligned, "halfPixelCenters": half},
        "ResizeBilinearOptions",
    )
    return content, [random_codes(rng, x.shape, dtype)]


def _of_rows(
    op: str, table: str | None, outputs: dict[str, tuple[float, int]], beta: bool = False
) -> Callable[[Rng], Made]:
    """Along the last axis; ``outputs`` says how the output is quantized."""

    def make(rng: Rng) -> Made:
        dtype = _type(rng, *outputs)
        shape = (5, int(rng.integers(1, 200)))
        x = random_spec(rng, shape, dtype, random_scale(rng, 1e-3 if dtype != "int16" else 1e-5))
        fields = {"beta": float(rng.choice([1.0, 1.0, 0.3, 2.5]))} if beta else {}
        content = build(op, [x], [Spec(shape, dtype, *outputs[dtype])], fields, table)
        return content, [random_codes(rng, shape, dtype)]

    return make


ALGORITHMS: dict[str, Callable[[Rng], Made]] = {
    "ADD that wraps": _wrapping("ADD", "int8", "uint8", "int16"),
    "ADD of a fine output": add_of_a_fine_output,
    "MUL that wraps": _wrapping("MUL", "int8", "uint8"),
    "DIV": div,
    "comparisons": comparison,
    "REDUCE_PROD": reduce_prod,
    **{op: _unary(op) for op in ("EXP", "LOG", "ELU", "GELU", "SQRT", "RSQRT")},
    "CONCATENATION": concatenation,
    "RESIZE_BILINEAR": resize_bilinear,
    "SOFTMAX": _of_rows(
        "SOFTMAX",
        "SoftmaxOptions",
        {"int8": (1 / 256, -128), "uint8": (1 / 256, 0), "int16": (1 / 32768, 0)},
        beta=True,
    ),
    "LOG_SOFTMAX": _of_rows("LOG_SOFTMAX", None, {"int8": (1 / 16, 127), "uint8": (1 / 16, 255)}),
    "L2_NORMALIZATION": _of_rows(
        "L2_NORMALIZATION", "L2NormOptions", {"int8": (1 / 128, 0), "uint8": (1 / 128, 128)}
    ),
}
