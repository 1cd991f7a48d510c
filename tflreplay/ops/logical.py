"""LOGICAL_AND, LOGICAL_OR and LOGICAL_NOT of truth values; inputs are broadcast."""

from __future__ import annotations

import numpy as np

from tflreplay.ops.base.card import Card
from tflreplay.ops.base.plain import elementwise
from tflreplay.ops.base.types import BOOL
from tflreplay.ops.base.words import EXACT, finished

logical_and = elementwise(np.logical_and)
logical_or = elementwise(np.logical_or)
logical_not = elementwise(np.logical_not)

CARDS = (
    Card("LOGICAL_AND", {"reference": (finished(BOOL, logical_and, "and", "logical.cc"),)}),
    Card("LOGICAL_OR", {"reference": (finished(BOOL, logical_or, "or", "logical.cc"),)}),
    Card("LOGICAL_NOT", {"reference": (finished(BOOL, logical_not, EXACT, "elementwise.cc"),)}),
)
