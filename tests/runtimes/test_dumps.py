"""What devices call their tensors and how they hold them, on the seven-op model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from tests.runtimes import dump_files
from tests.runtimes.dump_files import Array
from tflreplay.ground.errors import InputError
from tflreplay.model import Model, Tensor
from tflreplay.runtimes import Capture
from tflreplay.runtimes.hints import NO_HINTS, Hint, Hints, read_hints
from tflreplay.runtimes.inputs import Inputs, read_inputs
from tflreplay.runtimes.saved import load_source
from tflreplay.tools.replay import run

CONV, MEAN, PAIR = 30, 32, (42, 43)  # [1, 23, 23, 17], [1, 1, 1, 17], [1, 5, 5, 75]


@pytest.fixture
def outputs(seven_ops: Model, seven_captured: Capture) -> dict[int, Array]:
    """Every op's output by tensor index."""
    return {op.outputs[0]: seven_captured.tensors[op.outputs[0]] for op in seven_ops.main.operators}


def load(
    folder: Path, model: Model, arrays: Mapping[str, Array], hints: Hints = NO_HINTS
) -> Capture:
    np.savez(folder / "dump.npz", **arrays)
    return load_source(folder / "dump.npz", model, hints=hints)


def assert_same(found: Capture, arrays: Mapping[int, Array]) -> None:
    assert found.tensors.keys() == arrays.keys()
    for index, array in arrays.items():
        assert found.tensors[index].dtype == array.dtype
        np.testing.assert_array_equal(found.tensors[index], array)


# Values

Change = Callable[[Tensor, Array], Array]


def real(dtype: str) -> Change:
    def dequantized(tensor: Tensor, array: Array) -> Array:
        codes = array.astype(np.float64) - tensor.zero_point
        return (np.float32(tensor.scale) * codes.astype(np.float32)).astype(dtype)

    return dequantized


def blocked(tensor: Tensor, array: Array, block: int = 4) -> Array:
    if array.ndim != 4:
        return array
    pad = -array.shape[3] % block
    n, h, w, c = (padded := np.pad(array, [(0, 0)] * 3 + [(0, pad)])).shape
    return padded.reshape(n, h, w, c // block, block).transpose(0, 3, 1, 2, 4)


def channels_first(tensor: Tensor, array: Array) -> Array:
    return array.transpose(0, 3, 1, 2) if array.ndim == 4 else array


def padded(tensor: Tensor, array: Array) -> Array:
    if array.ndim != 4:
        return array
    return np.pad(array, [(0, 0)] * 3 + [(0, -array.shape[3] % 8)], constant_values=3)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda tensor, array: array.astype(np.int64), "int64 codes"),
        (lambda tensor, array: array.astype(np.int16), "int16 codes"),
        (lambda tensor, array: array.astype(">i4"), "int32 codes"),
        (lambda tensor, array: array.astype(np.float64), "float64 codes"),
        (lambda tensor, array: array.view(np.uint8), "uint8, unsigned, their bits taken as int8"),
        (real("float32"), "float32 real numbers, turned back to int8 by scale and zero point"),
        (real("float64"), "float64 real numbers, turned back to int8 by scale and zero point"),
        (real("float16"), "float16 real numbers, turned back to int8 by scale and zero point"),
        (lambda tensor, array: array[0], "without the batch, which was added"),
        (lambda tensor, array: array.ravel(), "flat, given the tensor's shape, row-major"),
        (channels_first, "NCHW, transposed to NHWC"),
        (padded, "channels padded, taken without the padding"),
        (blocked, "NC4HW4, blocks joined to NHWC"),
        (lambda tensor, array: blocked(tensor, array, 16), "NC16HW16, blocks joined to NHWC"),
    ],
)
def test_a_dump_is_exact_and_one_line_says_what_was_guessed(
    tmp_path: Path,
    seven_ops: Model,
    seven_inputs: Inputs,
    outputs: dict[int, Array],
    change: Change,
    told: str,
) -> None:
    graph = seven_ops.main
    arrays = {str(i): change(graph.tensors[i], array) for i, array in outputs.items()}
    found = load(tmp_path, seven_ops, arrays)
    assert_same(found, outputs)
    if "unsigned" in told:  # where no code is negative, nothing has to be guessed
        assert {text.partition(": ")[2] for text in found.problems} <= {told, "uint8 codes"}
    elif told.startswith("flat"):  # the axis of one that is flat already is the batch
        assert {text.partition(": ")[2] for text in found.problems} == {
            told, "without the batch, which was added",
        }  # fmt: skip
    else:
        (text,) = found.problems
        assert text.endswith(f": {told}")
    result = run(seven_ops, seven_inputs, against=found, modes=("isolated",))
    assert result.verdict == "exact"
    assert result.exit_code == 0


