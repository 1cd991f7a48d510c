"""Whose machine: it is recorded with captures and reports, and told where it is another."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.test_replay import run as command
from tests.conftest import SEVEN_OPS
from tests.reports.synthetic import Capture as MadeUp
from tests.reports.synthetic import few_layers, make_run
from tests.reports.test_schema import SCHEMA, problems, report_of
from tflreplay.ground.engine import Engine
from tflreplay.ground.errors import CaptureError, InputError
from tflreplay.ground.machine import (
    AARCH64,
    LITTLE,
    MEASURED_ON,
    UNKNOWN,
    X86_64,
    Machine,
    asked,
    replay_notes,
    sources_note,
    tables_note,
    this_machine,
)
from tflreplay.judgement.changes import changes, read_report
from tflreplay.model import Model
from tflreplay.reports import compare as agreement
from tflreplay.reports import html, json_report, summary
from tflreplay.reports.rules import table
from tflreplay.runtimes import Capture, capture
from tflreplay.runtimes.inputs import Inputs
from tflreplay.runtimes.saved import load_source, save
from tflreplay.tools.compare import compare_sources
from tflreplay.tools.explain.element import explain_element
from tflreplay.tools.replay import run

ARM = Machine("aarch64")
PI = Machine("aarch64", "cortex-a72")
A53 = "aarch64:cortex-a53"
TOLD = "the tensors were captured on aarch64; what is replayed is x86-64's arithmetic"
BY_QEMU = "what aarch64 computes was measured with LiteRT 2.3.0 under qemu, not on a chip"


@pytest.fixture(autouse=True)
def on_x86(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told here must not depend on the computer that the tests run on."""
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")


@pytest.fixture
def on_arm(monkeypatch: pytest.MonkeyPatch, on_x86: None) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "arm64")


# The words


@pytest.mark.parametrize(
    ("machine", "text"),
    [
        (Machine(), "x86-64"),
        (ARM, "aarch64"),
        (PI, "aarch64:cortex-a72"),
        (Machine("cortex-m", "cortex-m55"), "cortex-m55"),
        (Machine("cortex-m"), "cortex-m"),
        (UNKNOWN, ""),
    ],
)
def test_a_machine_is_printed_and_read(machine: Machine, text: str) -> None:
    assert str(machine) == text
    assert Machine.parse(text) == machine


