"""One output element, or one number, as a ledger whose every line can be checked by hand."""

from tflreplay.explaining.layer import Layer, explain, explained_row
from tflreplay.explaining.number import explain_number
from tflreplay.explaining.records import Explanation

__all__ = ["Explanation", "Layer", "explain", "explain_number", "explained_row"]
