"""The .tflite schema (package ``tflite``), as far as reading and writing share it."""

from __future__ import annotations

import re

import tflite

VERSION = 3


def _enum_names(enum: type) -> dict[int, str]:
    return {value: name for name, value in vars(enum).items() if isinstance(value, int)}


# The tensor types that the schema package does not know yet, by their number in LiteRT's schema.
_NEWER_TYPES = {19: "int2", 20: "uint4", 21: "float8_e4m3fn", 22: "float8_e5m2"}
TYPE_NAMES = {
    value: name.lower() for value, name in _enum_names(tflite.TensorType).items()
} | _NEWER_TYPES
BUILTIN_NAMES = _enum_names(tflite.BuiltinOperator)

# Option fields that are enums, by field name. Those of 64 bits are not: the padding of a StableHLO
# window is a vector of sizes.
ENUM_FIELDS = {
    "fused_activation_function": _enum_names(tflite.ActivationFunctionType),
    "padding": _enum_names(tflite.Padding),
    "weights_format": _enum_names(tflite.FullyConnectedOptionsWeightsFormat),
    "type": _enum_names(tflite.LSHProjectionType),
    "kernel_type": _enum_names(tflite.LSTMKernelType),
    "mode": _enum_names(tflite.MirrorPadMode),
    "combiner": _enum_names(tflite.CombinerType),
    "comparison_direction": _enum_names(tflite.StablehloComparisonDirection),
    "compare_type": _enum_names(tflite.StablehloComparisonType),
    "precision_config": _enum_names(tflite.StablehloPrecisionConfig),
    "algorithm": _enum_names(tflite.RngAlgorithm),
    "reduce_function": _enum_names(tflite.ReduceWindowFunction),
    "composite_attributes_format": _enum_names(tflite.CustomOptionsFormat),
    "key_dtype": TYPE_NAMES,
    "value_dtype": TYPE_NAMES,
    "in_data_type": TYPE_NAMES,
    "out_data_type": TYPE_NAMES,
    "output_type": TYPE_NAMES,
    "out_type": TYPE_NAMES,
    "idx_out_type": TYPE_NAMES,
    "quantized_bias_type": TYPE_NAMES,
}
# Names of the option tables in the unions builtin_options and builtin_options_2.
OPTION_TABLES = [
    _enum_names(tflite.BuiltinOptions),
    _enum_names(tflite.BuiltinOptions2),
]

_NOT_FIELDS = re.compile(r"^(_|Init$|GetRootAs)|(AsNumpy|Length|IsNone|BufferHasIdentifier)$")


def fields(table: type) -> dict[str, str]:
    """The fields of a table's class, found from its accessors: snake case to the schema's name."""
    return {_snake_case(name): name for name in vars(table) if not _NOT_FIELDS.search(name)}


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
