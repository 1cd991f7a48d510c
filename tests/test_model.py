"""The flatbuffer reader: every record, every option table, and files that are damaged."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import hashlib
import random
import re
import struct
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
import tflite
from ai_edge_litert import schema_py_generated as schema

from tflreplay.ground.errors import ModelError, NotReplayed
from tflreplay.model import Model, Tensor, load, parse

MODELS = Path(__file__).parent.parent / "models"
COMMITTED = [MODELS / "efficientnet_b0_int8.tflite", MODELS / "seven_ops_int8.tflite"]
TYPE = schema.TensorType


def record(kind: str, **fields: Any) -> Any:
    """An object of the schema's object API, ``schema.<kind>T``."""
    result = getattr(schema, f"{kind}T")()
    for name, value in fields.items():
        assert hasattr(result, name), name
        setattr(result, name, value)
    return result


def pack(model: Any) -> bytes:
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def model_of(
    tensors: list[Any], operators: list[Any] = (), buffers: list[bytes] = (), **fields: Any
) -> Any:
    """A model of one subgraph. ``buffers`` begin with number 1; 0 is the empty one."""
    graph = record("SubGraph", tensors=tensors, inputs=[], outputs=[], operators=list(operators))
    content = [record("Buffer", data=np.frombuffer(data, np.uint8)) for data in buffers]
    base = {
        "version": 3,
        "subgraphs": [graph],
        "buffers": [record("Buffer"), *content],
        "operatorCodes": [record("OperatorCode")],
    }
    return record("Model", **base | fields)


def read(model: Any) -> Model:
    return parse(pack(model), Path("made.tflite"))


def read_tensor(data: bytes = b"", **fields: Any) -> Tensor:
    """The one tensor of a model, with ``data`` in its buffer if there is any."""
    tensor = record("Tensor", buffer=1 if data else 0, **fields)
    return read(model_of([tensor], buffers=[data] if data else [])).main.tensors[0]


def quantization(scale: list[float], zero_point: list[int] | None = None, axis: int = 0) -> Any:
    return record(
        "QuantizationParameters", scale=scale, zeroPoint=zero_point, quantizedDimension=axis
    )


