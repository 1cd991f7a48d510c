"""COMPLEX_ABS, REAL, IMAG and RFFT2D: ops on complex numbers."""

from __future__ import annotations

import numpy as np

from tflreplay.ground.rounding import Array
from tflreplay.ops.base.call import Call
from tflreplay.ops.base.card import Card
from tflreplay.ops.base.types import FLOAT
from tflreplay.ops.base.words import finished, moved

_COMPLEX = ("complex64", "complex128")
_SOURCE = "complex_support.cc"


def complex_abs(call: Call, x: Array) -> Array:
    """``|x|``, rounded once: ``hypotf``, whose squares and sum are float64.

    x: complex64, or complex128 by ``hypot``. ``EvalAbs`` in ``tflite/kernels/complex_support.cc``.
    """
    with np.errstate(over="ignore"):
        return np.asarray(np.hypot(x.real, x.imag))


def real(call: Call, x: Array) -> Array:
    """The real part: ``EvalReal`` in ``tflite/kernels/complex_support.cc``."""
    return x.real.copy()


def imag(call: Call, x: Array) -> Array:
    """The imaginary part: ``EvalImag`` in ``tflite/kernels/complex_support.cc``."""
    return x.imag.copy()


# Of the largest value of a layer: the last bit of float32, which the float64 transform may move.
_LAST_BIT = 2.0**-23


def rfft2d(call: Call, x: Array, length: Array) -> Array:
    """The discrete Fourier transform over the last two axes, of real numbers, in float64.

    ``y[..., u, v] = sum_{j, k} x[..., j, k] * exp(-2 * pi * i * (u * j / h + v * k / w))`` for u
    from 0 to h - 1 and v from 0 to w / 2; rounded to complex64. x: float32, cut or padded with 0 to
    h by w. length: int32 ``(h, w)``, powers of two. ``Rfft2dHelper`` in
    ``tflite/kernels/rfft2d.cc``; the order in which the library behind it, fft2d, forms the sums is
    not modelled.
    """
    transformed = np.fft.rfft2(x.astype(np.float64), tuple(length.tolist()))
    return np.asarray(transformed.astype(np.complex64))


CARDS = (
    Card(
        "COMPLEX_ABS",
        {"reference": (finished(_COMPLEX, complex_abs, "hypot of the C library", _SOURCE),)},
    ),
    Card("REAL", {"reference": (moved(_COMPLEX, real, _SOURCE),)}),
    Card("IMAG", {"reference": (moved(_COMPLEX, imag, _SOURCE),)}),
    Card(
        "RFFT2D",
        {
            "reference": (
                finished(
                    FLOAT,
                    rfft2d,
                    "float64, rounded to float32; the order of summation is not modelled",
                    "rfft2d.cc",
                    _LAST_BIT,
                ),
            ),
        },
    ),
)
