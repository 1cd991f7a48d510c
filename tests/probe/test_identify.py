"""A device is identified by its outputs of the kit alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from packaging.version import Version

from tests.probe.devices import device, mismatches, outputs
from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import InputError, NotReplayed, OutputError
from tflreplay.ground.machine import Machine
from tflreplay.ground.rounding import Array
from tflreplay.model import Model
from tflreplay.ops import CARDS, card, row_of
from tflreplay.ops.base.call import Call
from tflreplay.ops.seam import call_of, compute
from tflreplay.reports import fingerprint as report
from tflreplay.runtimes import capture, environments
from tflreplay.runtimes.inputs import Inputs, random_inputs
from tflreplay.runtimes.profiles import read_profile
from tflreplay.tools.probe import TYPES, ask, fingerprint_of, kit, known
from tflreplay.tools.probe.alike import function_of
from tflreplay.tools.probe.build import Builder, Scale
from tflreplay.tools.probe.cases import Cases, cases
from tflreplay.tools.probe.identify import fingerprint, kinds, trials_of
from tflreplay.tools.probe.known import known_engines
from tflreplay.tools.replay import run

DEVICES = 4


@pytest.fixture(scope="module")
def probed() -> Cases:
    return cases(("int8",))


@pytest.fixture(scope="module")
def of_all_types() -> Cases:
    return cases(TYPES)


def returned(folder: Path, given: dict[int, Array], *left_out: str) -> Path:
    """What a device returns: one file a piece."""
    for piece in kit(TYPES):
        if piece.name not in left_out and set(piece.places.values()) <= set(given):
            arrays = {f"op{n}_output": given[i] for n, i in enumerate(piece.places.values())}
            np.savez(folder / f"{piece.name}.npz", **arrays)
    return folder


@pytest.mark.parametrize("seed", range(DEVICES))
def test_a_profile_replays_as_its_device(
    tmp_path: Path, of_all_types: Cases, seven_ops: Model, seven_inputs: Inputs, seed: int
) -> None:
    theirs = device(of_all_types, seed)
    folder = tmp_path / "results"
    folder.mkdir()
    found, notes = fingerprint_of(returned(folder, outputs(of_all_types, theirs)))
    assert not notes
    assert not found.ambiguous
    assert not found.unexplained
    report.write(found, tmp_path / "device.toml")
    ours = read_profile(tmp_path / "device.toml")
    assert mismatches(seven_ops, seven_inputs.arrays, theirs, ours) == 0
    others = Engine(), Engine("xnnpack")
    assert any(mismatches(seven_ops, seven_inputs.arrays, theirs, other) for other in others)


@pytest.mark.parametrize(
    ("runtime", "name"),
    [
        *(("litert", name) for name in ("reference", "optimized", "xnnpack")),
        ("litert==2.1.3", "reference"),
        ("litert==2.1.3", "optimized"),
        ("litert==2.1.3", "xnnpack"),
        ("litert==1.0.1", "reference"),
        ("litert==1.0.1", "optimized"),
        ("litert==1.0.1", "xnnpack"),
        ("tflm==0.dev20261023182759", "tflm"),
    ],
)
def test_known_engines_are_recognised(probed: Cases, runtime: str, name: str) -> None:
    kind, _, version = runtime.partition("==")
    if version and not environments.interpreter(environments.path(kind, version)).exists():
        pytest.skip(f"there is no environment of {runtime}")
    ran, tensors, missing, failure = ask(probed, runtime, name)
    found = fingerprint(probed, tensors, missing)
    assert not failure
    assert not found.differs
    assert not found.unexplained
    assert not found.ambiguous
    assert {(engine.runtime, engine.name) for engine in found.nearest} >= {(kind, name)}
    known = [engine for engine in known_engines() if (engine.runtime, engine.name) == (kind, name)]
    # The last known version that is not after it.
    before = [engine for engine in known if ran.at_least({kind: engine.version})]
    assert max(before, key=lambda engine: Version(engine.version)) in found.nearest
    assert f"the {name} kernels of" in report.nearest(found)


@pytest.mark.parametrize("name", ["reference", "optimized", "xnnpack"])
def test_other_types(name: str) -> None:
    asked = cases(("uint8", "int16"))
    _, tensors, missing, failure = ask(asked, "litert", name)
    found = fingerprint(asked, tensors, missing)
    assert not failure
    assert not found.differs
    assert not found.unexplained
    assert not found.ambiguous
    assert len(found.measured) == len(kinds(asked)) == 45
    assert {(one.op, one.dtype) for one in found.measured} >= {("ADD", "uint8"), ("ADD", "int16")}
    assert found.nearest[0] == Engine(name)


def test_a_machine_is_recognised(of_all_types: Cases) -> None:
    little = Engine("xnnpack", machine=Machine("aarch64", "cortex-a53"))
    found = fingerprint(of_all_types, outputs(of_all_types, little), {})
    assert not found.differs
    assert not found.unexplained
    assert not found.ambiguous
    assert little in found.nearest
    assert not {"", "cortex-a57"} & {engine.machine.cpu for engine in found.nearest}
    assert {engine.machine.architecture for engine in found.nearest} == {"aarch64"}
    assert "the xnnpack kernels of LiteRT 2.3.0, " in report.nearest(found)
    assert " on aarch64:cortex-a53, aarch64:cortex-a55: every" in report.nearest(found)


def test_an_engine_that_none_can_run_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the runtime that it falls back to."""
    monkeypatch.setattr(known, "OWN_TABLES", (*known.OWN_TABLES, "single"))
    engines = known.known_engines.__wrapped__()
    found = [engine for engine in engines if engine.name == "single"]
    assert {engine.runtime for engine in found} == {"litert", "tensorflow"}