# Tensors


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("FLOAT32", np.float32([1.5, -2, np.nan, np.inf])),
        ("FLOAT16", np.float16([1.5, -2])),
        ("FLOAT64", np.float64([1e300])),
        ("COMPLEX64", np.complex64([1 + 2j])),
        ("COMPLEX128", np.complex128([1 - 2j])),
        ("INT8", np.int8([-128, 127])),
        ("INT16", np.int16([-32768, 32767])),
        ("INT32", np.int32([-(2**31), 2**31 - 1])),
        ("INT64", np.int64([-(2**63), 2**63 - 1])),
        ("UINT8", np.uint8([0, 255])),
        ("UINT16", np.uint16([65535])),
        ("UINT32", np.uint32([2**32 - 1])),
        ("UINT64", np.uint64([2**64 - 1])),
        ("BOOL", np.array([True, False])),
    ],
)
def test_constants(kind: str, values: np.ndarray) -> None:
    tensor = read_tensor(values.tobytes(), type=getattr(TYPE, kind), shape=[1, values.size])
    assert tensor.dtype == kind.lower()
    assert tensor.is_constant
    assert tensor.data.dtype == tensor.numpy_dtype == values.dtype
    np.testing.assert_array_equal(tensor.data, values[np.newaxis])
    assert not tensor.data.flags.writeable


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize(
    ("kind", "low", "high"), [("INT2", -2, 1), ("INT4", -8, 7), ("UINT4", 0, 15)]
)
def test_packed_constants(kind: str, low: int, high: int, count: int) -> None:
    bits = (high - low).bit_length()
    values = [low + (7 * i + count) % (high - low + 1) for i in range(count)]
    packed = sum((value & (high - low)) << (bits * i) for i, value in enumerate(values))
    data = packed.to_bytes(-(-bits * count // 8), "little")
    tensor = read_tensor(data, type=getattr(TYPE, kind), shape=[count])
    assert tensor.data.tolist() == values
    assert tensor.data.dtype == tensor.numpy_dtype
    assert tensor.code_range == (low, high)


def test_range_of_a_type() -> None:
    assert read_tensor(type=TYPE.INT8, shape=[1]).code_range == (-128, 127)
    assert read_tensor(type=TYPE.UINT16, shape=[1]).code_range == (0, 65535)


def strings(*values: bytes) -> bytes:
    starts = np.cumsum([4 * len(values) + 8, *map(len, values)])
    return struct.pack(f"<{len(starts) + 1}i", len(values), *starts) + b"".join(values)


def test_string_constant() -> None:
    data = strings(b"one", b"", b"d\xc3\xa9j\xc3\xa0", b"\xff")
    tensor = read_tensor(data, type=TYPE.STRING, shape=[2, 2])
    assert tensor.data.tolist() == [[b"one", b""], ["déjà".encode(), b"\xff"]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (strings(b"a"), r"1 strings for shape \[2\]"),
        (struct.pack("<4i", 2, 16, 16, 99), "offsets do not fit"),
        (struct.pack("<4i", 2, 16, 15, 16), "offsets do not fit"),
        (struct.pack("<i", 2**31 - 1), "damaged"),
        (struct.pack("<i", -1), "damaged"),
        (b"\1", "damaged"),
    ],
)
def test_damaged_strings(data: bytes, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read_tensor(data, type=TYPE.STRING, shape=[2])


def test_scalar_and_empty_constants() -> None:
    assert read_tensor(b"\7", type=TYPE.INT8, shape=[]).data.shape == ()
    # TFLite takes a constant of no bytes for an activation.
    assert read_tensor(type=TYPE.INT32, shape=[0]).data is None


def test_buffer_0_is_no_data() -> None:
    made = model_of([record("Tensor", type=TYPE.INT8, shape=[3], buffer=0)])
    made.buffers[0].data = np.zeros(7, np.uint8)
    assert read(made).main.tensors[0].data is None


def test_wrong_size_of_a_constant() -> None:
    with pytest.raises(ModelError, match=r"tensor 0 \(w\): int8\[3\] needs 3 bytes.*holds 2"):
        read_tensor(b"ab", type=TYPE.INT8, shape=[3], name="w")
    with pytest.raises(ModelError, match=r"int2\[5\] needs 2 bytes"):
        read_tensor(b"a", type=TYPE.INT2, shape=[5])


def test_types_without_a_numpy_type() -> None:
    for kind in ("BFLOAT16", "FLOAT8_E4M3FN", "FLOAT8_E5M2", "RESOURCE", "VARIANT"):
        tensor = read_tensor(b"ab", type=getattr(TYPE, kind), shape=[1])
        assert tensor.dtype == kind.lower()
        with pytest.raises(NotReplayed, match=f"no type for {kind.lower()}"):
            _ = tensor.data


def test_every_tensor_type_of_the_runtime_is_known() -> None:
    for name, number in vars(TYPE).items():
        if isinstance(number, int):
            assert read_tensor(type=number, shape=[1]).dtype == name.lower()
    with pytest.raises(ModelError, match="unknown tensor type number 99"):
        read_tensor(type=99, shape=[1])


def test_sparse_tensor_is_noted() -> None:
    sparsity = record("SparsityParameters", traversalOrder=[0])
    tensor = read_tensor(b"a", type=TYPE.INT8, shape=[100], sparsity=sparsity)
    assert tensor.is_sparse
    with pytest.raises(NotReplayed, match="sparse"):
        _ = tensor.data


def test_variable_and_shape_signature() -> None:
    tensor = read_tensor(type=TYPE.INT8, shape=[1, 4], shapeSignature=[-1, 4], isVariable=True)
    assert tensor.is_variable
    assert not tensor.is_constant
    assert (tensor.shape, tensor.shape_signature) == ((1, 4), (-1, 4))
    assert read_tensor(type=TYPE.INT8, shape=[1, 4]).shape_signature == (1, 4)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"shape": [2, -1]}, r"shape \[2, -1\] has a negative size"),
        ({"shape": [1] * 33}, "33 dimensions are more than 32"),
        ({"shape": [1], "shapeSignature": [1, 1]}, r"shape signature \[1, 1\] does not fit \[1\]"),
        ({"shape": [1], "shapeSignature": [-2]}, "does not fit"),
    ],
)
def test_impossible_shapes(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read_tensor(type=TYPE.INT8, **fields)


def test_a_name_that_is_not_utf_8() -> None:
    content = pack(model_of([record("Tensor", name="n\ufffdme", shape=[1])]))
    assert parse(content, Path("made.tflite")).main.tensors[0].name == "n\ufffdme"
    with pytest.raises(ModelError, match=r"tensor 0 .*not UTF-8.*; convert the model again with"):
        parse(content.replace("\ufffd".encode(), b"\xff--"), Path("made.tflite"))


def test_huge_shape_of_an_activation() -> None:
    assert read_tensor(type=TYPE.INT8, shape=[2**31 - 1] * 8).shape[0] == 2**31 - 1
    with pytest.raises(ModelError, match="needs"):
        read_tensor(b"a", type=TYPE.INT8, shape=[2**31 - 1] * 8)


# Quantization


def test_per_tensor_quantization() -> None:
    tensor = read_tensor(type=TYPE.INT8, shape=[4], quantization=quantization([0.1], [-5]))
    assert (tensor.scale, tensor.zero_point) == (float(np.float32(0.1)), -5)
    assert not tensor.quantization.per_axis
    assert repr(tensor.quantization) == f"Quantization(scale={tensor.scale!r}, zero_point=-5)"


@pytest.mark.parametrize("kind", ["INT8", "INT4"])
def test_per_axis_quantization(kind: str) -> None:
    data = bytes(6 if kind == "INT8" else 3)
    found = read_tensor(
        data, type=getattr(TYPE, kind), shape=[2, 3], quantization=quantization([1, 2, 3], [0], 1)
    )
    assert found.quantization.per_axis
    assert found.quantization.axis == 1
    assert found.quantization.scale.tolist() == [1, 2, 3]
    assert found.quantization.zero_point.tolist() == [0, 0, 0]
    assert repr(found.quantization) == "Quantization(3 scales along axis 1)"
    with pytest.raises(NotReplayed, match="per axis"):
        _ = found.scale


def test_no_quantization() -> None:
    for none in (None, record("QuantizationParameters"), quantization([])):
        tensor = read_tensor(type=TYPE.INT8, shape=[1], quantization=none)
        assert tensor.quantization is None
        with pytest.raises(NotReplayed, match="no quantization parameters"):
            _ = tensor.scale


def test_missing_zero_points_are_0() -> None:
    tensor = read_tensor(type=TYPE.INT8, shape=[2], quantization=quantization([1, 2]))
    assert tensor.quantization.zero_point.tolist() == [0, 0]


def test_axis_of_a_bias_by_old_converters() -> None:
    tensor = read_tensor(type=TYPE.INT32, shape=[2], quantization=quantization([1, 2], [0, 0], 3))
    assert tensor.quantization.axis == 0


@pytest.mark.parametrize(
    ("scale", "zero_point", "axis", "message"),
    [
        ([1, 2], [0, 0, 0], 0, "2 scales but 3 zero points"),
        ([1, 2], [0, 0], 1, r"2 scales along axis 1 of shape \[2, 3\]"),
        ([1, 2], [0, 0], -1, "along axis -1"),
        ([1, 2, 3], [0], 0, "3 scales along axis 0"),
        ([np.nan], [0], 0, "not finite"),
        ([1, np.inf], [0], 0, "not finite"),
    ],
)
def test_impossible_quantization(
    scale: list[float], zero_point: list[int], axis: int, message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        read_tensor(
            type=TYPE.INT8, shape=[2, 3], quantization=quantization(scale, zero_point, axis)
        )


# Buffers


def test_data_after_the_flatbuffer() -> None:
    """The form of files above 2 GB: absolute offsets of buffers and of custom options."""
    far = record("Buffer", offset=1, size=4)  # 1 is a placeholder and stands for no offset
    custom = record("Operator", largeCustomOptionsOffset=2, largeCustomOptionsSize=3)
    made = model_of([record("Tensor", type=TYPE.INT8, shape=[4], buffer=1)], [custom])
    made.operatorCodes[0].builtinCode = schema.BuiltinOperator.CUSTOM
    made.operatorCodes[0].deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    made.operatorCodes[0].customCode = "far"
    made.buffers.append(far)
    assert read(made).main.tensors[0].data is None
    far.offset = size = len(pack(made))
    custom.largeCustomOptionsOffset = size + 4
    whole = pack(made)
    assert len(whole) == size
    found = parse(whole + b"\1\2\3\4xyz" + b"more", Path("far.tflite"))
    assert found.main.tensors[0].data.tolist() == [1, 2, 3, 4]
    assert found.main.operators[0].custom_options == b"xyz"
    with pytest.raises(ModelError, match=f"buffer 1 ends at byte {size + 4} of a file of"):
        parse(whole + b"\1\2\3", Path("far.tflite"))
    with pytest.raises(ModelError, match="custom options ends at byte"):
        parse(whole + b"\1\2\3\4xy", Path("far.tflite"))


def test_appended_data_is_tolerated() -> None:
    content = COMMITTED[1].read_bytes()
    longer = parse(content + b"PK\3\4 an archive of labels", Path("longer.tflite"))
    assert longer.subgraphs == load(COMMITTED[1]).subgraphs


def test_index_of_a_missing_buffer() -> None:
    with pytest.raises(ModelError, match=r"tensor 0 \(x\): buffer 1 is out of range: there are 1"):
        read(model_of([record("Tensor", type=TYPE.INT8, shape=[1], buffer=1, name="x")]))


# Operators


OPTION_TABLES = [
    (union, name)
    for union in ("BuiltinOptions", "BuiltinOptions2")
    for name in vars(getattr(tflite, union))
    if name.endswith("Options")
]
ENUMS = {  # the enums of the schema, by table and field of the object API
    "padding": schema.Padding,
    "fusedActivationFunction": schema.ActivationFunctionType,
    "quantizedBiasType": TYPE,
    "LSHProjectionOptions.type": schema.LSHProjectionType,
    "weightsFormat": schema.FullyConnectedOptionsWeightsFormat,
    "kernelType": schema.LSTMKernelType,
    "combiner": schema.CombinerType,
    "inDataType": TYPE,
    "outDataType": TYPE,
    "outputType": TYPE,
    "outType": TYPE,
    "idxOutType": TYPE,
    "keyDtype": TYPE,
    "valueDtype": TYPE,
    "MirrorPadOptions.mode": schema.MirrorPadMode,
    "comparisonDirection": schema.StablehloComparisonDirection,
    "compareType": schema.StablehloComparisonType,
    "precisionConfig": schema.StablehloPrecisionConfig,
    "algorithm": schema.RngAlgorithm,
    "reduceFunction": schema.ReduceWindowFunction,
    "compositeAttributesFormat": schema.CustomOptionsFormat,
    "StablehloConvolutionOptions.padding": None,
    "StablehloReduceWindowOptions.padding": None,
}
STRINGS = {"container", "sharedName", "callTargetName", "backendConfig", "name"}
# Fields of the runtime's schema that the schema package is too old to know.
NEWER_FIELDS = {"FullyConnectedOptions.quantSpec"}


def fill(table: str, options: Any) -> dict[str, Any]:
    """Give every field a value other than its default; returns what should be read."""
    expected = {}
    for number, (name, default) in enumerate(vars(options).items(), start=2):
        if f"{table}.{name}" in NEWER_FIELDS:
            continue
        value: Any = number
        seen: Any = None
        enum = ENUMS.get(f"{table}.{name}", ENUMS.get(name))
        if enum is not None:
            names = {v: k for k, v in vars(enum).items() if isinstance(v, int)}
            value = max(v for v in names if v != default) if len(names) > 1 else default
            seen = names[value].lower() if enum is TYPE else names[value]
            if name == "precisionConfig":
                value, seen = [value, 0], (seen, names[0])
        elif name in STRINGS:
            value = f"{name} é"
        elif isinstance(default, bool):
            value = not default
        elif isinstance(default, float):
            value = number + 0.25
        elif default is None:
            value = [True, False] if name == "windowReversal" else [number, 0, 1]
            seen = tuple(value)
        setattr(options, name, value)
        snake = re.sub("([A-Z])", r"_\1", name).lower()
        expected[snake] = value if seen is None else seen
    return expected


@pytest.mark.parametrize(("union", "table"), OPTION_TABLES)
def test_option_table(union: str, table: str) -> None:
    options = getattr(schema, f"{table}T")()
    fields = "builtinOptions" if union == "BuiltinOptions" else "builtinOptions2"
    number = getattr(getattr(schema, union), table)
    operator = record("Operator", **{f"{fields}Type": number, fields: options})
    expected = fill(table, options)
    found = read(model_of([], [operator])).main.operators[0].options
    assert found == expected


def test_option_defaults_and_no_options() -> None:
    conv = record(
        "Operator",
        builtinOptionsType=schema.BuiltinOptions.Conv2DOptions,
        builtinOptions=record("Conv2DOptions"),
    )
    operators = read(model_of([], [conv, record("Operator")])).main.operators
    assert operators[0].options == {
        "padding": "SAME",
        "stride_w": 0,
        "stride_h": 0,
        "fused_activation_function": "NONE",
        "dilation_w_factor": 1,
        "dilation_h_factor": 1,
        "quantized_bias_type": "float32",
    }
    assert operators[1].options == {}


def test_unknown_option_table_and_enum_number() -> None:
    add = record("AddOptions", fusedActivationFunction=99)
    known = record("Operator", builtinOptionsType=schema.BuiltinOptions.AddOptions)
    known.builtinOptions = add
    newer = record("Operator", builtinOptions2Type=200, builtinOptions2=None)
    operators = read(model_of([], [known, newer])).main.operators
    assert operators[0].options["fused_activation_function"] == 99
    assert operators[1].options == {}


def test_names_and_versions_of_operators() -> None:
    code = schema.BuiltinOperator
    codes = [
        record("OperatorCode", builtinCode=code.CONV_2D, deprecatedBuiltinCode=code.CONV_2D),
        record("OperatorCode", deprecatedBuiltinCode=code.CONV_2D, version=5),  # old files
        record("OperatorCode", builtinCode=code.GELU, deprecatedBuiltinCode=127),
        record("OperatorCode", builtinCode=4000, deprecatedBuiltinCode=127),
        record("OperatorCode", deprecatedBuiltinCode=code.CUSTOM, customCode="Mine", version=2),
    ]
    operators = [record("Operator", opcodeIndex=index) for index in range(len(codes))]
    operators[4].customOptions = np.frombuffer(b"\0\1flex", np.uint8)
    found = read(model_of([], operators, operatorCodes=codes)).main.operators
    assert [op.name for op in found] == [
        "CONV_2D",
        "CONV_2D",
        "GELU",
        "BUILTIN_4000",
        "CUSTOM:Mine",
    ]
    assert [op.version for op in found] == [1, 5, 1, 1, 2]
    assert found[4].custom_options == b"\0\1flex"
    assert found[0].custom_options == b""


def test_optional_inputs_and_intermediates() -> None:
    operator = record("Operator", inputs=[0, -1], outputs=[1], intermediates=[-1, 1])
    tensors = [record("Tensor", type=TYPE.INT8, shape=[1]) for _ in range(2)]
    found = read(model_of(tensors, [operator])).main.operators[0]
    assert (found.inputs, found.outputs, found.intermediates) == ((0, -1), (1,), (-1, 1))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"inputs": [0, 2]}, "subgraph 0, op 0 ADD inputs: tensor 2 is out of range: there are 2"),
        ({"inputs": [-2]}, "tensor -2 is out of range"),
        ({"outputs": [-1]}, "op 0 ADD outputs: tensor -1 is out of range"),
        ({"intermediates": [9]}, "intermediates: tensor 9"),
        ({"opcodeIndex": 1}, "op 0: opcode 1 is out of range: there are 1"),
    ],
)
def test_impossible_operators(fields: dict[str, Any], message: str) -> None:
    tensors = [record("Tensor", type=TYPE.INT8, shape=[1]) for _ in range(2)]
    with pytest.raises(ModelError, match=f"^made.tflite: .*{message}"):
        read(model_of(tensors, [record("Operator", **fields)]))


