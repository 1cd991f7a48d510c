"""The ops that move data, make it or look it up: the same in all engines, but for resizing.

XNNPACK takes some of them, and its bytes are the same. Types are those that LiteRT's kernels take.
"""

from __future__ import annotations

from tflreplay.arithmetic.row import OPTIMIZED_HEADER, OPTIMIZED_OPS, REFERENCE_OPS
from tflreplay.arithmetic.types import BOOL, EIGHT_BITS, FLOAT, INDICES, QUANTIZED, SIGNED, UINT8
from tflreplay.kernels import (
    cast,
    diagonal,
    filling,
    gathering,
    joining,
    ordering,
    padding,
    resize,
    shapes,
    slicing,
    sorting,
    space,
)
from tflreplay.kernels.call import ANY, Arithmetic
from tflreplay.kernels.optimized import resize as optimized_resize
from tflreplay.kernels.strided_slice import strided_slice

_INTEGERS = (*QUANTIZED, *INDICES)
_NUMBERS = (*_INTEGERS, "float32")
_MANY = (*_NUMBERS, "float16", "bool")
# Kernels that look at nothing but an element's size; some of them know packed elements too.
_ALL = (*_MANY, "uint16", "uint32", "uint64", "float64", "complex64")
_EVEN_PACKED = (*_ALL, "int4")
_CAST = tuple(name for name in _ALL if name != "uint64")
_BY_EIGHT_BITS = (*EIGHT_BITS, *INDICES, *FLOAT)

