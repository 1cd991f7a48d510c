"""DENSIFY: a sparse constant written out. No engine's arithmetic is modelled."""

from __future__ import annotations

from tflreplay.ops.base.card import Card
from tflreplay.ops.base.row import ANY

CARDS = (Card("DENSIFY", unpacked=ANY),)
