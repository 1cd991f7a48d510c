"""What is said not to run does not, and what does not is said: asked of the engines themselves."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.check.models import ALL, CASES, LITE
from tflreplay.ground.engine import NEWEST, Engine
from tflreplay.model import parse
from tflreplay.ops import CARDS, site
from tflreplay.runtimes import installed
from tflreplay.tools.check import Severity, check

ENGINES = {name: Engine(name) for name in LITE} | {"tflm": Engine("tflm", "tflm", NEWEST["tflm"])}

# Each case runs in a fork, since some kill the process.
RUNNER = """
import json, os, sys
from pathlib import Path
import numpy as np

def litert(content, name):
    from ai_edge_litert.interpreter import Interpreter, OpResolverType
    resolver = {
        "reference": OpResolverType.BUILTIN_REF,
        "optimized": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        "xnnpack": OpResolverType.BUILTIN,
    }[name]
    one = Interpreter(
        model_content=content, experimental_op_resolver_type=resolver, num_threads=1
    )
    one.allocate_tensors()
    for detail in one.get_input_details():
        one.set_tensor(detail["index"], np.zeros(detail["shape"], detail["dtype"]))
    one.invoke()

def tflm(content, name):
    from tflite_micro import runtime
    one = runtime.Interpreter.from_bytes(content)
    for index in range(int(sys.argv[3])):
        detail = one.get_input_details(index)
        one.set_input(np.zeros(detail["shape"], detail["dtype"]), index)
    one.invoke()

folder, name = Path(sys.argv[1]), sys.argv[2]
ran = {}
for path in sorted(folder.iterdir()):
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        sys.argv[3:] = [path.suffix[1:]]
        try:
            (tflm if name == "tflm" else litert)(path.read_bytes(), name)
        except BaseException:
            os._exit(3)
        os._exit(0)
    ran[path.stem] = os.waitpid(child, 0)[1] == 0
print(json.dumps(ran))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cases by their number; the suffix is the number of inputs."""
    path = tmp_path_factory.mktemp("cases")
    for number, (content, _) in enumerate(CASES.values()):
        inputs = len(parse(content, Path("case.tflite")).main.inputs)
        (path / f"{number}.{inputs}").write_bytes(content)
    return path


def ran(folder: Path, name: str) -> Mapping[str, bool]:
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, str(folder), name],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, bool] = json.loads(done.stdout.splitlines()[-1])
    return {case: found[str(number)] for number, case in enumerate(CASES)}


def foretold(content: bytes, engine: Engine) -> bool:
    """That it does not run."""
    found = check(parse(content, Path("case.tflite")), [engine])
    rules = {one.rule for one in found if one.severity is Severity.ERROR}
    # All defects of these cases are aborts.
    return bool(rules & {"refused", "unsupported", "defect"} - _moved(content))


def _moved(content: bytes) -> set[str]:
    """Codes that are copied to another scale are wrong, and run."""
    found = check(parse(content, Path("case.tflite")), [Engine()])
    return {"defect"} if any("codes as they are" in one.what for one in found) else set()


@pytest.mark.parametrize("name", ALL)
def test_the_engine_refuses_what_is_said(folder: Path, name: str) -> None:
    if name == "tflm" and not installed("tflm"):
        pytest.skip("TFLM is not installed")
    found = ran(folder, name)
    wrong = {
        case: (found[case], foretold(content, ENGINES[name]))
        for case, (content, _) in CASES.items()
        if found[case] == foretold(content, ENGINES[name])
    }
    assert not wrong


@pytest.mark.parametrize("case", CASES)
def test_each_case_is_told_of_the_engines_that_refused_it(case: str) -> None:
    """Recorded with LiteRT 2.3.0 and TFLM 0.dev20261023182759, for whom TFLM is not installed."""
    content, refusing = CASES[case]
    assert tuple(name for name in ALL if foretold(content, ENGINES[name])) == refusing


def refusals() -> Iterator[tuple[str, int]]:
    for op, card in CARDS.items():
        yield from ((op, number) for number in range(len(card.refusals)))


def test_every_refusal_has_a_model_that_shows_it() -> None:
    shown = set()
    for content, _ in CASES.values():
        graph = parse(content, Path("case.tflite")).main
        (op,) = graph.operators
        for engine in ENGINES.values():
            place = site(engine, graph, op)
            for number, one in enumerate(CARDS[op.name].refusals):
                if engine.name in one.engines and place.dtype in one.types and one.when(place):
                    shown.add((op.name, number))
    compared = {"EQUAL", "NOT_EQUAL", "LESS_EQUAL", "GREATER", "GREATER_EQUAL"}  # as LESS
    assert {one for one in refusals() if one[0] not in compared} == shown