# The whole model


def test_subgraphs_signatures_and_metadata() -> None:
    def graph(name: str) -> Any:
        tensors = [record("Tensor", type=TYPE.INT8, shape=[1], name=n) for n in ("a", "a", "")]
        return record(
            "SubGraph", name=name, tensors=tensors, inputs=[0], outputs=[1, 2], operators=[]
        )

    signature = record(
        "SignatureDef",
        signatureKey="serve",
        subgraphIndex=1,
        inputs=[record("TensorMap", name="x", tensorIndex=0)],
        outputs=[record("TensorMap", name="y", tensorIndex=2)],
    )
    made = model_of(
        [],
        buffers=[b"1.5.0"],
        subgraphs=[graph("main"), graph("other")],
        signatureDefs=[signature],
        metadata=[record("Metadata", name="min_runtime_version", buffer=1)],
        description="made by a test",
    )
    found = read(made)
    assert [g.name for g in found.subgraphs] == ["main", "other"]
    assert found.main is found.subgraphs[0]
    assert found.main.outputs == (1, 2)
    assert [t.label for t in found.main.tensors] == ["0 (a)", "1 (a)", "2"]
    assert [dataclasses.astuple(s) for s in found.signatures] == [("serve", 1, {"x": 0}, {"y": 2})]
    assert found.metadata == {"min_runtime_version": b"1.5.0"}
    assert found.description == "made by a test"
    assert found.sha256 == hashlib.sha256(pack(made)).hexdigest()
    signature.subgraphIndex = 2
    with pytest.raises(ModelError, match="signature 'serve': subgraph 2 is out of range"):
        read(made)
    signature.subgraphIndex, signature.outputs[0].tensorIndex = 1, 3
    with pytest.raises(ModelError, match="signature 'serve': tensor 3 is out of range"):
        read(made)