@pytest.mark.parametrize("digits", [".6f", ".7g", ".9g", ".4f"])
def test_real_numbers_that_were_printed(
    tmp_path: Path, seven_ops: Model, outputs: dict[int, Array], digits: str
) -> None:
    for index, array in outputs.items():
        values = real("float64")(seven_ops.main.tensors[index], array).ravel()
        text = " ".join(format(value, digits) for value in values)
        (tmp_path / f"op{list(outputs).index(index)}.txt").write_text(text)
    assert_same(load_source(tmp_path, seven_ops), outputs)


def refusal(found: Callable[[], Capture]) -> str:
    with pytest.raises(InputError) as raised:
        found()
    return str(raised.value)


def test_too_few_digits(tmp_path: Path, seven_ops: Model, outputs: dict[int, Array]) -> None:
    values = real("float64")(seven_ops.main.tensors[CONV], outputs[CONV]).ravel()
    (tmp_path / "op2.txt").write_text(" ".join(f"{value:.1f}" for value in values))
    said = refusal(lambda: load_source(tmp_path / "op2.txt", seven_ops))
    assert "too few digits were printed, print with %.9g, tensor 30 (" in said


def test_real_numbers_that_are_no_codes_are_refused(
    tmp_path: Path, seven_ops: Model, outputs: dict[int, Array]
) -> None:
    values = real("float32")(seven_ops.main.tensors[CONV], outputs[CONV])
    values[0, 1, 2, 3] += np.float32(0.1) * np.float32(0.0232)
    values[0, 5, 0, 0] = np.nan
    said = refusal(lambda: load(tmp_path, seven_ops, {"op2": values}))
    assert "at [0, 5, 0, 0] is no code, tensor 30 (" in said
    values[0, 5, 0, 0] = 0
    said = refusal(lambda: load(tmp_path, seven_ops, {"op2": values}))
    assert " at [0, 1, 2, 3] is no code of scale 0.0232032 and zero point -128, tensor 30" in said
    values[0, 1, 2, 3] = 255 * 0.0232 + 0.0232
    said = refusal(lambda: load(tmp_path, seven_ops, {"op2": values}))
    assert " at [0, 1, 2, 3] is no code of scale 0.0232032" in said


def test_numbers_that_may_be_codes_or_real(
    tmp_path: Path, seven_ops: Model, outputs: dict[int, Array]
) -> None:
    zeros = np.zeros((1, 10), np.float32)
    said = refusal(lambda: load(tmp_path, seven_ops, {"op19": zeros}))
    line = '"op19" = {values = "codes"} or "op19" = {values = "real"}'
    assert f"may be read in several ways: say which in a file given to --map: {line}" in said
    for values, code in (("codes", 0), ("real", 5)):
        found = load(tmp_path, seven_ops, {"op19": zeros}, Hints({"op19": Hint(values=values)}))
        assert (found.tensors[47] == code).all()


@pytest.mark.parametrize(
    ("dtype", "told"),
    [
        ("<i4", "int32 codes"),
        (">i4", "int32 codes|high byte first"),
        ("<i8", "int64 codes"),
        ("<f4", "float32 real numbers, turned back to int8 by scale and zero point"),
    ],
)
def test_raw_bytes_of_wider_types(
    tmp_path: Path, seven_ops: Model, outputs: dict[int, Array], dtype: str, told: str
) -> None:
    values = outputs[CONV].astype(dtype)
    if dtype == "<f4":
        values = real("float32")(seven_ops.main.tensors[CONV], outputs[CONV])
    (tmp_path / "op2.bin").write_bytes(values.tobytes())
    found = load_source(tmp_path / "op2.bin", seven_ops)
    assert_same(found, {CONV: outputs[CONV]})
    assert found.problems == tuple(f"op2: {text}" for text in told.split("|"))


def test_raw_bytes_that_may_be_two_things(tmp_path: Path, seven_ops: Model) -> None:
    (tmp_path / "op19.bin").write_bytes(bytes(40))
    said = refusal(lambda: load_source(tmp_path / "op19.bin", seven_ops))
    assert 'type = "<i4", values = "codes"' in said
    assert 'type = "<f4", values = "real"' in said
    hints = Hints({"op19.bin": Hint(type="float32", values="real")})
    assert (load_source(tmp_path / "op19.bin", seven_ops, hints=hints).tensors[47] == 5).all()