ROWS = (
    Arithmetic(
        "CONCATENATION",
        UINT8,
        joining.concatenation,
        algorithm="copy or float32 rescale",
        source=f"{REFERENCE_OPS}concatenation.h",
    ),
    *(
        Arithmetic(op, types, kernel, algorithm="copy", source=source)
        for op, types, kernel, source in (
            (
                "BATCH_TO_SPACE_ND",
                _ALL,
                space.batch_to_space_nd,
                f"{REFERENCE_OPS}batch_to_space_nd.h",
            ),
            ("BROADCAST_TO", _ALL, filling.broadcast_to, "broadcast_to.cc"),
            (
                "CONCATENATION",
                tuple(name for name in (*_MANY, "uint32", "int4") if name != "uint8"),
                joining.concatenation,
                f"{REFERENCE_OPS}concatenation.h",
            ),
            ("DEPTH_TO_SPACE", _BY_EIGHT_BITS, space.depth_to_space, "depth_to_space.cc"),
            (
                "DYNAMIC_UPDATE_SLICE",
                _EVEN_PACKED,
                slicing.dynamic_update_slice,
                "dynamic_update_slice.cc",
            ),
            ("EXPAND_DIMS", _EVEN_PACKED, shapes.expand_dims, "expand_dims.cc"),
            ("FILL", _ALL, filling.fill, "fill.cc"),
            ("GATHER", (*_MANY, "int4"), gathering.gather, "gather.cc"),
            ("GATHER_ND", _MANY, gathering.gather_nd, "gather_nd.cc"),
            ("MATRIX_DIAG", (*_NUMBERS, "uint32"), diagonal.matrix_diag, "matrix_diag.cc"),
            (
                "MATRIX_SET_DIAG",
                (*_NUMBERS, "uint32"),
                diagonal.matrix_set_diag,
                "matrix_set_diag.cc",
            ),
            ("MIRROR_PAD", _ALL, padding.mirror_pad, "mirror_pad.cc"),
            (
                "ONE_HOT",
                (*_BY_EIGHT_BITS, "bool"),
                filling.one_hot,
                "one_hot.cc",
            ),
            ("PACK", (*_NUMBERS, "uint32"), joining.pack, "pack.cc"),
            ("PAD", _MANY, padding.pad, "pad.cc"),
            ("PADV2", _MANY, padding.padv2, "pad.cc"),
            ("RESHAPE", _EVEN_PACKED, shapes.reshape, "reshape.cc"),
            (
                "REVERSE_SEQUENCE",
                ("uint8", "int16", "int32", "int64", "float32"),
                ordering.reverse_sequence,
                "reverse_sequence.cc",
            ),
            ("REVERSE_V2", _MANY, ordering.reverse_v2, "reverse.cc"),
            ("SLICE", _EVEN_PACKED, slicing.slice_, "slice.cc"),
            (
                "SPACE_TO_BATCH_ND",
                _ALL,
                space.space_to_batch_nd,
                f"{REFERENCE_OPS}space_to_batch_nd.h",
            ),
            ("SPACE_TO_DEPTH", _BY_EIGHT_BITS, space.space_to_depth, "space_to_depth.cc"),
            ("SPLIT", _NUMBERS, slicing.split, "split.cc"),
            ("SPLIT_V", _NUMBERS, slicing.split_v, "split_v.cc"),
            ("SQUEEZE", _EVEN_PACKED, shapes.squeeze, "squeeze.cc"),
            ("STRIDED_SLICE", _ALL, strided_slice, "strided_slice.cc"),
            ("TILE", _ALL, filling.tile, "tile.cc"),
            ("TOPK_V2", _NUMBERS, sorting.topk_v2, "topk_v2.cc"),
            ("TRANSPOSE", _EVEN_PACKED, ordering.transpose, "transpose.cc"),
            ("UNIQUE", _NUMBERS, sorting.unique, "unique.cc"),
            (
                "UNPACK",
                tuple(name for name in _MANY if name != "int64"),
                slicing.unpack,
                "unpack.cc",
            ),
        )
    ),
    *(
        Arithmetic(op, types, kernel, algorithm=algorithm, source=source)
        for op, types, kernel, algorithm, source in (
            ("BROADCAST_ARGS", INDICES, shapes.broadcast_args, "shape", "broadcast_args.cc"),
            ("RANGE", (*INDICES, "float32"), filling.range_, "running sum", "range.cc"),
            ("RANK", ANY, shapes.rank, "shape", "rank.cc"),
            (
                "SCATTER_ND",
                (*_BY_EIGHT_BITS, "bool"),
                gathering.scatter_nd,
                "sum",
                "scatter_nd.cc",
            ),
            ("SHAPE", ANY, shapes.shape, "shape", "shape.cc"),
            (
                "WHERE",
                (*_BY_EIGHT_BITS, "uint32", "bool"),
                gathering.where,
                "indices",
                "where.cc",
            ),
            ("ZEROS_LIKE", (*INDICES, "float32"), filling.zeros_like, "zeros", "zeros_like.cc"),
        )
    ),
    Arithmetic(
        "EMBEDDING_LOOKUP",
        (*_EVEN_PACKED, "int2"),
        gathering.embedding_lookup,
        algorithm="copy; codes to real numbers: float32 product",
        source="embedding_lookup.cc",
    ),
    Arithmetic(
        "CAST",
        (*_CAST, *cast.PACKED),
        cast.cast,
        algorithm="C cast, saturating",
        source="cast.cc",
        since={"litert": "2.2.0"},
    ),
    Arithmetic(
        "CAST",
        (*_CAST, *cast.PACKED),
        cast.cast_in_range,
        algorithm="C cast, of numbers in range",
        source="cast.cc",
    ),
    Arithmetic(
        "RESIZE_BILINEAR",
        (*UINT8, *FLOAT),
        resize.resize_bilinear,
        algorithm="float32; uint8: half up",
        source=f"{REFERENCE_OPS}resize_bilinear.h",
    ),
    Arithmetic(
        "RESIZE_BILINEAR",
        SIGNED,
        resize.resize_bilinear_fixed,
        algorithm="10-bit fixed point, half away",
        source=f"{REFERENCE_OPS}resize_bilinear.h",
    ),
    Arithmetic(
        "RESIZE_NEAREST_NEIGHBOR",
        ("int8", "uint8", "int16", "uint16", "int32", "uint32", "float16", "float32", "bool"),
        resize.resize_nearest_neighbor,
        algorithm="float32 position",
        source=f"{REFERENCE_OPS}resize_nearest_neighbor.h",
    ),
)

OPTIMIZED = (
    Arithmetic(
        "RESIZE_BILINEAR",
        (*UINT8, *FLOAT),
        optimized_resize.resize_bilinear,
        algorithm="float32, product of weights first; twice as large: means; uint8: half up",
        source=f"{OPTIMIZED_OPS}resize_bilinear.h",
    ),
    Arithmetic(
        "RESIZE_NEAREST_NEIGHBOR",
        (*EIGHT_BITS, *BOOL),
        optimized_resize.resize_nearest_neighbor,
        algorithm="16-bit fixed-point position; with an option set: float32",
        source=OPTIMIZED_HEADER,
    ),
)
