"""Test vectors that tell rules apart: inputs on which the candidates for a layer differ."""

from tflreplay.tools.discriminate.search import Separation, answers, discriminate

__all__ = ["Separation", "answers", "discriminate"]