@pytest.mark.parametrize("form", ["02x", "08x", "x"])
def test_hex_words_of_other_widths(
    tmp_path: Path, seven_ops: Model, outputs: dict[int, Array], form: str
) -> None:
    codes = outputs[47].ravel().astype(np.int64) & (0xFFFFFFFF if form == "08x" else 0xFF)
    (tmp_path / "op19.hex").write_text("\n".join(format(code, form) for code in codes.tolist()))
    assert_same(load_source(tmp_path / "op19.hex", seven_ops), {47: outputs[47]})


# Layouts


def flat_blocks(array: Array) -> Array:
    return blocked(None, array).ravel()  # type: ignore[arg-type]


def test_a_flat_dump_is_in_the_layout_that_is_said(
    tmp_path: Path, seven_ops: Model, outputs: dict[int, Array]
) -> None:
    array = outputs[CONV]
    for layout, flat in (
        ("NCHW", array.transpose(0, 3, 1, 2).ravel()),
        ("NC4HW4", flat_blocks(array)),
        ("NHWC8", np.pad(array, [(0, 0)] * 3 + [(0, 7)]).ravel()),
        ("NHWC", array.ravel()),
    ):
        found = load(tmp_path, seven_ops, {"op2": flat}, Hints(layout=layout))
        assert_same(found, {CONV: array})


def test_padded_and_blocked_are_told_apart_by_who_knows(
    tmp_path: Path, seven_ops: Model, outputs: dict[int, Array]
) -> None:
    said = refusal(lambda: load(tmp_path, seven_ops, {"op2": flat_blocks(outputs[CONV])}))
    assert "may be in several layouts: give --layout NHWC4 or --layout NC4HW4" in said
    # Of one block they are the same, and nothing is to be asked.
    one = {"op4": flat_blocks(outputs[MEAN])}
    assert_same(load(tmp_path, seven_ops, one), {MEAN: outputs[MEAN]})


def test_a_shape_that_is_another_layout_than_was_said(
    tmp_path: Path, seven_ops: Model, outputs: dict[int, Array]
) -> None:
    said = refusal(lambda: load(tmp_path, seven_ops, {"op2": outputs[CONV]}, Hints(layout="NCHW")))
    assert "shape [1, 23, 23, 17] does not fit tensor 30" in said
    assert said.endswith("in the layout NCHW)")


def test_what_fits_both_is_refused_where_others_are_channels_first(
    tmp_path: Path, seven_ops: Model, outputs: dict[int, Array]
) -> None:
    """The model is given a square tensor, [1, 23, 23, 23], of the same size as nothing else."""
    from dataclasses import replace

    graph = seven_ops.main
    tensors = list(graph.tensors)
    cube = np.arange(23**3).astype(np.int8).reshape(1, 23, 23, 23)
    tensors[31] = replace(tensors[31], shape=cube.shape, shape_signature=cube.shape)
    model = replace(seven_ops, subgraphs=(replace(graph, tensors=tuple(tensors)),))
    arrays = {"op2": outputs[CONV].transpose(0, 3, 1, 2), "op3": cube}
    found = load(tmp_path, model, arrays)
    assert found.tensors.keys() == {CONV}
    assert "give --layout NCHW or --layout NHWC" in found.missing[31]
    both = load(tmp_path, model, arrays, Hints(layout="NCHW"))
    np.testing.assert_array_equal(both.tensors[31], cube.transpose(0, 2, 3, 1))
    # By itself it has the tensor's own shape.
    np.testing.assert_array_equal(load(tmp_path, model, {"op3": cube}).tensors[31], cube)


@pytest.mark.parametrize("shape", [(17, 529), (23, 17, 23), (1, 17, 529)])
def test_axes_in_another_order_are_refused(
    tmp_path: Path, seven_ops: Model, outputs: dict[int, Array], shape: tuple[int, ...]
) -> None:
    said = refusal(lambda: load(tmp_path, seven_ops, {"op2": outputs[CONV].reshape(shape)}))
    assert "its axes are in another order; transpose it, or give --layout" in said


def test_rows_and_channels(tmp_path: Path, seven_ops: Model, outputs: dict[int, Array]) -> None:
    found = load(tmp_path, seven_ops, {"op2": outputs[CONV].reshape(529, 17)})
    assert_same(found, {CONV: outputs[CONV]})
    assert found.problems == ("op2: of another shape, given the tensor's, row-major",)


