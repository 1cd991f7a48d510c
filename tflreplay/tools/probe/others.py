"""The ops that are probed beside those with weights and the arithmetic ones: windows, activations
with a rounding of their own, and what combines two tensors.
"""

from __future__ import annotations

import itertools

import numpy as np

from tflreplay.tools.probe.build import Builder, Scale
from tflreplay.tools.probe.codes import every_code, random_codes
from tflreplay.tools.probe.scales import UNIT, inexact, products, ratios, reduced

_BY_VECTORS = ((200, 1.25), (250, 1.0), (310, 1.5), (482, 0.75))


def hard_swish(build: Builder, rng: np.random.Generator) -> None:
    """Every code at scales that take them from -3 to 3, to outputs finer and coarser."""
    for top, part in itertools.product((2, 3, 4, 6, 9), (1, 2 / 3, 5 / 4)):
        x = Scale(np.float32(top / 128 * rng.uniform(0.95, 1)), int(rng.integers(-20, 21)))
        y = Scale(np.float32(x.scale * part), -5)
        codes = every_code(rng, build.half)
        build.op("HARD_SWISH", (build.codes(codes, x),), codes.shape, y, version=1)
    # Where ties in NEON's vectors, which go up, and its product, which is floored, show.
    for scale, part in _BY_VECTORS:
        x = Scale(np.float32(scale * 1e-5), 3)
        y = Scale(np.float32(scale * 1e-5 * part), -5)
        codes = np.arange(-128, 128)
        build.op("HARD_SWISH", (build.codes(codes, x),), codes.shape, y, version=1)


def pool(build: Builder, rng: np.random.Generator, name: str) -> None:
    """Windows of 2 to 25 codes; a mean of few has ties.

    Every other one is clamped at 6, which is 1.5 above an odd zero point.
    """
    for (height, width), clamped in itertools.product(
        ((1, 2), (2, 2), (3, 3), (2, 5), (5, 5)), (False, True)
    ):
        options = {
            "padding": "VALID",
            "stride_h": height,
            "stride_w": width,
            "filter_height": height,
            "filter_width": width,
            "fused_activation_function": "RELU6" if clamped else "NONE",
        }
        codes = random_codes(rng, build.half, (1, 7 * height, 6 * width, 19))
        scale = Scale(4.0, 1) if clamped else Scale(inexact(rng), 3)
        x, shape = build.codes(codes, scale), (1, 7, 6, 19)
        build.op(name, (x,), shape, scale, options, "Pool2DOptions")


def prelu(build: Builder, rng: np.random.Generator) -> None:
    """Every code by slopes of either sign, in 5 channels."""
    for m in ratios(rng):
        y = Scale(m.out, -2)
        alpha = build.weights(rng.integers(-4, 5, (1, 1, 5)), Scale(np.float32(5 / 16)))
        codes = np.stack([every_code(rng, build.half)[:256] for _ in range(5)], -1).reshape(
            1, 16, 16, 5
        )
        x = build.codes(codes, Scale(m.first, 3))
        build.op("PRELU", (x, alpha), codes.shape, y, version=1)


def concatenation(build: Builder, rng: np.random.Generator) -> None:
    """Copies; of uint8, which alone may have other scales than the output, every code rescaled."""
    scale = Scale(np.float32(inexact(rng)), 3)
    parts = [build.codes(random_codes(rng, build.half, (5, count)), scale) for count in (16, 9, 3)]
    options = {"axis": 1, "fused_activation_function": "NONE"}
    build.op("CONCATENATION", parts, (5, 28), scale, options, "ConcatenationOptions")
    for m in ratios(rng) if build.dtype == "uint8" else ():
        parts = [build.codes(every_code(rng, build.half)[None], Scale(m.first, z)) for z in (3, -9)]
        shape, y = (1, 586), Scale(m.out, -2)
        build.op("CONCATENATION", parts, shape, y, options, "ConcatenationOptions")


def batch_matmul(build: Builder, rng: np.random.Generator) -> None:
    """Products of one code each, whose sums run through multiples of w."""
    rows, units = 23, 19
    for m in itertools.chain(products(rng), reduced(rng) if build.dtype == "int16" else ()):
        most, reach = min(127 // m.w, 12), 15 * build.step
        left = rng.integers(-reach, reach, (1, rows, 1), endpoint=True) - 3
        right = m.w * rng.integers(-most, most, (1, 1, units), endpoint=True)
        inputs = (
            build.codes(left, Scale(m.first, -3)),
            build.codes(right, Scale(m.second)),
        )
        options = {"adj_x": False, "adj_y": False}
        shape, y = (1, rows, units), Scale(m.out / np.float32(build.step), 5)
        build.op("BATCH_MATMUL", inputs, shape, y, options, "BatchMatMulOptions")
    if build.dtype == "int16":
        # Quotients that need 30 bits and more, beyond which each rule wraps in its own way.
        left, right = (random_codes(rng, 2**15, shape) for shape in ((1, 23, 1), (1, 1, 19)))
        inputs = (build.codes(left, Scale(np.float32(1))), build.codes(right, Scale(np.float32(1))))
        y = Scale(np.float32(2 / 3 / 256))
        build.op("BATCH_MATMUL", inputs, (1, 23, 19), y, options, "BatchMatMulOptions")


def resize_bilinear(build: Builder, rng: np.random.Generator) -> None:
    """Up and down, by whole factors and others, in all three ways to place the pixels."""
    for (aligned, half), size in itertools.product(
        ((False, False), (True, False), (False, True)), ((10, 14), (3, 4), (8, 9))
    ):
        scale = Scale(np.float32(UNIT * 3), 3)
        codes = random_codes(rng, build.half, (1, 5, 7, 11))
        inputs = (build.codes(codes, scale), build.constant(np.array(size, np.int32)))
        options = {"align_corners": aligned, "half_pixel_centers": half}
        shape = (1, *size, 11)
        build.op("RESIZE_BILINEAR", inputs, shape, scale, options, "ResizeBilinearOptions")