def test_names_in_messages_are_short_and_printable() -> None:
    tensor = read_tensor(type=TYPE.INT8, shape=[1], name="start\n\x1b" + 300 * "x" + "end")
    assert len(tensor.label) < 90
    assert tensor.label.startswith("0 (start??xxx")
    assert tensor.label.endswith("xend)")
    assert "..." in tensor.label
    assert len(tensor.name) == 310


def test_reprs_are_short() -> None:
    found = load(COMMITTED[0])
    assert repr(found) == (
        "Model('efficientnet_b0_int8.tflite', Subgraph(0 'main': 242 operators, "
        f"{len(found.main.tensors)} tensors, inputs (0,), outputs {found.main.outputs}))"
    )
    assert all(len(repr(op)) < 400 for op in found.main.operators)
    assert all(len(repr(t)) < 350 + len(t.name) for t in found.main.tensors)


def test_records_are_equal_by_value() -> None:
    first, second = load(COMMITTED[1]), load(COMMITTED[1])
    assert first == second
    found = next(t.quantization for t in first.main.tensors if t.is_constant and t.quantization)
    assert dataclasses.replace(found, scale=found.scale * 2) != found
    assert dataclasses.replace(found, zero_point=found.zero_point + 1) != found
    with pytest.raises(ValueError, match="read-only"):
        found.scale[0] = 1