# Names


@pytest.mark.parametrize(
    "style",
    [
        "{tensor}", "tensor_{tensor}", "tensor{tensor}", "op{op}", "op_{op}", "layer{op}",
        "Layer_{op}", "{op}_{name}", "op{op}_{name}", "0{op}-{name}", "op{op}_output",
        "op{op}_output_0", "{label}",
    ],
)  # fmt: skip
def test_names(tmp_path: Path, seven_ops: Model, outputs: dict[int, Array], style: str) -> None:
    arrays = {}
    for op in seven_ops.main.operators:
        (tensor,) = op.outputs
        label = seven_ops.main.tensors[tensor].name
        arrays[style.format(op=op.index, name=op.name, tensor=tensor, label=label)] = outputs[
            tensor
        ]
    assert_same(load(tmp_path, seven_ops, arrays), outputs)


def test_names_as_files_and_c_have_them(
    tmp_path: Path, seven_ops: Model, outputs: dict[int, Array]
) -> None:
    found = load(tmp_path, seven_ops, {"functional_1_normalization_1_Sub": outputs[28]})
    assert_same(found, {28: outputs[28]})
    assert_same(load(tmp_path, seven_ops, {"output": outputs[47]}), {47: outputs[47]})


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("2_RELU", "2_RELU: left out: op 2 is CONV_2D"),
        ("99_RELU", "99_RELU: left out: there is no op 99"),
        ("op2_output_3", "op2_output_3: left out: op 2 CONV_2D has 1 outputs"),
        ("op99", "op99: left out: no op output or input is called that"),
        ("conv", "conv: left out: no op output or input is called that"),
    ],
)
def test_names_of_nothing(
    tmp_path: Path, seven_ops: Model, outputs: dict[int, Array], name: str, said: str
) -> None:
    found = load(tmp_path, seven_ops, {name: outputs[CONV], "op19": outputs[47]})
    assert found.problems == (said,)
    assert found.tensors.keys() == {47}
    assert "call each by its tensor's index or name" in refusal(
        lambda: load(tmp_path, seven_ops, {name: outputs[CONV]})
    )


def test_many_unknown_names_are_one_line(
    tmp_path: Path, seven_ops: Model, outputs: dict[int, Array]
) -> None:
    arrays = {f"x{number}": outputs[47] for number in range(9)}
    found = load(tmp_path, seven_ops, {**arrays, "op19": outputs[47]})
    assert found.problems == (
        "x0, x1, x2 and 6 more: left out: no op output or input is called that",
    )


def test_the_same_tensor_twice(tmp_path: Path, seven_ops: Model, outputs: dict[int, Array]) -> None:
    arrays = {"op19": outputs[47], "47": outputs[47].astype(np.int32)}
    assert load(tmp_path, seven_ops, arrays).tensors.keys() == {47}
    arrays["47"] = arrays["47"] + 1
    arrays["op2"] = outputs[CONV]
    found = load(tmp_path, seven_ops, arrays)
    assert found.missing[47] == "op19 and 47: left out: all of them are called like tensor 47"


def test_constants_are_compared(
    tmp_path: Path, seven_ops: Model, outputs: dict[int, Array]
) -> None:
    weights = seven_ops.main.tensors[25].data
    assert weights is not None
    found = load(tmp_path, seven_ops, {"op2": outputs[CONV], "25": weights})
    assert found.problems == ()
    wrong = weights.copy()
    wrong.flat[:3] ^= 1
    (said,) = load(tmp_path, seven_ops, {"op2": outputs[CONV], "25": wrong}).problems
    assert "of the model has other values, 3 of " in said


# A mapping file


def mapping(tmp_path: Path, text: str) -> Hints:
    (tmp_path / "map.toml").write_text(text)
    return read_hints(None, tmp_path / "map.toml")


