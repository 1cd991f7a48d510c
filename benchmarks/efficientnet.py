"""Replay and whole command on EfficientNet-B0 against the interpreter: ratios from one run."""

from __future__ import annotations

import os

os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ai_edge_litert.interpreter import Interpreter, OpResolverType

import tflreplay

HERE = Path(__file__).parent
MODEL = HERE.parent / "models" / "efficientnet_b0_int8.tflite"
IMAGE = HERE.parent / "models" / "img.npy"
ROUNDS = 9


def cpu(action: Callable[[], object]) -> float:
    start = time.process_time()
    action()
    return time.process_time() - start


def show(name: str, ratios: list[float]) -> None:
    ratios = sorted(ratios)
    print(f"{name}: {statistics.median(ratios):.2f} (from {ratios[0]:.2f} to {ratios[-1]:.2f})")


def replay_against_invoke() -> None:
    model = tflreplay.load(MODEL)
    inputs = tflreplay.read_inputs(model, [str(IMAGE)])
    interpreter = Interpreter(
        str(MODEL),
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
        num_threads=1,
    )
    interpreter.allocate_tensors()
    for index, array in inputs.arrays.items():
        interpreter.set_tensor(index, array)
    tflreplay.replay(model, inputs.arrays)
    interpreter.invoke()
    ratios = [
        cpu(lambda: tflreplay.replay(model, inputs.arrays)) / cpu(interpreter.invoke)
        for _ in range(ROUNDS)
    ]
    show("replay / invoke(), CPU, one thread", ratios)


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def command_against_bare_script() -> None:
    bare = [sys.executable, str(HERE / "bare.py"), str(MODEL), str(IMAGE)]
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "tflreplay", str(MODEL), "--input", str(IMAGE)]
        command += ["--out", directory, "--force", "--quiet"]
        seconds(command)
        show(
            "whole command / bare script, wall",
            [seconds(command) / seconds(bare) for _ in range(ROUNDS)],
        )


def help_cpu() -> None:
    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = spent()
    for _ in range(ROUNDS):
        seconds([sys.executable, "-m", "tflreplay", "--help"])
    print(f"--help, CPU: {(spent() - before) / ROUNDS:.3f} s")


def peak_memory() -> None:
    """The largest process of the command; the capture's child is a process of its own."""
    probe = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "tflreplay", str(MODEL), "--input", str(IMAGE)]
        command += ["--out", directory, "--force", "--quiet"]
        done = subprocess.run(
            [sys.executable, "-c", probe, *command], check=True, capture_output=True, text=True
        )
    print(f"peak memory of the largest process: {int(done.stdout) / 1024:.0f} MB")


if __name__ == "__main__":
    replay_against_invoke()
    command_against_bare_script()
    peak_memory()
    help_cpu()
