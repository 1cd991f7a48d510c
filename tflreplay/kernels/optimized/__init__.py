"""Kernels of the op resolver BUILTIN_WITHOUT_DEFAULT_DELEGATES that differ from the reference ones.

On x86 they are the NEON kernels, compiled through NEON_2_SSE. A vector body takes the first
``width * (length // width)`` elements of every inner loop and a scalar tail the rest; the two may
round differently, so a result can depend on where its element stands.
"""
