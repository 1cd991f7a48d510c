"""The types of activations that rows of several tables name together."""

from __future__ import annotations

INT8 = ("int8",)
UINT8 = ("uint8",)
INT16 = ("int16",)
FLOAT = ("float32",)
BOOL = ("bool",)
EIGHT_BITS = (*INT8, *UINT8)
SIGNED = (*INT8, *INT16)
QUANTIZED = (*EIGHT_BITS, *INT16)
INDICES = ("int32", "int64")
UNQUANTIZED = (*FLOAT, *INDICES)
# Of ops that never rescale.
RAW = (*QUANTIZED, *UNQUANTIZED)
# Of ops that move data.
NUMBERS = (*QUANTIZED, *INDICES, *FLOAT)
MANY = (*NUMBERS, "float16", "bool")
# Of kernels that look at nothing but an element's size; some of them know packed elements too.
ANY_SIZE = (*MANY, "uint16", "uint32", "uint64", "float64", "complex64")
EVEN_PACKED = (*ANY_SIZE, "int4")
BY_EIGHT_BITS = (*EIGHT_BITS, *INDICES, *FLOAT)