def test_a_part_of_the_kit_is_enough(tmp_path: Path, probed: Cases) -> None:
    given = outputs(probed, Engine())
    found, _ = fingerprint_of(returned(tmp_path, given, "add_1", "tanh_1", "softmax_1"))
    by_kind = {finding.op: finding for finding in found.findings}
    assert "tanh_1 is not in" in by_kind["TANH"].text
    assert 0 < by_kind["ADD"].outputs < 21_238
    assert by_kind["ADD"].computes == ("double (litert==2.3.0:reference)",)
    assert {one.op for one in found.measured} == set(kinds(probed)) - {"TANH", "SOFTMAX"}
    assert "every output of 22 kinds of op is the same" in report.nearest(found)


def test_nothing_of_the_kit(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("1 2 3")
    with pytest.raises(InputError, match="nothing of the kit is in there"):
        fingerprint_of(tmp_path)
    with pytest.raises(InputError, match="no such directory"):
        fingerprint_of(tmp_path / "results")


def test_what_nothing_explains(tmp_path: Path, probed: Cases, seven_ops: Model) -> None:
    """It is told with its vectors, is not replayed, and a kernel of the user's fills the hole."""
    given = outputs(probed, Engine())
    changed = trials_of(probed, "MUL").ops[3].outputs[0]
    given[changed] = given[changed] ^ 1
    found = fingerprint(probed, given, {})
    assert found.unexplained == ("MUL",)
    text = report.render(found, "device")
    assert "UNEXPLAINED" in text
    assert "MUL: Not explained: the nearest candidate" in text
    profile, vectors = report.write(found, tmp_path / "my.toml")
    with np.load(vectors) as arrays:
        index = trials_of(probed, "MUL").ops[3].index
        assert sorted(arrays) == [
            f"MUL/{index}/{name}" for name in ("device", "input_0", "input_1", "nearest")
        ]
        np.testing.assert_array_equal(arrays[f"MUL/{index}/device"], given[changed])
        assert (arrays[f"MUL/{index}/nearest"] != given[changed]).all()
    engine = read_profile(profile)
    graph = seven_ops.main
    mul = next(op for op in graph.operators if op.name == "MUL")
    with pytest.raises(NotReplayed, match=r"nothing known computes MUL on int8 as my\.toml does"):
        row_of(engine, graph, mul)
    with pytest.raises(OutputError, match="already there"):
        report.write(found, tmp_path / "my.toml")

    def double(call: Call, a: Array, b: Array) -> Array:
        return compute(replace(call, row=row_of(Engine(), graph, mul)), (a, b))[0]

    inputs = random_inputs(seven_ops)
    captured = capture(seven_ops, inputs.arrays)
    done = run(seven_ops, inputs, None, str(profile), against=captured, kernels={"MUL": double})
    assert done.verdict == "exact"
    assert set(done.user_kernels) == {op.index for op in graph.operators if op.name == "MUL"}


def test_one_function(probed: Cases) -> None:
    """What is called one function gives the same of every code, at scales of all sizes."""
    rng = np.random.default_rng(3)
    for op, one in CARDS.items():
        for kernels in one.alike:
            build = Builder()
            for scale in np.exp(rng.uniform(np.log(1e-4), np.log(0.5), 200)):
                codes = np.arange(-128, 128)
                x = build.codes(codes, Scale(np.float32(scale), int(rng.integers(-128, 128))))
                build.op(op, (x,), codes.shape, Scale(1 / 128))
            made = Cases(build.model(), build.inputs)
            graph = made.model.main
            rows = [
                next(row for row in card(op).rows() if row.kernel is kernel) for kernel in kernels
            ]
            for operator in graph.operators:
                first, *others = (
                    compute(*call_of(graph, operator, made.inputs, Engine(), row))[0]
                    for row in rows
                )
                for other in others:
                    np.testing.assert_array_equal(first, other)


@pytest.mark.parametrize(("out", "same"), [(0.1, True), (1e-9, False)])
def test_rules_that_part_beyond_32_bits(out: float, same: bool) -> None:
    """They are one function only of sums that stay within, whatever the input."""
    build, x, weights = Builder(), Scale(np.float32(0.1), 3), Scale(np.float32(0.3))
    inputs = (
        build.codes(np.arange(-4, 4)[:, None], x),
        build.weights(np.array([[5], [-90]]), weights),
        build.bias(np.array([7, -9]), x, weights),
    )
    y = Scale(np.float32(out), -2)
    build.op("FULLY_CONNECTED", inputs, (8, 2), y, {}, "FullyConnectedOptions", version=4)
    model, engine = build.model(), Engine("xnnpack")
    (op,) = model.main.operators
    row = row_of(engine, model.main, op)
    for one, other in (("float-even32", "float-even32-kleidi"), ("single", "ruy-neon")):
        functions = [
            function_of(*call_of(model.main, op, build.inputs, engine, replace(row, rule=rule)))
            for rule in (one, other)
        ]
        assert (functions[0] == functions[1]) is same


def test_trials_of_one_function_agree_on_the_kit(of_all_types: Cases) -> None:
    for kind in kinds(of_all_types):
        by_function: dict[int, list[Array]] = {}
        for trial in trials_of(of_all_types, kind).known:
            flat = np.concatenate([array.ravel() for array in trial.outputs])
            by_function.setdefault(trial.function, []).append(flat)
        for first, *others in by_function.values():
            assert all(np.array_equal(first, other) for other in others), kind
        distinct = [found[0].tobytes() for found in by_function.values()]
        assert len(set(distinct)) == len(distinct), kind