def test_a_mapping_file(
    tmp_path: Path, seven_ops: Model, seven_inputs: Inputs, outputs: dict[int, Array]
) -> None:
    """Ops 4 to 7 are one kernel of the device; nothing within them is seen."""
    hints = mapping(
        tmp_path,
        """
        first = "op 2"
        fused = "ops 4 to 7"
        "last.bin" = {tensor = "Identity"}
        dw = {tensor = 31, layout = "NCHW"}
        """,
    )
    arrays = {
        "first": outputs[CONV],
        "fused": outputs[35],
        "dw": outputs[31].transpose(0, 3, 1, 2).ravel(),
    }
    found = load(tmp_path, seven_ops, arrays, hints)
    assert_same(found, {30: outputs[30], 31: outputs[31], 35: outputs[35]})
    assert found.problems == (
        "fused: the output of ops 4 to 7, compared at op 7 MUL",
        "dw: NCHW, transposed to NHWC",
        "the mapping's last.bin is the name of no array here",
    )
    result = run(seven_ops, seven_inputs, against=found)
    assert result.verdict == "exact"
    wrong = outputs[35].copy()
    wrong[..., 3] += 1
    broken = load(tmp_path, seven_ops, arrays | {"fused": wrong}, hints)
    headline = run(seven_ops, seven_inputs, against=broken).headline
    assert "first divergence at or before op 7 MUL" in headline
    (tmp_path / "last.bin").write_bytes(outputs[47].tobytes())
    assert_same(load_source(tmp_path / "last.bin", seven_ops, hints=hints), {47: outputs[47]})


def test_a_hint_for_all(tmp_path: Path, seven_ops: Model, outputs: dict[int, Array]) -> None:
    hints = mapping(tmp_path, '"*" = {values = "real"}')
    assert (load(tmp_path, seven_ops, {"op19": np.zeros(10)}, hints).tensors[47] == 5).all()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = [1]", "'x': give the tensor that it is"),
        ('x = {tensro = "op 5"}', "'x': give the tensor that it is"),
        ('x = {layout = "CHWN"}', "'x': layout 'CHWN' is none of NHWC, NCHW, "),
        ('x = {values = "float"}', "'x': values 'float' is none of codes, unsigned, real"),
        ('x = {type = "int99"}', "'x': 'int99' is no type of numbers"),
        ("x = ", "not a TOML file: "),
    ],
)
def test_mapping_files_that_say_nothing(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=r"map\.toml: ") as raised:
        mapping(tmp_path, text)
    assert said in str(raised.value)


def test_a_mapping_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml: cannot read it: No such file"):
        read_hints(None, tmp_path / "none.toml")


# Inputs


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda array: array, "int8 codes, taken as they are"),
        (lambda array: array.ravel(), "int8 codes, taken as they are, flat, given the tensor's"),
        (lambda array: array.transpose(0, 3, 1, 2), "NCHW, transposed to NHWC"),
        (lambda array: array[0].transpose(2, 0, 1), "NCHW, transposed to NHWC"),
        (lambda array: array.reshape(2304, 3), "of another shape, given the tensor's"),
        (lambda array: padded(None, array), "channels padded, taken"),  # type: ignore[arg-type]
        (lambda array: blocked(None, array), "NC4HW4, blocks joined"),  # type: ignore[arg-type]
    ],
)
def test_inputs(
    tmp_path: Path,
    seven_ops: Model,
    seven_inputs: Inputs,
    change: Callable[[Array], Array],
    told: str,
) -> None:
    np.save(tmp_path / "x.npy", change(seven_inputs.arrays[0]))
    found = read_inputs(seven_ops, [str(tmp_path / "x.npy")])
    np.testing.assert_array_equal(found.arrays[0], seven_inputs.arrays[0])
    assert told in found.notes[0]
    assert found.earlier == ()


def test_unsigned_inputs_are_pixels_or_codes(
    tmp_path: Path, seven_ops: Model, seven_inputs: Inputs
) -> None:
    np.save(tmp_path / "x.npy", seven_inputs.arrays[0].view(np.uint8))
    with pytest.raises(InputError, match=r"uint8 values 0 to 255 do not fit int8 input 0 .*--map"):
        read_inputs(seven_ops, [str(tmp_path / "x.npy")])
    hints = Hints({"x": Hint(values="unsigned")})
    found = read_inputs(seven_ops, [str(tmp_path / "x.npy")], hints=hints)
    np.testing.assert_array_equal(found.arrays[0], seven_inputs.arrays[0])


def test_one_log_is_input_and_dump(
    tmp_path: Path, seven_ops: Model, seven_inputs: Inputs, outputs: dict[int, Array]
) -> None:
    log = dump_files.dumper(tmp_path, {**seven_inputs.arrays, **outputs})
    inputs = read_inputs(seven_ops, [str(log)])
    found = load_source(log, seven_ops, inputs.arrays)
    assert run(seven_ops, inputs, against=found, modes=("isolated",)).verdict == "exact"
