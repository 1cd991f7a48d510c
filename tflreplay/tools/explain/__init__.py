"""One output element, or one number, as a ledger whose every line can be checked by hand."""

from tflreplay.tools.explain.layer import Layer, explain, explained_row
from tflreplay.tools.explain.number import explain_number
from tflreplay.tools.explain.records import Explanation

__all__ = ["Explanation", "Layer", "explain", "explain_number", "explained_row"]