def test_every_operator_of_the_committed_models_is_builtin() -> None:
    for path in COMMITTED:
        found = load(path)
        assert found.content == path.read_bytes()
        assert not [op for op in found.main.operators if op.name.startswith(("BUILTIN_", "CUSTOM"))]


# Damaged files


def test_not_a_model(tmp_path: Path) -> None:
    png = tmp_path / "image.tflite"
    png.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    empty = tmp_path / "empty.tflite"
    empty.write_bytes(b"")
    for path in (png, empty):
        with pytest.raises(ModelError, match=re.escape(f"{path}: not a .tflite model")):
            load(path)
    with pytest.raises(ModelError, match=r"missing\.tflite: cannot read the model: No such file"):
        load(tmp_path / "missing.tflite")
    with pytest.raises(ModelError, match="cannot read the model: Is a directory"):
        load(tmp_path)


def test_other_schema_version_and_no_subgraph() -> None:
    with pytest.raises(ModelError, match="schema version 2, expected 3"):
        read(model_of([], version=2))
    with pytest.raises(ModelError, match="no subgraph"):
        read(model_of([], subgraphs=[]))


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_truncated_at_every_16th(path: Path) -> None:
    content = path.read_bytes()
    for part in range(16):
        with pytest.raises(ModelError) as raised:
            parse(content[: len(content) * part // 16], path)
        check_message(raised.value, path)
    with pytest.raises(ModelError):
        parse(content[:-1], path)


def test_name_cut_by_the_end_of_the_file() -> None:
    code = schema.BuiltinOperator.CUSTOM
    made = model_of([], operatorCodes=[record("OperatorCode", customCode="x" * 900)])
    made.operatorCodes[0].deprecatedBuiltinCode = code
    content = pack(made)
    assert content.rstrip(b"\0").endswith(b"x" * 900)
    with pytest.raises(ModelError, match="cut short"):
        parse(content[:-500], Path("cut.tflite"))


def check_message(error: ModelError, path: Path) -> None:
    message = str(error)
    assert message.startswith(f"{path}: ")
    assert message.isprintable()
    assert len(message) < len(str(path)) + 600


def test_vectors_shared_by_many_tables() -> None:
    """A small file whose tables overlap must not be read for minutes into gigabytes."""
    builder = flatbuffers.Builder(1024)

    def vector(offset: int, count: int) -> int:
        builder.StartVector(4, count, 4)
        for _ in range(count):
            builder.PrependUOffsetTRelative(offset)
        return builder.EndVector()

    tensor = record("Tensor", shape=[1]).Pack(builder)
    inputs = builder.CreateNumpyVector(np.zeros(20_000, np.int32))
    schema.OperatorStart(builder)
    schema.OperatorAddInputs(builder, inputs)
    operators = vector(schema.OperatorEnd(builder), 20_000)
    tensors = vector(tensor, 1)
    schema.SubGraphStart(builder)
    schema.SubGraphAddTensors(builder, tensors)
    schema.SubGraphAddOperators(builder, operators)
    subgraphs = vector(schema.SubGraphEnd(builder), 1)
    codes = vector(record("OperatorCode").Pack(builder), 1)
    buffers = vector(record("Buffer").Pack(builder), 1)
    schema.ModelStart(builder)
    schema.ModelAddVersion(builder, 3)
    schema.ModelAddSubgraphs(builder, subgraphs)
    schema.ModelAddOperatorCodes(builder, codes)
    schema.ModelAddBuffers(builder, buffers)
    builder.Finish(schema.ModelEnd(builder), b"TFL3")
    with pytest.raises(ModelError, match="tables overlap"):
        parse(bytes(builder.Output()), Path("shared.tflite"))


def mutant(rng: random.Random, content: bytes) -> bytes:
    """The file with flipped bits, an overwritten word, a moved stretch, or its end cut off."""
    data = bytearray(content)
    near = rng.choice([len(data), min(4096, len(data))])  # tables crowd at both ends

    def position() -> int:
        place = rng.randrange(near - 8)
        return place if rng.random() < 0.5 else len(data) - 8 - place

    kind = rng.randrange(4)
    if kind == 0:
        for _ in range(rng.choice([1, 4, 32])):
            data[position()] ^= 1 << rng.randrange(8)
    elif kind == 1:
        values = [0, 1, 2**31 - 1, 2**31, 2**32 - 1, len(data), len(data) // 4, 10**6]
        start = position() & ~3
        data[start : start + 4] = struct.pack("<I", rng.choice([*values, rng.randrange(2**32)]))
    elif kind == 2:
        start, source = position(), position()
        data[start : start + 8] = data[source : source + 8]
    else:
        data = data[: rng.randrange(len(data))]
    return bytes(data)


def small_model() -> bytes:
    """A file that is nearly all tables, with one of each kind."""
    tensors = [
        record("Tensor", type=TYPE.INT8, shape=[2], name="a", quantization=quantization([1], [0])),
        record("Tensor", type=TYPE.STRING, shape=[1], name="s", buffer=1),
        record("Tensor", type=TYPE.INT4, shape=[2], buffer=2, quantization=quantization([1, 2])),
        record("Tensor", type=TYPE.INT8, shape=[1], shapeSignature=[-1], buffer=2),
    ]
    window = record("StablehloConvolutionOptions", padding=[1, 2], precisionConfig=[1])
    operators = [
        record(
            "Operator",
            inputs=[0, -1],
            outputs=[3],
            builtinOptionsType=schema.BuiltinOptions.Conv2DOptions,
            builtinOptions=record("Conv2DOptions", padding=1),
        ),
        record(
            "Operator",
            builtinOptions2Type=schema.BuiltinOptions2.StablehloConvolutionOptions,
            builtinOptions2=window,
            customOptions=[1, 2, 3],
        ),
    ]
    return pack(
        model_of(
            tensors,
            operators,
            [strings(b"text"), b"\x21"],
            metadata=[record("Metadata", name="m", buffer=1)],
            signatureDefs=[
                record(
                    "SignatureDef",
                    signatureKey="k",
                    inputs=[record("TensorMap", name="x", tensorIndex=0)],
                )
            ],
        )
    )


@pytest.mark.parametrize(("name", "mutants"), [("small", 3000), ("seven_ops", 150)])
def test_damaged_files(name: str, mutants: int) -> None:
    """Whatever the damage: a Model or a ModelError, and nothing else."""
    content = small_model() if name == "small" else COMMITTED[1].read_bytes()
    path = Path(f"{name}.tflite")
    parse(content, path)
    rng = random.Random(0)
    refused = 0
    for _ in range(mutants):
        try:
            found = parse(mutant(rng, content), path)
        except ModelError as error:
            check_message(error, path)
            refused += 1
            continue
        repr(found)
        for graph in found.subgraphs:
            for tensor in graph.tensors:
                with contextlib.suppress(NotReplayed):
                    assert tensor.data is None or tensor.data.shape == tensor.shape
    assert mutants / 5 < refused < mutants


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (
            gzip.compress(b"anything", mtime=0),
            "it is a gzip file: gunzip -c 'my model' > model.tflite",
        ),
        (b"PK\x03\x04" + bytes(30), "it is a zip archive; give the .tflite file in it: unzip"),
        (bytes(4) + b"CIR0" + bytes(30), "it is a circle model"),
        (b"\x08\x09\x12\x07pytorch", "it looks like an ONNX model; convert it: onnx2tf -i"),
        (b"\x08", "bytes 4-8 should be 'TFL3'"),
        (b"", "bytes 4-8 should be 'TFL3'"),
    ],
)
def test_other_files_are_named(content: bytes, what: str) -> None:
    with pytest.raises(ModelError, match=f"my model: not a .tflite model: {re.escape(what)}"):
        parse(content, Path("my model"))