@pytest.mark.parametrize("text", [":", "aarch64:", ":a72", "a:b:c", "a b", "A", "a\n", "\x1b[2J"])
def test_what_is_no_machine(text: str) -> None:
    with pytest.raises(ValueError, match="is no machine, such as x86-64 or aarch64:cortex-a72"):
        Machine.parse(text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x86_64", "x86-64"),
        ("AMD64", "x86-64"),
        ("arm64", "aarch64"),
        ("ARM64", "aarch64"),
        ("aarch64", "aarch64"),
        ("armv7l", "armv7l"),
        ("RISCV64", "riscv64"),
        ("", ""),
    ],
)
def test_this_machine(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    monkeypatch.setattr(platform, "machine", lambda: name)
    assert str(this_machine()) == text
    assert Machine.parse(text) == this_machine()


@pytest.mark.parametrize(
    ("one", "other", "differ"),
    [
        (MEASURED_ON, ARM, True),
        (ARM, PI, False),  # perhaps the same
        (PI, Machine("aarch64", "apple-m1"), True),
        (ARM, ARM, False),
        (UNKNOWN, ARM, False),
    ],
)
def test_what_differs(one: Machine, other: Machine, differ: bool) -> None:
    assert one.differs(other) == other.differs(one) == differ


def test_an_engine_is_of_the_machine_that_was_measured() -> None:
    assert Engine("xnnpack").machine == MEASURED_ON
    there = replace(Engine("xnnpack"), machine=ARM)
    assert there != Engine("xnnpack")
    assert len({there, Engine("xnnpack"), replace(there, machine=Machine())}) == 2


def test_what_a_row_may_be_for() -> None:
    little = Machine("aarch64", "cortex-a53")
    assert [m in AARCH64 for m in (ARM, PI, little, MEASURED_ON, UNKNOWN)] == [True] * 3 + [
        False
    ] * 2
    assert [m in LITTLE for m in (ARM, PI, little)] == [False, False, True]
    assert MEASURED_ON in X86_64
    assert str(AARCH64) == "aarch64"
    assert str(LITTLE) == "aarch64 (cortex-a53, cortex-a55, kryo)"


@pytest.mark.parametrize(
    "text", ["x86-64", "aarch64", "aarch64:cortex-a72", "aarch64:sme", "cortex-m55"]
)
def test_what_a_user_may_name(text: str) -> None:
    assert str(asked(text)) == text


@pytest.mark.parametrize("text", ["", "arm64", "x86-64:zen", "aarch64:pi", "riscv64"])
def test_what_nothing_is_known_of(text: str) -> None:
    with pytest.raises(InputError) as error:
        asked(text)
    assert str(error.value) == (
        f"no machine is called {text!r}: use one of x86-64, aarch64, aarch64:cortex-a53, "
        "aarch64:cortex-a55, aarch64:cortex-a57, aarch64:cortex-a72, aarch64:cortex-a73, "
        "aarch64:cortex-a76, aarch64:kryo, aarch64:neoverse-v1, aarch64:sme, cortex-m0, cortex-m3, "
        "cortex-m4, cortex-m7, cortex-m33, cortex-m35p, cortex-m52, cortex-m55, cortex-m85"
    )


def test_it_is_known_before_numpy_is_loaded() -> None:
    code = "import sys, tflreplay.ground.machine; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


# Sentences


def test_a_capture_from_another_machine_is_said_to_be_one() -> None:
    assert replay_notes(ARM, MEASURED_ON) == (TOLD,)
    assert replay_notes(MEASURED_ON, MEASURED_ON) == ()
    assert replay_notes(UNKNOWN, MEASURED_ON) == ()


def test_what_was_not_measured_of_a_machine_is_said() -> None:
    assert tables_note(MEASURED_ON) == ""
    assert replay_notes(ARM, PI) == (tables_note(PI),) == (BY_QEMU,)


def test_sources_of_several_machines() -> None:
    found = {"a": MEASURED_ON, "b": UNKNOWN, "c": PI}
    assert sources_note(found) == (
        "the sources are not of one machine: a x86-64, c aarch64:cortex-a72"
    )
    assert sources_note({"a": ARM, "b": UNKNOWN, "c": PI}) == ""
    assert sources_note({}) == ""


def test_a_table_shows_the_rows_of_the_machine() -> None:
    there = table.render(replace(Engine("optimized"), machine=ARM))
    title, *_ = there.splitlines()
    assert title == "optimized kernels of litert 2.3.0 on aarch64 (optimized over reference)"
    told = "CONV_2D (int8): ruy-neon\n  multiplier  float64 s1*s2/so\n  machine     aarch64\n"
    assert told in there
    assert "rndnu16" in table.render(replace(Engine("xnnpack"), machine=Machine.parse(A53)))
    for other in (
        table.render(Engine("xnnpack")),
        table.render(replace(Engine("xnnpack"), machine=PI)),
    ):
        assert "rndnu16" not in other
    assert "aarch64" not in table.render(Engine("xnnpack"))


# Captures and their files


def test_a_capture_records_this_computer(
    on_arm: None, seven_ops: Model, seven_inputs: Inputs
) -> None:
    assert capture(seven_ops, seven_inputs.arrays).machine == ARM


@pytest.fixture
def on_arm_captured(
    tmp_path: Path, seven_ops: Model, seven_inputs: Inputs, seven_captured: Capture
) -> Path:
    path = tmp_path / "run.npz"
    save(replace(seven_captured, machine=ARM), path, seven_ops, seven_inputs.arrays)
    return path


def with_provenance(path: Path, change: Any) -> None:
    arrays = dict(np.load(path))
    told = json.loads(str(arrays["provenance"]))
    change(told)
    np.savez(path, **arrays | {"provenance": np.array(json.dumps(told))})


def test_a_file_holds_it(on_arm_captured: Path, seven_ops: Model) -> None:
    assert load_source(on_arm_captured, seven_ops).machine == ARM
    with_provenance(on_arm_captured, lambda told: told.update(machine="aarch64:cortex-a72"))
    assert load_source(on_arm_captured, seven_ops).machine == PI


def test_a_file_from_before_is_of_no_known_machine(
    on_arm_captured: Path, seven_ops: Model, seven_inputs: Inputs
) -> None:
    with_provenance(on_arm_captured, lambda told: told.pop("machine"))
    found = load_source(on_arm_captured, seven_ops)
    assert found.machine == UNKNOWN
    save(found, on_arm_captured, seven_ops, seven_inputs.arrays, overwrite=True)
    assert load_source(on_arm_captured, seven_ops).machine == UNKNOWN


def test_so_is_a_dump(tmp_path: Path, seven_ops: Model, seven_captured: Capture) -> None:
    arrays = {str(index): array for index, array in seven_captured.tensors.items()}
    np.savez(tmp_path / "dump.npz", **arrays)
    assert load_source(tmp_path / "dump.npz", seven_ops).machine == UNKNOWN


def test_a_file_of_what_is_no_machine(on_arm_captured: Path, seven_ops: Model) -> None:
    with_provenance(on_arm_captured, lambda told: told.update(machine="an old one"))
    with pytest.raises(InputError) as error:
        load_source(on_arm_captured, seven_ops)
    assert str(error.value) == (
        f"{on_arm_captured}: its provenance is damaged ('an old one' is no machine, such as x86-64 "
        "or aarch64:cortex-a72); capture it again"
    )


# Runs and their reports


def test_a_run_replays_the_machine_of_its_tensors(
    on_arm_captured: Path, seven_ops: Model, seven_inputs: Inputs
) -> None:
    against = load_source(on_arm_captured, seven_ops)
    found = run(seven_ops, seven_inputs, against=against)
    assert (found.engine.machine, found.notes) == (ARM, (BY_QEMU,))
    found = run(seven_ops, seven_inputs, against=against, replay_as="reference@x86-64")
    assert (found.engine.machine, found.notes) == (MEASURED_ON, (TOLD,))
    found = run(seven_ops, seven_inputs, against=replace(against, machine=MEASURED_ON))
    assert (found.engine.machine, found.notes) == (MEASURED_ON, ())


def test_a_run_replays_the_machine_that_is_named(
    seven_ops: Model, seven_inputs: Inputs, seven_captured: Capture
) -> None:
    dumped = replace(seven_captured, machine=UNKNOWN)
    assert run(seven_ops, seven_inputs, against=dumped).engine.machine == MEASURED_ON
    found = run(seven_ops, seven_inputs, against=dumped, machine="aarch64:cortex-a72")
    assert (found.engine.machine, found.capture.machine) == (PI, PI)
    found = run(seven_ops, seven_inputs, against=dumped, replay_as="single@aarch64")
    assert (found.engine.machine, found.capture.machine) == (ARM, UNKNOWN)


def test_the_machine_of_tensors_that_is_known_is_not_named_otherwise(
    seven_ops: Model, seven_inputs: Inputs, seven_captured: Capture
) -> None:
    for call in (run, partial(explain_element, op_index=1, index=(0, 0, 0, 0))):
        with pytest.raises(InputError) as error:
            call(seven_ops, seven_inputs, against=seven_captured, machine="aarch64")  # type: ignore[operator]
        assert str(error.value) == (
            "--machine aarch64: the tensors were captured on x86-64; to replay aarch64's "
            "arithmetic against them, give --replay-as ENGINE@aarch64"
        )


def test_nothing_is_captured_on_another_machine(
    on_arm: None, seven_ops: Model, seven_inputs: Inputs
) -> None:
    told = (
        "nothing can be captured on x86-64 here: only aarch64 is run on other computers. Capture "
        "there (tflreplay capture) and give the file, or replay it: --replay-as ENGINE@x86-64, "
        "replay:ENGINE@x86-64 as a source"
    )
    with pytest.raises(CaptureError) as error:
        run(seven_ops, seven_inputs, machine="x86-64")
    assert str(error.value) == told
    with pytest.raises(CaptureError) as error:
        compare_sources(seven_ops, seven_inputs, ["reference", "litert:optimized@x86-64"])
    assert str(error.value) == told


def test_this_computer_is_replayed(
    on_arm: None, seven_ops: Model, seven_inputs: Inputs, seven_captured: Capture
) -> None:
    dumped = replace(seven_captured, machine=UNKNOWN)
    assert run(seven_ops, seven_inputs, against=dumped).engine.machine == ARM


def test_the_command_tells_it(on_arm_captured: Path, seven_inputs: Inputs, tmp_path: Path) -> None:
    (array,) = seven_inputs.arrays.values()
    np.save(tmp_path / "x.npy", array)
    done = command(
        *(SEVEN_OPS, "--input", "x.npy", "--against", on_arm_captured, "--out", "out"),
        *("--replay-as", "reference@x86-64"),
        cwd=tmp_path,
    )
    assert f"note: {TOLD}\n" in done.stdout
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert TOLD in report["capture"]["notes"]
    assert "captured on aarch64, replayed as on x86-64" in (
        tmp_path / "out" / "report.html"
    ).read_text(encoding="utf-8")


def test_an_explanation_tells_it(
    on_arm_captured: Path, seven_ops: Model, seven_inputs: Inputs
) -> None:
    against = load_source(on_arm_captured, seven_ops)
    found = explain_element(seven_ops, seven_inputs, 1, (0, 0, 0, 0), against=against)
    assert BY_QEMU in found.notes


def test_reports_record_both_machines() -> None:
    for machine, captured_on in ((PI, "captured on aarch64:cortex-a72"), (UNKNOWN, None)):
        found = make_run(few_layers(), MadeUp(machine=machine))
        report = report_of(found)
        assert list(problems(report, SCHEMA)) == []
        assert report["capture"]["machine"] == str(machine)
        assert report["replay"]["machine"] == "x86-64"
        unknown = "a machine that is not known"
        page = html.render(found, json_report.document(found))
        text = summary.render(found)
        assert f"{captured_on or f'from {unknown}'}, replayed as on x86-64" in page
        assert f"- captured on: {str(machine) or unknown}\n" in text
        assert "reference arithmetic of litert 2.3.0 on x86-64\n" in text


def test_an_older_report_is_still_one_of_the_schema() -> None:
    report = report_of(make_run(few_layers()))
    del report["capture"]["machine"], report["replay"]["machine"]
    assert list(problems(report, SCHEMA)) == []
    report["capture"]["machine"] = 5
    assert list(problems(report, SCHEMA)) == [".capture.machine: 5 is not ['string']"]


def test_a_change_of_machine_is_told(tmp_path: Path) -> None:
    paths = {name: tmp_path / f"{name}.json" for name in ("here", "there", "before")}
    report = report_of(make_run(few_layers()))
    paths["here"].write_text(json.dumps(report))
    report["capture"]["machine"] = "aarch64"
    paths["there"].write_text(json.dumps(report))
    del report["capture"]["machine"], report["replay"]["machine"]
    paths["before"].write_text(json.dumps(report))
    here, there, before = map(read_report, paths.values())
    assert changes(here, there).about == {"captured on": ("x86-64", "aarch64")}
    assert changes(here, before).about == changes(before, there).about == {}


def test_compare_tells_it(on_arm_captured: Path, seven_ops: Model, seven_inputs: Inputs) -> None:
    path = str(on_arm_captured)
    found = compare_sources(seven_ops, seven_inputs, ["replay:reference", path])
    note = f"the sources are not of one machine: replay:reference x86-64, {path} aarch64"
    assert found.notes == (note,)
    document = json.loads(agreement.dumps(found))
    assert document["notes"] == [note]
    assert document["machines"] == ["x86-64", "aarch64"]
    with_provenance(on_arm_captured, lambda told: told.pop("machine"))
    found = compare_sources(seven_ops, seven_inputs, ["replay:reference", path])
    assert found.notes == ()
    assert json.loads(agreement.dumps(found))["machines"] == ["x86-64", ""]


def test_a_replay_of_another_machine_is_a_source(seven_ops: Model, seven_inputs: Inputs) -> None:
    found = compare_sources(
        seven_ops, seven_inputs, ["replay:optimized", "replay:optimized@aarch64:cortex-a72"]
    )
    assert found.machines == (MEASURED_ON, PI)
    assert f"replay:optimized@aarch64:cortex-a72: {BY_QEMU}" in found.notes


def test_the_page_of_sources_tells_it(
    on_arm_captured: Path, seven_ops: Model, seven_inputs: Inputs, tmp_path: Path
) -> None:
    found = compare_sources(seven_ops, seven_inputs, ["replay:reference", str(on_arm_captured)])
    agreement.write(found, tmp_path / "out")
    page = (tmp_path / "out" / "agreement.html").read_text(encoding="utf-8")
    assert f"LiteRT {Engine().version} reference kernels, aarch64</span>" in page
    assert f"replay of LiteRT {Engine().version} reference kernels, x86-64</span>" in page


def test_a_replay_on_another_computer(
    on_arm: None, on_arm_captured: Path, seven_ops: Model, seven_inputs: Inputs
) -> None:
    sources = ["replay:reference", str(on_arm_captured)]
    first, *_ = compare_sources(seven_ops, seven_inputs, sources).notes
    assert first == f"replay:reference: {BY_QEMU}"
